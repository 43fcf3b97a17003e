"""Celery programs run unchanged: ``import celery`` gives taskq.

Three ways: ``taskq.compat.celery.install()`` as the first line of a program;
``python -m taskq.compat.celery SCRIPT`` (or ``-m MODULE``, ``-c CODE``) in front of one;
``TASKQ_AS_CELERY=1`` in the environment of ``taskq`` commands and of pytest, and of every Python
after ``python -m taskq.compat.celery --enable``.
"""

from __future__ import annotations

import sys

from taskq.compat.facade import Facade, resolve
from taskq.compat.importer import CeleryIsLoadedError, install, installed

__all__ = ["CeleryIsLoadedError", "Facade", "install", "installed", "resolve"]


if __name__ == "__main__":
    from taskq.compat.running import main

    sys.exit(main(sys.argv[1:]))
