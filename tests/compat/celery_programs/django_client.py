# ruff: noqa: E402 - Django is set up before models are imported
"""What a view of the Django project does."""

import django
import mysite

django.setup()

from django.db import connection
from mysite.books import tasks
from mysite.books.models import Book

WAIT = 40


def make_tables():
    with connection.schema_editor() as editor:
        editor.create_model(Book)


def use():
    assert mysite.celery_app.conf.task_time_limit == 60
    assert str(mysite.celery_app.timezone) == "Europe/Oslo"
    first = tasks.add_book.delay("Dune").get(timeout=WAIT)
    assert Book.objects.get(pk=first).title == "Dune"
    for _ in range(3):
        assert tasks.connection_is_usable.delay().get(timeout=WAIT)
    assert tasks.titles.delay().get(timeout=WAIT) == ["Dune"]
    print("the site works")
