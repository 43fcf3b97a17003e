"""A debugger for a process without a terminal: pdb, spoken to over a socket.

Opened by ``set_trace`` in a task, and by the signal USR2 where ``CELERY_RDBSIG`` is set.
Whoever reaches the port can run any code here, so it listens on this machine alone unless
``CELERY_RDB_HOST`` says otherwise; then a visitor has to know the token in ``TASKQ_RDB_TOKEN``.
Where there is a token, visitors from this machine have to know it as well.
"""

from __future__ import annotations

import os
import socket
import sys
from hmac import compare_digest
from ipaddress import ip_address
from pdb import Pdb
from types import FrameType
from typing import Any, Final, TextIO

from taskq.errors import TaskqError

DEFAULT_PORT: Final = 6899
CELERY_RDB_HOST: Final = os.environ.get("CELERY_RDB_HOST") or "127.0.0.1"
CELERY_RDB_PORT: Final = int(os.environ.get("CELERY_RDB_PORT") or DEFAULT_PORT)
TOKEN_VARIABLE: Final = "TASKQ_RDB_TOKEN"  # noqa: S105 - the name of it
# How long a visitor may think of it, and how long it may be.
TOKEN_LIMIT_S: Final = 30.0
TOKEN_LIMIT_CHARACTERS: Final = 1024
# How many ports are tried, the first being the named one.
PORTS: Final = 100


class NoPortError(TaskqError):
    """Every port that a debugger may use is taken."""

    def __init__(self, host: str, first: int, count: int) -> None:
        super().__init__(host, first, count)
        self.host, self.first, self.count = host, first, count

    def __str__(self) -> str:
        last = self.first + self.count - 1
        return (
            f"no free port for the debugger on {self.host} from {self.first} to {last}; "
            "set CELERY_RDB_PORT to the first of others"
        )


class NoTokenError(TaskqError):
    """A debugger was to listen to other machines, and anybody could use it."""

    def __init__(self, host: str) -> None:
        super().__init__(host)
        self.host = host

    def __str__(self) -> str:
        return (
            f"the debugger does not listen on {self.host}, which others can reach, without a"
            f" token: set {TOKEN_VARIABLE} to a long secret, and type it when asked"
        )


class Rdb(Pdb):
    """A debugger that waits for one visitor, and talks to it."""

    me = "Remote debugger"

    def __init__(
        self,
        host: str = CELERY_RDB_HOST,
        port: int = CELERY_RDB_PORT,
        port_search_limit: int = PORTS,
        port_skew: int = 0,
        out: TextIO | None = None,
    ) -> None:
        self.out = out or sys.__stderr__ or sys.stderr
        self._token = os.environ.get(TOKEN_VARIABLE, "")
        if not self._token and not _is_local(host):
            raise NoTokenError(host)
        self._listener, self.port = self.get_avail_port(host, port, port_search_limit, port_skew)
        self.host = host
        self.say(f"waits for a visitor: telnet {host} {self.port} (leave it with `continue`)")
        while not self._welcome(*self._listener.accept()):
            self.say("a visitor did not know the token")
        self._listener.close()
        super().__init__(stdin=self._heard, stdout=self._said)
        self.prompt = "(rdb) "

    def _welcome(self, visitor: socket.socket, address: tuple[str, int]) -> bool:
        """Let a visitor in who knows the token, where there is one."""
        # Two of them: one that is written to forgets what it had read ahead.
        heard = visitor.makefile("r", encoding="utf-8", errors="replace")
        said = visitor.makefile("w", encoding="utf-8")
        if self._token and not self._knows(visitor, heard, said):
            for each in (said, heard, visitor):
                each.close()
            return False
        self._visitor, self._heard, self._said = visitor, heard, said
        self.say(f"talks with {address[0]}:{address[1]}")
        return True

    def _knows(self, visitor: socket.socket, heard: TextIO, said: TextIO) -> bool:
        visitor.settimeout(TOKEN_LIMIT_S)
        try:
            said.write("token: ")
            said.flush()
            word = heard.readline(TOKEN_LIMIT_CHARACTERS).strip()
            visitor.settimeout(None)
        except OSError:  # gone, or silent for too long
            return False
        return compare_digest(word.encode(), self._token.encode())

    def get_avail_port(
        self, host: str, port: int, search_limit: int = PORTS, skew: int = 0
    ) -> tuple[socket.socket, int]:
        """Listen on the first port that is free."""
        for candidate in range(port + skew, port + skew + search_limit):
            listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                listener.bind((host, candidate))
                listener.listen(1)
            except OSError:
                listener.close()
                continue
            return listener, candidate
        raise NoPortError(host, port + skew, search_limit)

    def say(self, m: str) -> None:
        """Tell whoever looks at the worker."""
        print(f"{self.me}: {m}", file=self.out, flush=True)

    def do_continue(self, arg: str) -> bool | None:
        """Let the program go on, and end the visit."""
        self._leave()
        return super().do_continue(arg)

    do_c = do_cont = do_continue

    def do_quit(self, arg: str) -> bool | None:  # noqa: ARG002 - pdb's signature
        """End the visit; the program goes on."""
        self.set_continue()
        self._leave()
        return True

    do_q = do_exit = do_quit

    def set_quit(self) -> None:
        """Go on: a worker is not ended by who looks at it."""
        self.set_continue()

    def _leave(self) -> None:
        self._said.close()
        self._heard.close()
        self._visitor.close()
        self.say("the visitor has left")


def _is_local(host: str) -> bool:
    """Whether only this machine reaches an address; a name is asked for all of its addresses."""
    try:
        found = {str(info[4][0]) for info in socket.getaddrinfo(host, None)}
    except OSError:
        return False  # listening there fails, and says why
    return all(ip_address(one.partition("%")[0]).is_loopback for one in found)


def debugger() -> Rdb:
    """Open one."""
    return Rdb()


def set_trace(frame: FrameType | None = None) -> Any:
    """Stop here, and wait for a visitor."""
    stopped = frame if frame is not None else sys._getframe().f_back  # noqa: SLF001
    return debugger().set_trace(stopped)
