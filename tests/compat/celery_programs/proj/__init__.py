"""A package with its app in ``proj.celery``, where programs look for it."""
