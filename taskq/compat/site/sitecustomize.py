# noqa: INP001 - not a package: a directory on PYTHONPATH
"""Read by Python when an interpreter starts; runs the next ``sitecustomize`` of the path too."""

import importlib.machinery
import importlib.util
import os
import sys

_HERE = os.path.dirname(os.path.abspath(__file__))  # noqa: PTH100, PTH120 - pathlib is a cost here


def _alias() -> None:
    if os.environ.get("TASKQ_AS_CELERY", "") not in ("", "0"):
        import taskq_alias_hook  # type: ignore[import-not-found]  # noqa: PLC0415 - it is beside this

        taskq_alias_hook.wait()


def _next() -> None:
    others = [each for each in sys.path if os.path.abspath(each) != _HERE]  # noqa: PTH100
    spec = importlib.machinery.PathFinder.find_spec("sitecustomize", others)
    if spec is not None and spec.loader is not None:
        spec.loader.exec_module(importlib.util.module_from_spec(spec))


_alias()
_next()
