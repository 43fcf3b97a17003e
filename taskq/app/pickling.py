"""How an app is made again from what another one was made of, for programs that subclass that.

An app travels as its settings (``App.__reduce__``).  One whose class names a ``Pickler`` of its own
travels as the arguments of Celery's picklers, and that pickler makes the app.
"""

from __future__ import annotations

from typing import Any

__all__ = ["AppPickler", "pickled_with", "restored_with"]


class AppPickler:
    """Makes an app of what another one was made of; ``app.__reduce__`` does the same by itself."""

    def __call__(self, cls: Any, *args: Any) -> Any:
        """Return a new app."""
        kwargs = self.build_kwargs(*args)
        app = self.construct(cls, **kwargs)
        self.prepare(app, **kwargs)
        return app

    def prepare(self, app: Any, **kwargs: Any) -> None:
        """Have it know what was changed."""
        app.conf.update(kwargs["changes"])

    def build_kwargs(self, *args: Any) -> dict[str, Any]:
        """Name the parameters."""
        return self.build_standard_kwargs(*args)

    def build_standard_kwargs(  # noqa: PLR0917 - Celery's signature
        self,
        main: Any,
        changes: Any,
        loader: Any,
        backend: Any,
        amqp: Any,
        events: Any,
        log: Any,
        control: Any,
        accept_magic_kwargs: Any,  # noqa: ARG002 - of old
        config_source: Any = None,
        config_source_silent: bool = False,
    ) -> dict[str, Any]:
        """Name the parameters of the constructor."""
        return {
            "main": main,
            "loader": loader,
            "backend": backend,
            "amqp": amqp,
            "changes": changes,
            "events": events,
            "log": log,
            "control": control,
            "set_as_current": False,
            "config_source": config_source,
            "config_source_silent": config_source_silent,
        }

    def construct(self, cls: Any, **kwargs: Any) -> Any:
        """Make the app."""
        return cls(**kwargs)


def pickled_with(app: Any, pickler: Any) -> tuple[Any, ...]:
    """Return what ``__reduce__`` returns for an app with a pickler of its own."""
    parts = ("loader_cls", "backend_cls", "amqp_cls", "events_cls", "log_cls", "control_cls")
    classes = [getattr(app, name, None) for name in parts]
    return restored_with, (pickler, type(app), app.main, app.conf.changes, *classes, False, None)


def restored_with(pickler: Any, kind: type, *args: Any) -> Any:
    """Let a pickler make an app."""
    return pickler()(kind, *args)
