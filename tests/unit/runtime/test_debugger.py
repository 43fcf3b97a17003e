"""A debugger that is spoken to over a socket."""

from __future__ import annotations

import io
import socket
import threading

import pytest

from taskq.runtime.debugger import TOKEN_VARIABLE, NoPortError, NoTokenError, Rdb


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


def test_a_visitor_has_to_know_the_token(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a token is set, whoever does not know it is sent away, and the next one is heard."""
    monkeypatch.setenv(TOKEN_VARIABLE, "open sesame")
    stranger, friend = Visit("wrong", "p secret"), Visit("open sesame", "p secret", "continue")
    stranger.out = friend.out
    first = threading.Thread(target=stranger._talk)

    first.start()
    stops = threading.Thread(target=stops_once, args=(friend.out, 18_399))
    stops.start()
    first.join()
    second = threading.Thread(target=friend._talk)
    second.start()
    for thread in (second, stops):
        thread.join()

    assert "the value to look at" not in stranger.heard
    assert "the value to look at" in friend.heard
    assert "did not know the token" in friend.out.getvalue()


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1"])
def test_other_machines_need_a_token(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a token the debugger refuses to listen where others can reach it."""
    monkeypatch.delenv(TOKEN_VARIABLE, raising=False)

    with pytest.raises(NoTokenError, match=TOKEN_VARIABLE):
        Rdb(host=host, out=io.StringIO())
