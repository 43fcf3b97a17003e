"""``celery.app.base``, ``celery.app.utils``, ``celery._state``: small things beside the app."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from types import FrameType
from typing import Any, Final

from taskq import current
from taskq.app.discovery import symbol
from taskq.app.pydantic_tasks import with_validation
from taskq.compat.utils.imports import qualname
from taskq.conf import Settings, censor
from taskq.wiring import TaskQ

__all__ = [
    "PendingConfiguration",
    "app_has_custom",
    "appstr",
    "caller_stacklevel",
    "detect_settings",
    "filter_hidden_settings",
    "find_app",
    "frame_is_celery",
    "push_current_task",
    "pydantic_wrapper",
    "task_callable_qualname",
]


def appstr(app: Any) -> str:
    """Return how an app is shown in text."""
    return f"{app.main or '__main__'} at {id(app):#x}"


def app_has_custom(app: Any, attr: str) -> type | None:
    """Return the class of an app, below ours, that defines an attribute itself."""
    for kind in type(app).__mro__:
        if kind is TaskQ:
            return None
        if attr in kind.__dict__:
            return kind
    return None


def task_callable_qualname(task: Any) -> str:
    """Return the full name of a task's function."""
    fun = getattr(task, "__wrapped__", None) or getattr(task, "run", None) or task
    fun = getattr(fun, "__func__", fun)
    return qualname(fun)


def pydantic_wrapper(  # noqa: PLR0917 - Celery's signature
    app: Any,
    task_fun: Callable[..., Any],
    task_name: str,
    strict: bool = True,
    context: dict[str, Any] | None = None,
    dump_kwargs: dict[str, Any] | None = None,
) -> Callable[..., Any]:
    """Return a function that validates arguments, and dumps a result, by their annotations.

    ``@app.task(pydantic=True)`` does the same, for functions bound to their task as well.
    """
    options = {
        "pydantic": True,
        "pydantic_strict": strict,
        "pydantic_context": context,
        "pydantic_dump_kwargs": dump_kwargs,
    }
    return with_validation(app, task_fun, task_name, False, options)


OUR_PACKAGES: Final = ("taskq.", "celery.")


def frame_is_celery(frame: FrameType) -> bool:
    """Whether a frame is of the task queue itself."""
    return f"{frame.f_globals.get('__name__', '')}.".startswith(OUR_PACKAGES)


def caller_stacklevel() -> int:
    """Return the level for ``warnings.warn`` at which the program stands that called us."""
    level = 1
    frame: FrameType | None = sys._getframe(1)  # noqa: SLF001 - there is no other way
    while frame is not None and frame_is_celery(frame):
        frame, level = frame.f_back, level + 1
    return level


def push_current_task(obj: Any) -> None:
    """Say that a task runs."""
    current.push_current_task(obj)


def find_app(app: Any, symbol_by_name: Any = None, imp: Any = None) -> Any:
    """Return the app for how it is named; an app as it is."""
    del symbol_by_name, imp  # names are found in one way
    return symbol("taskq.cli.find_app:find_app")(app) if isinstance(app, str) else app


def filter_hidden_settings(conf: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings with stars in the place of secrets."""
    return {key: censor(key, value) for key, value in conf.items()}


def detect_settings(  # noqa: PLR0917 - Celery's signature
    conf: Any,
    preconf: Any = None,
    ignore_keys: Any = None,
    prefix: str | None = None,
    all_keys: Any = None,
    old_keys: Any = None,
) -> Settings:
    """Return settings of a mapping, under names of today or of old, with the defaults below."""
    del all_keys, old_keys  # the table knows both
    ignored = set(ignore_keys or ())
    given = {key: value for key, value in dict(conf or {}).items() if key not in ignored}
    found = Settings({**(preconf or {})})
    found.config_from_object(given, namespace=prefix)
    return found


class PendingConfiguration(dict[str, Any]):
    """Settings that are read when one of them is first looked at."""

    callback: Any = None

    def __init__(self, conf: Mapping[str, Any], callback: Callable[[], Any]) -> None:
        super().__init__(conf)
        self.__dict__["callback"] = callback
        self.__dict__["_data"] = None

    @property
    def data(self) -> Any:
        """The settings, read."""
        if self.__dict__["_data"] is None:
            self.__dict__["_data"] = self.callback()
        return self.__dict__["_data"]

    def clear(self) -> None:
        """Forget what was assigned."""
        self.data.clear()

    def update(self, *args: Any, **kwargs: Any) -> None:
        """Assign several."""
        self.data.update(*args, **kwargs)

    def setdefault(self, *args: Any, **kwargs: Any) -> Any:
        """Return a setting; assigns it where it is not set."""
        return self.data.setdefault(*args, **kwargs)

    def __getitem__(self, key: str) -> Any:
        return self.data[key]

    def __setitem__(self, key: str, value: Any) -> None:
        self.data[key] = value

    def __contains__(self, key: object) -> bool:
        return key in self.data

    def __len__(self) -> int:
        return len(self.data)

    def __iter__(self) -> Any:
        return iter(self.data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.data, name)

    def __repr__(self) -> str:
        return repr(self.data)
