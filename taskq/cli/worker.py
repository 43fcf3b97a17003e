"""``taskq worker``: starts a worker, and ends with its exit code."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

import click

from taskq.cli.banner import banner
from taskq.cli.context import CLIContext
from taskq.cli.daemon import (
    daemon_options,
    fill_in,
    is_to_detach,
    refuse_root_with_pickle,
    run_in_background,
)
from taskq.cli.errors import CommandError
from taskq.cli.params import (
    AUTO,
    AUTOSCALE,
    COMMA_SEPARATED_LIST,
    CONCURRENCY,
    LEVELS,
    LOG_LEVEL,
    NODE_NAME,
)
from taskq.runtime.process import PidFile, become, parse_umask
from taskq.wiring.nodenames import expand

POOLS: Final = (
    *("prefork", "threads", "solo", "asyncio"),
    *("gevent", "eventlet", "processes", "custom"),
)
# What is settled before the worker is made, so that it is not told.
OWN: Final = frozenset({"detach", "uid", "gid", "umask", "executable", "pidfile", "hostname"})


@click.command("worker", context_settings={"ignore_unknown_options": False})
@click.option(
    "-n", "--hostname", type=NODE_NAME, default="celery", help="Name of the node (w1, w1@%h)."
)
@click.option("-D", "--detach", is_flag=True, help="Run in the background.")
@click.option("-S", "--statedb", type=click.Path(), help="File that keeps revoked ids.")
@click.option(
    "-l",
    "--loglevel",
    type=LOG_LEVEL,
    default="WARNING",
    metavar="LEVEL",
    help=f"The least loud lines to log: {', '.join(LEVELS)}.",
)
@click.option(
    "-O",
    "--optimization",
    type=click.Choice(["default", "fair"]),
    default="default",
    help="How tasks are given to children.",
)
@click.option("--prefetch-multiplier", type=int, help="Messages taken ahead for each slot.")
@click.option("--disable-prefetch", is_flag=True, help="Take a message only for a free slot.")
@click.option("-c", "--concurrency", type=CONCURRENCY, help="Number of slots, or auto.")
@click.option("-P", "--pool", type=click.Choice(POOLS), help="What runs tasks.")
@click.option("-E", "--task-events", "--events", is_flag=True, help="Send events, for monitors.")
@click.option("--time-limit", type=float, help="Seconds after which a task is killed.")
@click.option("--soft-time-limit", type=float, help="Seconds after which a task is told.")
@click.option("--max-tasks-per-child", type=int, help="Tasks after which a child is replaced.")
@click.option(
    "--pool-start-method", type=click.Choice(["fork", "spawn"]), help="How children are made."
)
@click.option(
    "--max-memory-per-child", type=int, help="KiB of memory after which a child is replaced."
)
@click.option(
    "--purge", "--discard", is_flag=True, help="Throw away all messages that wait, then start."
)
@click.option("--queues", "-Q", type=COMMA_SEPARATED_LIST, help="Queues to take from.")
@click.option("--exclude-queues", "-X", type=COMMA_SEPARATED_LIST, help="Queues to leave alone.")
@click.option("--include", "-I", type=COMMA_SEPARATED_LIST, help="Modules to import as well.")
@click.option("--without-gossip", is_flag=True, help="Do not listen to other workers.")
@click.option("--without-mingle", is_flag=True, help="Do not ask other workers at the start.")
@click.option("--without-heartbeat", is_flag=True, help="Do not send heartbeats.")
@click.option("--heartbeat-interval", type=int, help="Seconds between heartbeats.")
@click.option("--autoscale", type=AUTOSCALE, help="Most and fewest slots: 10,3.")
@click.option("-B", "--beat", is_flag=True, help="Run the scheduler as well (only in one worker).")
@click.option("-s", "--schedule-filename", "--schedule", help="File of the scheduler.")
@click.option("--scheduler", help="Class of the scheduler.")
@daemon_options("worker")
@click.pass_context
def command(ctx: click.Context, /, **options: Any) -> None:
    """Start a worker."""
    context: CLIContext = ctx.obj
    app, node = context.app, options["hostname"]
    fill_in(app.conf, options, "worker")
    if options["concurrency"] == AUTO:
        options["concurrency"] = len(os.sched_getaffinity(0))
    pidfile = PidFile(expand(options["pidfile"], node)) if options["pidfile"] else None
    if is_to_detach(options["detach"], os.environ):
        if not context.quiet:
            context.echo(f"{node} starts in the background")
        run_in_background(pidfile, options["umask"], options["executable"] or sys.executable)
    mask = parse_umask(options["umask"])
    if mask is not None:
        os.umask(mask)
    become(options["uid"], options["gid"])
    refuse_root_with_pickle(app.conf.accept_content or (), os.environ)
    with held(pidfile), streams_put_back():
        code = run(app, context, options)
    sys.exit(code)


@contextmanager
def held(pidfile: PidFile | None) -> Iterator[None]:
    """Have the file while the block lasts."""
    if pidfile is None:
        yield
        return
    pidfile.acquire()
    try:
        yield
    finally:
        pidfile.release()


@contextmanager
def streams_put_back() -> Iterator[None]:
    """Let whatever ends the command be said where the person looks, not in the log."""
    streams = sys.stdout, sys.stderr
    try:
        yield
    finally:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        sys.stdout, sys.stderr = streams


def run(app: Any, context: CLIContext, options: Mapping[str, Any]) -> int:
    """Set up logging, make the worker, print what it is, and work until it ends."""
    node = options["hostname"]
    logfile = expand(options["logfile"], node) if options["logfile"] else None
    try:
        app.log.setup(
            options["loglevel"],
            logfile,
            redirect_stdouts=app.conf.worker_redirect_stdouts,
            redirect_level=app.conf.worker_redirect_stdouts_level or "WARNING",
            colorize=False if context.no_color else None,
            hostname=node,
        )
    except OSError as error:
        raise CommandError(f"cannot write the log to {logfile}: {error.strerror}") from None
    worker = app.Worker(
        hostname=node, **told(options), no_color=context.no_color, quiet=context.quiet
    )
    if not context.quiet:
        with_tasks = options["loglevel"] <= logging.INFO
        # Not through click: sys.stdout may be a logger by now.
        print(banner(app, worker, with_tasks=with_tasks), file=sys.__stdout__, flush=True)
    code: int = worker.start()
    return code


def told(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the worker is told: what was said on the command line, and nothing else."""
    said = {
        name: value
        for name, value in options.items()
        if name not in OWN and value is not None and value is not False
    }
    for name in ("logfile", "statedb"):
        if name in said:
            said[name] = expand(said[name], options["hostname"])
    return said
