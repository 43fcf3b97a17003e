# noqa: INP001 - not a package: a directory on PYTHONPATH
"""Waits for the first ``import celery`` of an interpreter, and then installs taskq's alias.

This runs when an interpreter starts, in every one that inherits the environment: so it imports
nothing of taskq, and nothing else.  ``taskq.compat.importer`` puts this directory on PYTHONPATH.
"""

import sys


class _Waiting:
    """A finder that takes its place away, and lets the alias answer."""

    @classmethod
    def find_spec(cls, name, path=None, target=None):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN206
        if name.partition(".")[0] != "celery":
            return None
        sys.meta_path.remove(cls)
        from taskq.compat import importer  # noqa: PLC0415 - not before it is needed

        importer.install(children=False)
        return next(
            (
                spec
                for spec in (finder.find_spec(name, path, target) for finder in sys.meta_path)
                if spec is not None
            ),
            None,
        )

    @classmethod
    def find_distributions(cls, context):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN206
        # A name of its own: a program that asks for the version of Celery, and imports nothing.
        if getattr(context, "name", None) == "celery" and cls in sys.meta_path:
            sys.meta_path.remove(cls)
            from taskq.compat import importer  # noqa: PLC0415 - not before it is needed

            importer.install(children=False)
            for finder in sys.meta_path:
                if isinstance(finder, importer.AliasFinder):
                    return list(finder.find_distributions(context))
        return []


def wait() -> None:
    """Begin to wait; nothing happens where it was done before."""
    if "celery" not in sys.modules and not any(
        getattr(each, "__name__", None) == "_Waiting" for each in sys.meta_path
    ):
        sys.meta_path.insert(0, _Waiting)
