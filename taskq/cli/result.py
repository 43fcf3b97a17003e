"""``taskq result``: prints the result of a task."""

from __future__ import annotations

from typing import Any

import click

from taskq.cli.context import CLIContext
from taskq.cli.errors import CommandError


@click.command("result")
@click.argument("task_id")
@click.option("-t", "--task", help="Name of the task, if it has a result store of its own.")
@click.option("--traceback", is_flag=True, help="Show the traceback instead of the result.")
@click.pass_obj
def command(context: CLIContext, task_id: str, task: str | None, traceback: bool) -> None:
    """Wait for the result of TASK_ID and show it."""
    result = _handle(context.app, task_id, task)
    value = result.traceback if traceback else result.get(propagate=False)
    context.echo(str(value))


def _handle(app: Any, task_id: str, task: str | None) -> Any:
    if task is None:
        return app.AsyncResult(task_id)
    if task not in app.tasks:
        raise CommandError(f"there is no task {task!r} in this app; see its modules, or leave -t")
    return app.tasks[task].AsyncResult(task_id)
