"""``taskq multi``: starts, stops and restarts several workers of this machine."""

from __future__ import annotations

import os
import re
import shlex
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import click

from taskq.adapters.clock import SystemClock
from taskq.cli.context import CLIContext
from taskq.cli.errors import FAILED, WRONG_USE, CommandError
from taskq.cli.multi_nodes import Node, Nodes, NodesError, Words, read_words
from taskq.errors import LockFailed
from taskq.runtime.process import PidFile
from taskq.runtime.waiter import Waiter

# How long a node has to write its pid file.
START_LIMIT_S: Final = 60.0
# How often it is seen whether nodes are there, or gone.
LOOK_S: Final = 0.1
# How often people are told who is still there.
TELL_S: Final = 2.0
# What the command line of a worker has in it.
WORKER: Final = b"worker"


@click.command(
    "multi",
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
    options_metavar="[OPTIONS]",
)
@click.option("--nosplash", is_flag=True, help="No headings.")
@click.option("--quiet", is_flag=True, help="Only what went wrong.")
@click.option("--verbose", is_flag=True, help="Show the commands that are run.")
@click.option("--no-color", is_flag=True, help="No colours.")
@click.argument(
    "words", nargs=-1, type=click.UNPROCESSED, metavar="COMMAND [NODES]... [WORKER OPTIONS]..."
)
@click.pass_obj
def command(context: CLIContext, /, *, words: Sequence[str], no_color: bool, **options: Any) -> int:
    """Start, stop and restart several workers of this machine.

    \b
    start        start nodes in the background, and wait until they are there
    stop         tell nodes to stop; a signal may be said: -TERM, -QUIT, -9
    stopwait     the same, and wait until they are gone
    stop_verify  the same as stopwait
    restart      stop nodes, wait until they are gone, start them
    kill         end nodes at once
    show         print the commands that start would run
    get          print the command of one node: get NODE NODES...
    names        print the names of nodes
    expand       print a pattern for each node: expand '%n.pid' NODES...
    help         print this

    NODES are names, or one number: 3 stands for celery1, celery2 and celery3. What follows is
    given to each worker; -c:1 8 is given to the first only, -Q:2-3 images to the second and the
    third, -c:web 4 to the one that is called so. Names of files may have %n (the name), %h (the
    host), %p (both) and %d (the domain) in them, that of the log %i and %I (the process) as well.
    """  # noqa: D301 - click's mark of what is not wrapped
    name = words[0] if words else "help"
    if name not in COMMANDS:
        raise click.UsageError(f"multi has no command {name!r}; it has {', '.join(COMMANDS)}")
    said = read_words(words[1:])
    context.no_color = context.no_color or no_color or said.has("--no-color")
    context.quiet = context.quiet or options["quiet"] or said.has("--quiet", "-q")
    shell = Shell(
        context,
        headings=not (options["nosplash"] or said.has("--nosplash")),
        verbose=options["verbose"] or said.has("--verbose"),
    )
    try:
        code = COMMANDS[name](shell, said)
    except NodesError as error:
        raise CommandError(str(error), WRONG_USE) from None
    finally:
        shell.close()
    sys.exit(code)


