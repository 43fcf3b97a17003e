# ruff: noqa: PLR0917 - the parameters are Celery's, and so is their order
"""``celery.apps.multi``: nodes and clusters of workers of this machine, for programs.

The command ``taskq multi`` is ``cli.multi``; this is what programs build from the same idea: a
``Node`` is one worker with its command line, a ``Cluster`` is several of them.
"""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
from collections import UserList, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from time import sleep  # noqa: TID251 - the waiting of a program
from typing import Any, Final

from taskq.compat.pidfile import Pidfile
from taskq.compat.process_signals import signal_name
from taskq.compat.utils.nodenames import gethostname, host_format, node_format, nodesplit

__all__ = [
    "Cluster",
    "MultiParser",
    "NamespacedOptionParser",
    "Node",
    "build_expander",
    "build_nodename",
    "celery_exe",
    "format_opt",
    "maybe_call",
]

PROGRAM: Final = "-m taskq"
# A node that has been told to end is looked at so often.
LOOK_EVERY_S: Final = 1


def celery_exe(*args: str) -> str:
    """Return a command of this program: words for the interpreter."""
    return " ".join((PROGRAM, *args))


def build_nodename(name: str, prefix: str, suffix: str) -> tuple[str, str, str]:
    """Return the short name of a node, its whole name, and its host."""
    if "@" in name:
        whole = host_format(name)
        short, host = nodesplit(whole)
        return short or "", whole, host
    return name, host_format(f"{prefix}{name}@{suffix}"), suffix


def build_expander(nodename: str, shortname: str, hostname: str) -> Callable[[str], str]:
    """Return a function that puts parts of a node's name into text."""
    return partial(node_format, name=nodename, N=shortname, d=hostname, h=nodename, i="%i", I="%I")


def format_opt(opt: str, value: str | None) -> str:
    """Return an option as a word, or two."""
    if not value:
        return opt
    return f"{opt}={value}" if opt.startswith("--") else f"{opt} {value}"


def maybe_call(fun: Callable[..., object] | None, *args: Any, **kwargs: Any) -> None:
    """Call a function, if there is one."""
    if fun is not None:
        fun(*args, **kwargs)


class NamespacedOptionParser:
    """Reads options of all nodes, and of some: ``-c 3 -c:2 10 -Q:1-2 images``."""

    def __init__(self, args: Sequence[str]) -> None:
        self.args = list(args)
        self.options: dict[str, str | None] = {}
        self.values: list[str] = []
        self.passthrough = ""
        self.namespaces: defaultdict[str, dict[str, str | None]] = defaultdict(dict)

    def parse(self) -> None:
        """Read the words."""
        rest = [word for word in self.args if word]
        position = 0
        while position < len(rest):
            word = rest[position]
            if word == "--":
                self.passthrough = " ".join(rest[position:])
                return
            if word.startswith("--"):
                self.process_long_opt(word[2:])
            elif word.startswith("-"):
                value = rest[position + 1] if position + 1 < len(rest) else None
                if value is not None and value.startswith("-"):
                    value = None
                position += value is not None
                self.process_short_opt(word[1:], value)
            else:
                self.values.append(word)
            position += 1

    def process_long_opt(self, arg: str, value: str | None = None) -> None:
        """Take in ``name=value``."""
        name, equals, said = arg.partition("=")
        self.add_option(name, said if equals else value, short=False)

    def process_short_opt(self, arg: str, value: str | None = None) -> None:
        """Take in one letter and its value."""
        self.add_option(arg, value, short=True)

    def optmerge(
        self, ns: str, defaults: Mapping[str, str | None] | None = None
    ) -> dict[str, str | None]:
        """Return the options of some nodes over those of all."""
        return {**(self.options if defaults is None else defaults), **self.namespaces[ns]}

    def add_option(
        self, name: str, value: str | None, short: bool = False, ns: str | None = None
    ) -> None:
        """Take in an option; ``name:nodes`` is for these nodes alone."""
        name, colon, nodes = name.partition(":")
        where = self.namespaces[ns or nodes] if ns or colon else self.options
        where[("-" if short else "--") + name] = value


