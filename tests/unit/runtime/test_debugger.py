"""A debugger that is spoken to over a socket."""

from __future__ import annotations

import io
import socket
import threading

import pytest

from taskq.runtime.debugger import NoPortError, Rdb


class Visit:
    """Somebody who connects, says some lines, and hears the rest."""

    def __init__(self, *lines: str) -> None:
        self.lines, self.heard = lines, ""
        self.out = Announced()

    def to(self, program: object) -> None:
        thread = threading.Thread(target=self._talk)
        thread.start()
        assert callable(program)
        program(self.out)
        thread.join()

    def _talk(self) -> None:
        host, port = self.out.wait_for_address()
        with socket.create_connection((host, port)) as link:
            link.sendall("".join(f"{line}\n" for line in self.lines).encode())
            while data := link.recv(4096):
                self.heard += data.decode()


class Announced(io.StringIO):
    """What the debugger tells whoever looks at the worker."""

    def __init__(self) -> None:
        super().__init__()
        self._said = threading.Event()

    def flush(self) -> None:
        if "telnet" in self.getvalue():
            self._said.set()

    def wait_for_address(self) -> tuple[str, int]:
        assert self._said.wait(10)
        words = self.getvalue().split("telnet ")[1].split()
        return words[0], int(words[1])


def stops_once(out: io.StringIO, port: int = 17_899) -> None:
    secret = "the value to look at"  # noqa: F841 - the visitor reads it
    Rdb(port=port, out=out).set_trace()
    after = "went on"  # noqa: F841 - the line where it stops


def test_a_visitor_sees_the_variables_and_lets_the_program_go_on() -> None:
    visit = Visit("p secret", "continue")

    visit.to(stops_once)

    assert "the value to look at" in visit.heard
    assert "the visitor has left" in visit.out.getvalue()


def test_a_visitor_who_quits_does_not_end_the_program() -> None:
    visit = Visit("quit")

    visit.to(stops_once)

    assert "the visitor has left" in visit.out.getvalue()


def test_it_takes_the_next_port_where_one_is_taken() -> None:
    visit = Visit("continue")
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken: int = other.getsockname()[1]
        visit.to(lambda out: stops_once(out, taken))

    assert visit.out.wait_for_address()[1] > taken


def test_without_a_free_port_it_says_which_were_tried() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken: int = other.getsockname()[1]

        with pytest.raises(NoPortError, match=f"{taken} to {taken}"):
            Rdb(port=taken, port_search_limit=1)