class Shell:
    """Carries out one command on nodes."""

    def __init__(self, context: CLIContext, *, headings: bool, verbose: bool) -> None:
        self.context, self._headings, self._verbose = context, headings, verbose
        self._clock = SystemClock()
        self._waiter = Waiter()

    def close(self) -> None:
        """Wait no more."""
        self._waiter.close()

    def _now_s(self) -> float:
        return self._clock.read().elapsed_s

    def _heading(self, text: str) -> None:
        if self._headings and not self.context.quiet:
            self.context.echo(self.context.style(text, bold=True))

    def _say(self, node: Node, text: str, *, good: bool = True) -> None:
        if not good:
            self.context.error(f"{node.name}: {self.context.style(text, fg='red')}")
        elif not self.context.quiet:
            self.context.echo(f"{node.name}: {text}")

    # -- nodes -------------------------------------------------------------------------------------

    @staticmethod
    def nodes(said: Words) -> list[Node]:
        """Return the nodes that were named; refuses none."""
        found = list(Nodes(said, python=sys.executable, host=socket.gethostname()))
        if not found:
            raise NodesError("which nodes? Name them, or say how many: taskq multi start 3")
        return found

    @staticmethod
    def holder(node: Node) -> int | None:
        """Return the pid of a node that is there.

        A pid file may outlive its process, and the number may be another program's by now: that
        is told by the command line, where the system shows it.
        """
        try:
            pid = PidFile(node.pidfile).holder()
        except LockFailed as error:
            raise CommandError(f"{node.name}: {error}", FAILED) from None
        return pid if pid is not None and _is_worker(pid) else None

    # -- starting ----------------------------------------------------------------------------------

    def start(self, nodes: Sequence[Node]) -> int:
        """Start them; returns how many did not."""
        self._heading("Starting nodes")
        begun = [node for node in nodes if self._begin(node)]
        failed = len(nodes) - len(begun)
        for node in self._await(begun, START_LIMIT_S, lambda node: self.holder(node) is not None):
            self._say(
                node, f"is not there after {START_LIMIT_S:g} s; see {node.logfile}", good=False
            )
            failed += 1
        return failed

    def _begin(self, node: Node) -> bool:
        there = self.holder(node)
        if there is not None:
            self._say(node, f"is there already, as process {there}", good=False)
            return False
        if self._verbose:
            self.context.echo(f"  {shlex.join(node.words)}")
        try:
            code = subprocess.run(list(node.words), check=False).returncode  # noqa: S603 - what was asked for
        except OSError as error:
            self._say(node, f"cannot run {node.words[0]}: {error.strerror}", good=False)
            return False
        if code:
            self._say(node, f"its command ended with exit code {code}", good=False)
        return code == 0

    def _await(
        self, nodes: Sequence[Node], limit_s: float | None, is_done: Callable[[Node], bool]
    ) -> list[Node]:
        """Wait for nodes, and say of each when it is done; returns those that were not."""
        left, began_s = list(nodes), self._now_s()
        tell_at_s = began_s + TELL_S
        while left:
            for node in [node for node in left if is_done(node)]:
                left.remove(node)
                self._say(node, self.context.OK)
            now_s = self._now_s()
            if not left or (limit_s is not None and now_s - began_s >= limit_s):
                break
            if now_s >= tell_at_s and not self.context.quiet:
                tell_at_s = now_s + TELL_S
                names = ", ".join(node.name for node in left)
                self.context.error(f"waiting for {len(left)} nodes: {names}")
            self._waiter.wait(LOOK_S)
        return left

    # -- stopping ----------------------------------------------------------------------------------

    def stop(self, nodes: Sequence[Node], number: int, *, wait: bool) -> int:
        """Send a signal to those that are there; returns how many could not be told."""
        self._heading("Stopping nodes" if number != signal.SIGKILL else "Killing nodes")
        failed, told = 0, dict[Node, int]()
        for node in nodes:
            pid = self.holder(node)
            if pid is None:
                self._say(node, self.context.style("DOWN", fg="magenta"))
            elif self._send(node, pid, number):
                told[node] = pid
            else:
                failed += 1
        if wait:
            self._await(list(told), None, lambda node: self.holder(node) != told[node])
        return failed

    def _send(self, node: Node, pid: int, number: int) -> bool:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            self._say(node, self.context.style("DOWN", fg="magenta"))
            return True
        except PermissionError:
            self._say(node, f"process {pid} is another user's", good=False)
            return False
        self._say(node, f"{signal.Signals(number).name.removeprefix('SIG')} -> {pid}")
        return True


def _is_worker(pid: int) -> bool:
    """Whether a process is a worker, where the system shows what it runs."""
    try:
        line = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return True  # it does not
    # As a word: a program that has to do with a file ``tests/worker.py`` is none.
    return WORKER in re.split(rb"[\0\s()]+", line)


def _signal_of(said: Words, default: int) -> int:
    word = said.signal
    if word is None:
        return default
    try:
        return int(word) if word.isdigit() else signal.Signals[f"SIG{word}"].value
    except KeyError:
        raise NodesError(f"there is no signal {word!r}") from None


# -- commands ------------------------------------------------------------------------------------


def _start(shell: Shell, said: Words) -> int:
    return int(shell.start(shell.nodes(said)) > 0)


def _stop(shell: Shell, said: Words) -> int:
    return int(shell.stop(shell.nodes(said), _signal_of(said, signal.SIGTERM), wait=False) > 0)


def _stopwait(shell: Shell, said: Words) -> int:
    return int(shell.stop(shell.nodes(said), _signal_of(said, signal.SIGTERM), wait=True) > 0)


def _restart(shell: Shell, said: Words) -> int:
    nodes = shell.nodes(said)
    failed = shell.stop(nodes, _signal_of(said, signal.SIGTERM), wait=True)
    return int(failed + shell.start(nodes) > 0)


def _kill(shell: Shell, said: Words) -> int:
    return int(shell.stop(shell.nodes(said), signal.SIGKILL, wait=True) > 0)


def _show(shell: Shell, said: Words) -> int:
    for node in shell.nodes(said):
        shell.context.echo(shlex.join(node.words))
    return 0


def _get(shell: Shell, said: Words) -> int:
    if not said.names:
        raise NodesError("which node? taskq multi get NODE NODES...")
    wanted = said.names.pop(0)
    for node in shell.nodes(said):
        if wanted in (node.name, node.name.partition("@")[0], str(node.index)):
            shell.context.echo(shlex.join(node.words))
            return 0
    raise CommandError(f"there is no node {wanted!r}", FAILED)


def _names(shell: Shell, said: Words) -> int:
    for node in shell.nodes(said):
        shell.context.echo(node.name)
    return 0


def _expand(shell: Shell, said: Words) -> int:
    if not said.names:
        raise NodesError("which pattern? taskq multi expand '%n.pid' NODES...")
    pattern = said.names.pop(0)
    for node in shell.nodes(said):
        shell.context.echo(node.expand(pattern))
    return 0


def _help(shell: Shell, said: Words) -> int:
    del said
    with click.Context(command, info_name="taskq multi") as ctx:
        shell.context.echo(command.get_help(ctx))
    return 0


COMMANDS: Final[Mapping[str, Callable[[Shell, Words], int]]] = MappingProxyType(
    {
        "start": _start,
        "stop": _stop,
        "stopwait": _stopwait,
        "stop_verify": _stopwait,
        "restart": _restart,
        "kill": _kill,
        "show": _show,
        "get": _get,
        "names": _names,
        "expand": _expand,
        "help": _help,
    }
)
