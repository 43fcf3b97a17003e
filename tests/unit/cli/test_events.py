"""``taskq events``: watching until somebody says stop, with the broker coming and going."""

from __future__ import annotations

import json
import os
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest
from click.testing import CliRunner, Result

from taskq.cli import watching
from taskq.cli.camera import Polaroid, evcam
from taskq.cli.context import CLIContext
from taskq.cli.event_dump import evdump
from taskq.cli.events import command
from taskq.cli.watching import Watch
from taskq.conf import Settings
from taskq.errors import LockFailed, OperationalError

EVENT = {"type": "worker-online", "hostname": "w1@h", "timestamp": 1.5, "active": 0}
Step = Callable[["Receiver"], None]


class Receiver:
    """Plays what a test has written: an event, a lost broker, a signal."""

    app: App

    def __init__(self, channel: None, handlers: dict[str, Callable[[Any], None]]) -> None:
        self.handlers, self.should_stop, self.closed = handlers, False, False
        self.app.receivers.append(self)

    def capture(self, limit: int | None = None, wakeup: bool = True) -> None:
        if limit == 0:
            self.app.listen()
            return
        while not self.should_stop:
            next(self.app.play)(self)

    def close(self) -> None:
        self.closed = True
        raise OperationalError("it is gone")

    def hear(self, event: Any) -> None:
        self.handlers["*"](event)


class App:
    """An app whose events are a play."""

    def __init__(self, *play: Step, listens: tuple[Exception | None, ...] = ()) -> None:
        self.user_options: dict[str, Any] = {}
        self.play, self._listens = iter(play), iter(listens)
        self.receivers: list[Receiver] = []
        self.logging: list[Any] = []
        self.states: list[Any] = []
        self.conf = Settings({"broker_connection_max_retries": 3})
        receiver = type("Receiver", (Receiver,), {"app": self})
        self.events = SimpleNamespace(Receiver=receiver, State=self._state)
        self.log = SimpleNamespace(setup=lambda *a, **k: self.logging.append((a, k)))

    def listen(self) -> None:
        error = next(self._listens, None)
        if error is not None:
            raise error

    def _state(self) -> Any:
        state = SimpleNamespace(seen=[])
        state.event = state.seen.append
        state.freeze_while = lambda function, clear_after: function()
        self.states.append(state)
        return state


def event(receiver: Receiver) -> None:
    receiver.hear(EVENT)


def lost(receiver: Receiver) -> None:
    raise OperationalError("redis://h: lost")


def term(receiver: Receiver) -> None:
    os.kill(os.getpid(), signal.SIGTERM)


def interrupt(receiver: Receiver) -> None:
    os.kill(os.getpid(), signal.SIGINT)


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "PAUSE_STEP_S", 0.0)


def run(app: App, *argv: str) -> Result:
    context = CLIContext(app=app, no_color=True)
    return CliRunner().invoke(command, argv, obj=context)


# -- printing --------------------------------------------------------------------------------------


@pytest.mark.parametrize("end", [term, interrupt])
def test_events_are_printed_until_a_signal_comes(end: Step) -> None:
    """INT and TERM end it well, and are what they were afterwards."""
    before = signal.getsignal(signal.SIGINT)

    done = run(App(event, event, end), "--dump")

    assert done.exit_code == 0
    assert done.output.splitlines() == [
        "-> evdump: starting capture...",
        *["w1@h [1970-01-01 00:00:01.500000+00:00] started: active=0"] * 2,
    ]
    assert signal.getsignal(signal.SIGINT) is before


def test_a_machine_gets_json_alone() -> None:
    """What is no event goes to standard error."""
    done = run(App(event, term), "--dump", "--json")

    assert json.loads(done.stdout) == EVENT
    assert "starting capture" in done.stderr


def test_a_broker_that_is_not_there_ends_it() -> None:
    """At the start nobody waits for it: the URL may be wrong."""
    done = run(App(listens=(OperationalError("no broker"),)), "--dump")

    assert isinstance(done.exception, OperationalError)
    assert done.output == ""


def test_a_broker_that_is_lost_is_waited_for() -> None:
    """It says so, listens anew, and prints on."""
    app = App(event, lost, event, term, listens=(None, OperationalError("still gone"), None))

    out = run(app, "--dump").output

    assert out.count("started: active=0") == 2
    assert "redis://h: lost; listening again in 0 s" in out
    assert "still gone" in out
    assert app.receivers[0].closed