class Node:
    """One worker, and its command line."""

    def __init__(
        self,
        name: str,
        cmd: str | None = None,
        append: str | None = None,
        options: Mapping[str, Any] | None = None,
        extra_args: str | None = None,
    ) -> None:
        self.name = name
        self.cmd = cmd or celery_exe("worker", "--detach")
        self.append = append
        self.extra_args = extra_args or ""
        self.options = self._with_defaults(options or {})
        self.expander = self._expander()
        self.argv = self._argv()
        self._pid: int | None = None

    def _with_defaults(self, options: Mapping[str, Any]) -> dict[str, Any]:
        made = {name: None if value is None else str(value) for name, value in options.items()}
        made.setdefault("-n", self.name)
        for names, default in (
            (("--pidfile", "-p"), "%n.pid"),
            (("--logfile", "-f"), "%n%I.log"),
            (("--executable",), sys.executable),
        ):
            if not any(name in made for name in names):
                made[names[0]] = default
        return made

    def _expander(self) -> Callable[[str], str]:
        short, host = nodesplit(self.name)
        return build_expander(self.name, short or "", host)

    def _argv(self) -> tuple[str, ...]:
        # The option of the program itself goes before the command that it belongs to.
        words = self.expander(self.cmd).split()
        app = [word for name in ("-A", "--app") for word in self._words(name)]
        command = next((i for i, word in enumerate(words) if word in COMMANDS), len(words))
        own = (name for name in self.options if name not in ("-A", "--app", "--executable"))
        return (
            *words[:command],
            *app,
            *words[command:],
            *(word for name in own for word in self._words(name)),
            *_split(self.expander(self.extra_args)),
            *_split(self.expander(self.append or "")),
        )

    def _words(self, name: str) -> list[str]:
        if name not in self.options:
            return []
        value = self.options[name]
        return format_opt(name, self.expander(value) if value else value).split(" ", 1)

    @classmethod
    def from_kwargs(cls, name: str, **kwargs: Any) -> Node:
        """Make one of names and values: ``Node.from_kwargs("w1@h", c=3, pool="solo")``."""
        options = {
            f"-{key}" if len(key) == 1 else f"--{key.replace('_', '-')}": value
            for key, value in kwargs.items()
        }
        return cls(name, options=options)

    # -- the process ------------------------------------------------------------------------------

    def alive(self) -> bool | None:
        """Whether its process lives."""
        return self.send(0)

    def send(self, sig: int, on_error: Callable[[Node], object] | None = None) -> bool | None:
        """Send a signal; None where its process is not known, False where it is gone."""
        pid = self.pid
        if not pid:
            return None
        try:
            os.kill(pid, sig)
        except ProcessLookupError:
            maybe_call(on_error, self)
            return False
        return True

    def start(self, env: Mapping[str, str] | None = None, **kwargs: Any) -> int | None:
        """Start it; returns the exit code of what has put it into the background."""
        return self._waitexec(self.argv, path=self.executable, env=env, **kwargs)

    def _waitexec(
        self,
        argv: Sequence[str],
        path: str = sys.executable,
        env: Mapping[str, str] | None = None,
        on_spawn: Callable[..., object] | None = None,
        on_signalled: Callable[..., object] | None = None,
        on_failure: Callable[..., object] | None = None,
    ) -> int:
        words = self.prepare_argv(argv, path)
        maybe_call(on_spawn, self, argstr=" ".join(words), env=env)
        done = subprocess.run(  # noqa: S603 - the command line of the program that calls it
            words, env=None if env is None else dict(env), check=False
        )
        return self.handle_process_exit(
            done.returncode, on_signalled=on_signalled, on_failure=on_failure
        )

    def handle_process_exit(
        self,
        retcode: int,
        on_signalled: Callable[..., object] | None = None,
        on_failure: Callable[..., object] | None = None,
    ) -> int:
        """Tell how a process ended; returns its exit code, or the number of the signal."""
        if retcode < 0:
            maybe_call(on_signalled, self, -retcode)
            return -retcode
        if retcode > 0:
            maybe_call(on_failure, self, retcode)
        return retcode

    def prepare_argv(self, argv: Sequence[str], path: str) -> list[str]:
        """Return the whole command line."""
        return [path, *argv]

    def getopt(self, *alt: str) -> Any:
        """Return an option, by any of its names."""
        for name in alt:
            if name in self.options:
                return self.options[name]
        raise KeyError(alt[0])

    @property
    def pid(self) -> int | None:
        """The number of its process, as its pid file says."""
        if self._pid is not None:
            return self._pid
        try:
            return Pidfile(self.pidfile).read_pid()
        except ValueError:
            return None  # half written, or no pid file

    @pid.setter
    def pid(self, value: int) -> None:
        self._pid = value

    @property
    def executable(self) -> str:
        """The interpreter."""
        return str(self.options["--executable"])

    @property
    def argv_with_executable(self) -> tuple[str, ...]:
        """The whole command line."""
        return (self.executable, *self.argv)

    @property
    def pidfile(self) -> str:
        """Where its number is."""
        return self.expander(self.getopt("--pidfile", "-p"))

    @property
    def logfile(self) -> str:
        """Where it logs to."""
        return self.expander(self.getopt("--logfile", "-f"))

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self.name}>"


