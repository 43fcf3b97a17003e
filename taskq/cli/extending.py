"""Commands that an application adds options to, by ``app.user_options``.

``app.user_options["preload"]`` holds options of every command; what is given for them is told by
the signal ``user_preload_options`` before the command runs.  ``app.user_options["worker"]`` (and
``"beat"``, ``"events"``) holds options of that command; it gets them beside its own.
"""

from __future__ import annotations

from typing import Any, Final

import click

from taskq import signals
from taskq.cli.context import CLIContext

PRELOAD: Final = "preload"


class AppCommand(click.Command):
    """A command that works with the app, and that the app may extend."""

    # The key in ``app.user_options`` of the options that this command gets itself.
    extended_by: str | None = None

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """Return its own parameters, and those of the app."""
        return [*super().get_params(ctx), *self._added(ctx, PRELOAD), *self._own(ctx)]

    def invoke(self, ctx: click.Context) -> Any:
        """Tell what was given for the options of every command, then run."""
        preload = [str(option.name) for option in self._added(ctx, PRELOAD)]
        if preload:
            given = {name: ctx.params[name] for name in preload}
            if self.extended_by is None:
                ctx.params = {name: ctx.params[name] for name in ctx.params if name not in given}
            context: CLIContext = ctx.obj
            signals.user_preload_options.send(sender=self.callback, app=context.app, options=given)
        return super().invoke(ctx)

    def _own(self, ctx: click.Context) -> list[click.Option]:
        return [] if self.extended_by is None else self._added(ctx, self.extended_by)

    @staticmethod
    def _added(ctx: click.Context, kind: str) -> list[click.Option]:
        # Without an app in sight (the help of a command, say) there is nothing to add.
        return ctx.obj.user_options(kind) if isinstance(ctx.obj, CLIContext) else []


class WorkerCommand(AppCommand):
    """Gets what the app calls options of a worker."""

    extended_by = "worker"


class EventsCommand(AppCommand):
    """Gets what the app calls options of a monitor."""

    extended_by = "events"
