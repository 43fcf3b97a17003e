"""``celery.bin.base``: what packages build commands of their own from."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from functools import update_wrapper
from typing import Any

import click

from taskq import signals
from taskq.cli.daemon import daemon_options
from taskq.cli.errors import FAILED, UNAVAILABLE, CommandError
from taskq.cli.params import Iso8601, Json

__all__ = [
    "CeleryCommand",
    "CeleryDaemonCommand",
    "CeleryOption",
    "DaemonOption",
    "ISO8601DateTime",
    "ISO8601DateTimeOrFloat",
    "JsonArray",
    "JsonObject",
    "consume_preload_options",
    "handle_preload_options",
    "handle_remote_command_error",
]


class CeleryOption(click.Option):
    """An option that stands under a heading in the help."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.help_group = kwargs.pop("help_group", None)
        self.default_value_from_context = kwargs.pop("default_value_from_context", None)
        super().__init__(*args, **kwargs)

    def get_default(self, ctx: click.Context, *args: Any, **kwargs: Any) -> Any:
        """Return the default; one that is named stands in the context of the program."""
        if self.default_value_from_context:
            self.default = getattr(ctx.obj, self.default_value_from_context, None)
        return super().get_default(ctx, *args, **kwargs)


class CeleryCommand(click.Command):
    """A command whose help has its options under their headings."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options, a section for each heading."""
        groups: OrderedDict[str, list[tuple[str, str]]] = OrderedDict()
        for param in self.get_params(ctx):
            line = param.get_help_record(ctx)
            if line is not None:
                heading = getattr(param, "help_group", None) or "Options"
                groups.setdefault(heading.capitalize(), []).append(line)
        for heading, lines in groups.items():
            with formatter.section(heading):
                formatter.write_dl(lines)


class DaemonOption(CeleryOption):
    """An option of a command that stays; its default is a setting of that command."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("help_group", "Daemonization Options")
        super().__init__(*args, callback=kwargs.pop("callback", self.daemon_setting), **kwargs)

    def daemon_setting(self, ctx: click.Context, opt: click.Option, value: Any) -> Any:
        """Return what was given, else the setting ``<command>_<option>``."""
        if value is not None or ctx.obj is None:
            return value
        return ctx.obj.app.conf.get(f"{ctx.info_name}_{opt.name}")


class CeleryDaemonCommand(CeleryCommand):
    """A command that stays, with the options of those."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.params.extend(_collected(self.name or "worker"))


def _collected(command: str) -> list[click.Parameter]:
    """Return the options that ``daemon_options`` adds to a function."""

    def function() -> None: ...

    decorated = daemon_options(command)(function)
    return list(reversed(getattr(decorated, "__click_params__", [])))


# -- types ---------------------------------------------------------------------------------------


class JsonArray(Json):
    """An array."""

    name = "json array"

    def __init__(self) -> None:
        super().__init__(list)


class JsonObject(Json):
    """An object."""

    name = "json object"

    def __init__(self) -> None:
        super().__init__(dict)


class ISO8601DateTime(Iso8601):
    """A time."""

    name = "iso-8601"


class ISO8601DateTimeOrFloat(Iso8601):
    """A time, or seconds from now."""

    name = "iso-8601 or float"

    def __init__(self) -> None:
        super().__init__(or_seconds=True)


# -- what the app adds ---------------------------------------------------------------------------


def handle_preload_options(f: Callable[..., Any]) -> Callable[..., Any]:
    """Tell ``user_preload_options`` what was given for the app's own options, then run."""

    def caller(ctx: click.Context, *args: Any, **kwargs: Any) -> Any:
        app = ctx.obj.app
        names = {str(option.name) for option in app.user_options["preload"]}
        given = {name: value for name, value in kwargs.items() if name in names}
        signals.user_preload_options.send(sender=f, app=app, options=given)
        return f(ctx, *args, **kwargs)

    return update_wrapper(caller, f)


def consume_preload_options(fun: Callable[..., Any]) -> Callable[..., Any]:
    """Keep the app's own options from a function that does not take them."""

    def caller(ctx: click.Context, *args: Any, **kwargs: Any) -> Any:
        names = {str(option.name) for option in ctx.obj.app.user_options["preload"]}
        own = {name: value for name, value in kwargs.items() if name not in names}
        return fun(ctx, *args, **own)

    return update_wrapper(caller, fun)


def handle_remote_command_error(command: str, exc: BaseException) -> None:
    """End the program because of what a command to workers raised."""
    no_answer = isinstance(exc, OSError | TimeoutError)
    raise CommandError(f"{command} failed: {exc}", UNAVAILABLE if no_answer else FAILED) from exc