COMMANDS: Final = frozenset({"worker", "beat", "events"})


def _split(words: str) -> list[str]:
    """Split as a shell does; a mark that ends our own options is not the node's."""
    found = shlex.split(words)
    return found[1:] if found[:1] == ["--"] else found


class MultiParser:
    """Turns what was read into nodes: by name, or so many as were asked for."""

    Node: Any = Node

    def __init__(
        self,
        cmd: str | None = None,
        append: str = "",
        prefix: str = "",
        suffix: str = "",
        range_prefix: str = "celery",
    ) -> None:
        self.cmd = cmd or celery_exe("worker")
        self.append, self.prefix, self.suffix = append, prefix, suffix
        self.range_prefix = range_prefix

    def parse(self, p: NamespacedOptionParser) -> Iterator[Any]:
        """Return the nodes."""
        names, options = list(p.values), dict(p.options)
        counted = len(names) == 1 and names[0].isdigit()
        prefix = options.pop("--prefix", self.prefix) or ""
        prefix = prefix or (self.range_prefix if counted else "")
        suffix = options.pop("--suffix", self.suffix) or options.pop("--hostname", None)
        suffix = suffix or gethostname()
        suffix = "" if suffix in ('""', "''") else suffix
        cmd = options.pop("--cmd", self.cmd)
        append = options.pop("--append", self.append) or ""
        names = [str(n) for n in range(1, int(names[0]) + 1)] if counted else names
        for position, name in enumerate(names, start=1):
            _short, whole, _host = build_nodename(name, prefix, suffix)
            told = dict(options)
            for nodes, own in p.namespaces.items():
                if _concerns(nodes, name, position):
                    told.update(own)
            yield self.Node(whole, cmd, append, told, p.passthrough)


def _concerns(nodes: str, name: str, position: int) -> bool:
    """Whether ``1-3,5`` or ``w1,w2`` names a node."""
    for part in nodes.split(","):
        first, dash, last = part.partition("-")
        if dash and first.isdigit() and last.isdigit():
            if int(first) <= position <= int(last):
                return True
        elif part == name or (part.isdigit() and int(part) == position):
            return True
    return False


