"""A real worker as programs know it: their steps beside it, their requests and strategies in it.

``WorkController`` is ``runtime.Worker`` with these hung on.  A program that uses none of it pays
nothing: what is looked at is made when it is looked at, what comes in goes by untouched.
"""

from taskq.worker.controller import WorkController

__all__ = ["WorkController"]
