"""taskq: a distributed task queue with Celery's API, settings, commands and wire protocol."""
