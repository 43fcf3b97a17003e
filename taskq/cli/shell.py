"""``taskq shell``: a Python shell that knows the app and its tasks."""

from __future__ import annotations

import code
import importlib
from collections.abc import Callable
from typing import Any

import click

from taskq.app.naming import BUILTIN
from taskq.cli.context import CLIContext
from taskq.cli.errors import CommandError
from taskq.cli.extending import AppCommand
from taskq.wiring.patching import patch_for


@click.command("shell", cls=AppCommand)
@click.option("-I", "--ipython", is_flag=True, help="Use IPython.")
@click.option("-B", "--bpython", is_flag=True, help="Use bpython.")
@click.option("--python", is_flag=True, help="Use the plain shell.")
@click.option("-T", "--without-tasks", is_flag=True, help="Do not name the tasks.")
@click.option("--eventlet", is_flag=True, help="With eventlet's green threads.")
@click.option("--gevent", is_flag=True, help="With gevent's green threads.")
@click.pass_obj
def command(context: CLIContext, /, without_tasks: bool, **chosen: bool) -> None:
    """Open a Python shell in which `app` and each task stand under their names."""
    for library in ("eventlet", "gevent"):
        if chosen[library]:
            patch_for(library)
    names = namespace(context.app, with_tasks=not without_tasks)
    wanted = [name for name in ("ipython", "bpython", "python") if chosen[name]]
    for name in wanted or ("ipython", "bpython", "python"):
        shell = _shells()[name]
        try:
            shell(names)
        except ModuleNotFoundError as error:
            if wanted:
                raise CommandError(f"{error.name} is not installed; pip install {name}") from None
        else:
            return


def namespace(app: Any, *, with_tasks: bool) -> dict[str, Any]:
    """Return what the shell knows."""
    canvas = importlib.import_module("taskq.canvas")
    names = {
        name: getattr(canvas, name)
        for name in ("chain", "chord", "group", "chunks", "signature", "xmap", "xstarmap")
        if hasattr(canvas, name)
    }
    names |= {"app": app, "celery": app}
    if with_tasks:
        names |= {
            name.rpartition(".")[2]: task
            for name, task in app.tasks.items()
            if not name.startswith(BUILTIN)
        }
    return names


def _shells() -> dict[str, Callable[[dict[str, Any]], object]]:
    return {"ipython": _ipython, "bpython": _bpython, "python": _python}


def _ipython(names: dict[str, Any]) -> None:
    importlib.import_module("IPython").start_ipython(argv=[], user_ns=names)


def _bpython(names: dict[str, Any]) -> None:
    importlib.import_module("bpython").embed(names)


def _python(names: dict[str, Any]) -> None:
    code.interact(local=names, exitmsg="")
