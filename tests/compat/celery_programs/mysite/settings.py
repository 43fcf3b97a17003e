import os

SECRET_KEY = "only for tests"
DEBUG = False
USE_TZ = True
TIME_ZONE = "Europe/Oslo"
INSTALLED_APPS = ["mysite.books"]
DATABASES = {
    "default": {"ENGINE": "django.db.backends.sqlite3", "NAME": os.environ["PROGRAM_DATABASE"]}
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

CELERY_BROKER_URL = os.environ["PROGRAM_BROKER"]
CELERY_RESULT_BACKEND = os.environ["PROGRAM_BACKEND"]
CELERY_TASK_TIME_LIMIT = 60
CELERY_TIMEZONE = "Europe/Oslo"