def test_a_broker_that_stays_away_is_given_up() -> None:
    """After as many attempts as a worker would make."""
    gone = OperationalError("gone")
    app = App(event, lost, listens=(None, *[gone] * 10))

    done = run(app, "--dump")

    assert done.exception is gone
    assert len(app.receivers) == 1 + 3


def test_an_event_makes_the_count_begin_anew() -> None:
    """A broker that is lost once a day is never given up."""
    play = [step for _ in range(9) for step in (event, lost)]

    assert run(App(*play, term), "--dump").exit_code == 0


def test_watching_ends_in_the_middle_of_a_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever says stop does not wait for the broker."""
    monkeypatch.setattr(watching, "PAUSE_STEP_S", 3600.0)
    monkeypatch.setattr(watching, "PAUSE_MAX_S", 3600.0)
    said = threading.Event()
    watch = Watch(App(lost), print, say=lambda _: said.set())
    thread = threading.Thread(target=watch.run)

    thread.start()
    assert said.wait(10)
    watch.stop()
    thread.join(10)

    assert not thread.is_alive()


def test_programs_may_print_events_too(capsys: pytest.CaptureFixture[str]) -> None:
    """``evdump`` is Celery's name."""
    evdump(App(event, term))

    assert "started: active=0" in capsys.readouterr().out


def test_without_a_wish_it_says_what_there_is() -> None:
    """The monitor for terminals comes later."""
    done = run(App())

    assert done.exit_code == 2
    assert "--dump prints events" in done.output


# -- pictures --------------------------------------------------------------------------------------


class Camera(Polaroid):
    """Takes a picture when the test says so."""

    made: ClassVar[list[Camera]] = []

    def install(self) -> None:
        self.made.append(self)
        self.pictures: list[int] = []

    def on_shutter(self, state: Any) -> None:
        self.pictures.append(len(state.seen))


@pytest.fixture
def cameras() -> Iterator[list[Camera]]:
    Camera.made.clear()
    yield Camera.made
    Camera.made.clear()


def shoot(receiver: Receiver) -> None:
    Camera.made[0].capture()


def test_a_camera_sees_what_events_draw(cameras: list[Camera], tmp_path: Path) -> None:
    """It is given the state, its rhythm and its limit; the log is set up, the pid file held."""
    pidfile = tmp_path / "events.pid"
    held: list[str] = []
    app = App(event, lambda _: held.append(pidfile.read_text()), event, shoot, term)
    app.ports = SimpleNamespace()  # type: ignore[attr-defined]  # no limit looks at the clock

    done = run(
        app,
        *("--camera", f"{__name__}:Camera", "-F", "2.5", "-l", "info"),
        *("--pidfile", str(pidfile), "--logfile", "cam.log"),
    )

    assert done.exit_code == 0, done.output
    assert "every 2.5 secs." in done.output
    assert cameras[0].freq == 2.5
    assert cameras[0].pictures == [2]
    assert held == [f"{os.getpid()}\n"]
    assert not pidfile.exists()
    assert app.logging[0][0] == (20, "cam.log")


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (("-c", "nosuch.Camera"), "there is no camera 'nosuch.Camera': No module named 'nosuch'"),
        (("-c", "json:Camera"), "there is no camera 'json:Camera'"),
        (("-c", "Camera"), "there is no camera 'Camera'"),
        (("-c", "json:dumps", "-r", "often"), "'often' is no rate limit"),
    ],
)
def test_a_wrong_camera_is_one_line(argv: tuple[str, ...], said: str) -> None:
    """Found before anything is set up."""
    app = App()
    done = run(app, *argv)

    assert done.exit_code == 2
    assert said in done.output
    assert app.logging == []


def test_a_pid_file_that_is_taken_keeps_it_from_starting(tmp_path: Path) -> None:
    """As that of a worker."""
    pidfile = tmp_path / "events.pid"
    pidfile.write_text(f"{os.getppid()}\n")

    done = run(App(), "-c", "json:dumps", "--pidfile", str(pidfile))

    assert isinstance(done.exception, LockFailed)


def test_programs_may_take_pictures_too(cameras: list[Camera]) -> None:
    """``evcam`` is Celery's name; a class may be given as it is."""
    evcam(Camera, app=App(event, shoot, term))

    assert cameras[0].pictures == [1]
