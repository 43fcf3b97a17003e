"""Helpers of ``celery.utils`` that only programs outside use; taskq itself imports none of them.

Written from their documented behaviour.  What taskq has itself stands in ``compat/names/utils.py``
as a row, not here.
"""
