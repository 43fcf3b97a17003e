"""Flower, a web monitor for Celery, looks at taskq workers and steers them."""
