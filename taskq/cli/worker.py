"""``taskq worker``: starts a worker, and ends with its exit code."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final, NamedTuple

import click

from taskq import signals
from taskq.cli.banner import banner
from taskq.cli.context import CLIContext
from taskq.cli.daemon import (
    begin_again,
    daemon_options,
    fill_in,
    go_where_asked,
    held,
    refuse_root_with_pickle,
)
from taskq.cli.errors import CommandError
from taskq.cli.extending import WorkerCommand
from taskq.cli.params import (
    AUTO,
    AUTOSCALE,
    COMMA_SEPARATED_LIST,
    CONCURRENCY,
    LEVELS,
    LOG_LEVEL,
    NODE_NAME,
    POOL,
)
from taskq.wiring.nodenames import expand
from taskq.wiring.workers import Beginning

# What is settled before the worker is made, so that it is not told.
OWN: Final = frozenset({"detach", "uid", "gid", "umask", "executable", "pidfile", "hostname"})


@click.command("worker", cls=WorkerCommand)
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
@click.option("-P", "--pool", type=POOL, help="What runs tasks.")
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
    pidfile = go_where_asked(context, options, node, detach=options["detach"])
    refuse_root_with_pickle(app.conf.accept_content or (), os.environ)
    with held(pidfile), streams_put_back():
        ended = run(app, context, options)
    if ended.wants_restart:
        begin_again(options["executable"] or sys.executable)
    sys.exit(ended.code)


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


class Ended(NamedTuple):
    """How a worker has ended."""

    code: int
    wants_restart: bool


def run(app: Any, context: CLIContext, options: Mapping[str, Any]) -> Ended:
    """Set up logging, make the worker, print what it is, and work until it ends."""
    node = options["hostname"]
    # First of all, so that a receiver may still change any setting.
    signals.celeryd_init.send(
        sender=node, instance=Beginning(app, node), conf=app.conf, options=dict(options)
    )
    set_up_log(app, context, options)
    try:
        worker = app.Worker(
            hostname=node, **told(options), no_color=context.no_color, quiet=context.quiet
        )
    except ImportError as error:
        raise CommandError(f"cannot make the worker: {error}") from error
    if not context.quiet:
        with_tasks = options["loglevel"] <= logging.INFO
        # Not through click: sys.stdout may be a logger by now.
        print(banner(app, worker, with_tasks=with_tasks), file=sys.__stdout__, flush=True)
    return Ended(worker.start(), worker.wants_restart)


def set_up_log(app: Any, context: CLIContext, options: Mapping[str, Any]) -> None:
    """Let the log begin; raises ``CommandError`` where its file cannot be written."""
    logfile = options["logfile"]
    try:
        app.log.setup(
            options["loglevel"],
            logfile,
            redirect_stdouts=app.conf.worker_redirect_stdouts,
            redirect_level=app.conf.worker_redirect_stdouts_level or "WARNING",
            colorize=False if context.no_color else None,
            hostname=options["hostname"],
        )
    except OSError as error:
        path = expand(logfile, options["hostname"])
        raise CommandError(f"cannot write the log to {path}: {error.strerror}") from None


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
