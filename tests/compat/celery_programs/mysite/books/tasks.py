from celery import shared_task
from django.db import connection

from .models import Book


@shared_task
def add_book(title):
    return Book.objects.create(title=title).pk


@shared_task
def titles():
    return sorted(book.title for book in Book.objects.all())


@shared_task
def connection_is_usable():
    return connection.is_usable()