class Cluster(UserList[Node]):
    """Several nodes; what happens to them is told to the functions that are given."""

    def __init__(
        self,
        nodes: Iterable[Node],
        cmd: str | None = None,
        env: Mapping[str, str] | None = None,
        on_stopping_preamble: Any = None,
        on_send_signal: Any = None,
        on_still_waiting_for: Any = None,
        on_still_waiting_progress: Any = None,
        on_still_waiting_end: Any = None,
        on_node_start: Any = None,
        on_node_restart: Any = None,
        on_node_shutdown_ok: Any = None,
        on_node_status: Any = None,
        on_node_signal: Any = None,
        on_node_signal_dead: Any = None,
        on_node_down: Any = None,
        on_child_spawn: Any = None,
        on_child_signalled: Any = None,
        on_child_failure: Any = None,
    ) -> None:
        self.nodes = list(nodes)
        self.cmd, self.env = cmd or celery_exe("worker"), env
        self.on_stopping_preamble, self.on_send_signal = on_stopping_preamble, on_send_signal
        self.on_still_waiting_for = on_still_waiting_for
        self.on_still_waiting_progress = on_still_waiting_progress
        self.on_still_waiting_end = on_still_waiting_end
        self.on_node_start, self.on_node_restart = on_node_start, on_node_restart
        self.on_node_shutdown_ok, self.on_node_status = on_node_shutdown_ok, on_node_status
        self.on_node_signal, self.on_node_signal_dead = on_node_signal, on_node_signal_dead
        self.on_node_down, self.on_child_spawn = on_node_down, on_child_spawn
        self.on_child_signalled, self.on_child_failure = on_child_signalled, on_child_failure

    @property
    def data(self) -> list[Node]:  # type: ignore[override]  # of ``UserList``
        """The nodes."""
        return self.nodes

    def find(self, name: str) -> Node:
        """Return a node by its name; raises ``KeyError``."""
        for node in self.nodes:
            if node.name == name:
                return node
        raise KeyError(name)

    def start(self) -> list[int | None]:
        """Start all; returns their exit codes."""
        return [self.start_node(node) for node in self.nodes]

    def start_node(self, node: Node) -> int | None:
        """Start one."""
        maybe_call(self.on_node_start, node)
        code = node.start(
            self.env,
            on_spawn=self.on_child_spawn,
            on_signalled=self.on_child_signalled,
            on_failure=self.on_child_failure,
        )
        maybe_call(self.on_node_status, node, code)
        return code

    def send_all(self, sig: int) -> None:
        """Send a signal to all."""
        for node in self.getpids(on_down=self.on_node_down):
            maybe_call(self.on_node_signal, node, signal_name(sig))
            node.send(sig, self.on_node_signal_dead)

    def kill(self) -> None:
        """End all at once."""
        self.send_all(signal.SIGKILL)

    def restart(self, sig: int = signal.SIGTERM) -> list[int | None]:
        """Stop each, and start it again when it has ended."""
        codes: list[int | None] = []

        def again(node: Node) -> None:
            maybe_call(self.on_node_restart, node)
            codes.append(self.start_node(node))

        self.shutdown_nodes(self.getpids(on_down=self.on_node_down), sig, LOOK_EVERY_S, again)
        return codes

    def stop(
        self,
        retry: int | None = None,
        callback: Callable[[Node], object] | None = None,
        sig: int = signal.SIGTERM,
    ) -> None:
        """Tell all to end."""
        self.shutdown_nodes(self.getpids(on_down=self.on_node_down), sig, retry, callback)

    def stopwait(
        self,
        retry: int = LOOK_EVERY_S * 2,
        callback: Callable[[Node], object] | None = None,
        sig: int = signal.SIGTERM,
    ) -> None:
        """Tell all to end, and wait until they have."""
        self.shutdown_nodes(self.getpids(on_down=self.on_node_down), sig, retry, callback)

    def shutdown_nodes(
        self,
        nodes: Iterable[Node],
        sig: int = signal.SIGTERM,
        retry: int | None = None,
        callback: Callable[[Node], object] | None = None,
    ) -> None:
        """Tell nodes to end; with ``retry`` look again every so many seconds until they have."""
        left = list(nodes)
        if not left:
            return
        maybe_call(self.on_stopping_preamble, left)
        for node in list(left):
            maybe_call(self.on_send_signal, node, signal_name(sig))
            if not node.send(sig, self.on_node_signal_dead):
                left.remove(node)
                maybe_call(callback, node)
        if not retry:
            return
        maybe_call(self.on_still_waiting_for, left)
        while left:
            for node in [each for each in left if not each.alive()]:
                left.remove(node)
                maybe_call(self.on_node_shutdown_ok, node)
                maybe_call(callback, node)
            if left:
                maybe_call(self.on_still_waiting_progress, left)
                sleep(retry)
        maybe_call(self.on_still_waiting_end)

    def getpids(self, on_down: Callable[[Node], object] | None = None) -> Iterator[Node]:
        """Return the nodes whose processes are known."""
        for node in self.nodes:
            if node.pid:
                yield node
            else:
                maybe_call(on_down, node)

    def __repr__(self) -> str:
        return f"<{type(self).__name__}({len(self)}): {' '.join(node.name for node in self)}>"
