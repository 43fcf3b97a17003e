"""``taskq result``: prints the result of a task."""

from __future__ import annotations

from typing import Any

import click

from taskq.cli.context import CLIContext
from taskq.cli.errors import UNAVAILABLE, CommandError
from taskq.cli.extending import AppCommand
from taskq.errors import TimeoutError as ResultTimeoutError


@click.command("result", cls=AppCommand)
@click.argument("task_id")
@click.option("-t", "--task", help="Name of the task, if it has a result store of its own.")
@click.option("--traceback", is_flag=True, help="Show the traceback instead of the result.")
@click.option("--timeout", type=float, help="Seconds to wait at most; as long as it takes without.")
@click.option("-j", "--json", "as_json", is_flag=True, help="Print JSON, for machines.")
@click.pass_obj
def command(
    context: CLIContext,
    /,
    *,
    task_id: str,
    task: str | None,
    traceback: bool,
    timeout: float | None,
    as_json: bool,
) -> None:
    """Wait for the result of TASK_ID and show it."""
    result = _handle(context.app, task_id, task)
    try:
        if as_json or not traceback:
            value = result.get(timeout=timeout, propagate=False)
        else:
            value = result.traceback
    except ResultTimeoutError:
        raise CommandError(
            f"task {task_id} has no result after {timeout:g} s; its state is {result.state}",
            UNAVAILABLE,
        ) from None
    if as_json:
        context.echo_json(
            {
                "id": task_id,
                "state": result.state,
                "result": value,
                "traceback": result.traceback,
            }
        )
    else:
        context.echo(str(value))


def _handle(app: Any, task_id: str, task: str | None) -> Any:
    if task is None:
        return app.AsyncResult(task_id)
    if task not in app.tasks:
        raise CommandError(f"there is no task {task!r} in this app; see its modules, or leave -t")
    return app.tasks[task].AsyncResult(task_id)
