"""What a signal means to a worker."""

from __future__ import annotations

import signal

import pytest

from taskq.core.inputs import Input, PoolSized, Stop
from taskq.errors import ImproperlyConfigured
from taskq.runtime.os_signals import callbacks


class Recorder:
    """A worker that notes what it is told."""

    def __init__(self) -> None:
        self.said: list[object] = []

    def stop(self, how: Stop = Stop.WARM, *, exit_code: int = 0, signal_name: str = "") -> None:
        self.said.append((how, exit_code, signal_name))

    def ask(self, asked: Input) -> None:
        self.said.append(asked)

    def restart(self) -> None:
        self.said.append("restart")

    def debug(self) -> None:
        self.said.append("debug")


def after(*numbers: int, soft: bool = False, **environment: str) -> list[object]:
    worker = Recorder()
    table = callbacks(worker, soft=soft, environment=environment, debug=worker.debug)
    for number in numbers:
        table[number]()
    return worker.said


def test_term_ends_the_worker_warm() -> None:
    assert after(signal.SIGTERM) == [(Stop.WARM, 0, "SIGTERM")]


def test_a_second_term_says_nothing_new() -> None:
    assert after(signal.SIGTERM, signal.SIGTERM) == [(Stop.WARM, 0, "SIGTERM")]


def test_each_interrupt_goes_one_step_further_and_all_but_the_first_leave_with_1() -> None:
    assert after(signal.SIGINT, signal.SIGINT, signal.SIGINT, signal.SIGINT) == [
        (Stop.WARM, 0, "SIGINT"),
        (Stop.COLD, 1, "SIGINT"),
        (Stop.IMMEDIATE, 1, "SIGINT"),
        (Stop.IMMEDIATE, 1, "SIGINT"),
    ]


def test_with_time_for_a_soft_stop_there_is_a_step_more() -> None:
    steps = after(signal.SIGINT, signal.SIGINT, signal.SIGINT, signal.SIGINT, soft=True)

    assert [step[0] for step in steps] == [  # type: ignore[index]
        Stop.WARM,
        Stop.SOFT,
        Stop.COLD,
        Stop.IMMEDIATE,
    ]


def test_quit_is_never_warm() -> None:
    assert after(signal.SIGQUIT) == [(Stop.COLD, 0, "SIGQUIT")]
    assert after(signal.SIGQUIT, soft=True) == [(Stop.SOFT, 0, "SIGQUIT")]


def test_an_interrupt_after_term_is_the_second_step() -> None:
    assert after(signal.SIGTERM, signal.SIGINT)[-1] == (Stop.COLD, 1, "SIGINT")


def test_term_can_be_told_to_mean_quit() -> None:
    assert after(signal.SIGTERM, REMAP_SIGTERM="SIGQUIT") == [(Stop.COLD, 0, "SIGTERM")]


def test_another_meaning_of_term_is_refused() -> None:
    with pytest.raises(ImproperlyConfigured, match="SIGKILL"):
        after(REMAP_SIGTERM="SIGKILL")


def test_hup_begins_anew() -> None:
    assert after(signal.SIGHUP) == ["restart"]


def test_ttin_and_ttou_change_the_pool_by_one() -> None:
    assert after(signal.SIGTTIN, signal.SIGTTOU) == [PoolSized(1), PoolSized(-1)]


def test_usr1_shows_where_each_thread_is(capfd: pytest.CaptureFixture[str]) -> None:
    after(signal.SIGUSR1)

    shown = capfd.readouterr().err
    assert "MainThread" in shown
    assert "test_usr1_shows_where_each_thread_is" in shown


def test_usr2_opens_a_debugger_only_where_that_was_allowed() -> None:
    assert after(signal.SIGUSR2, CELERY_RDBSIG="1") == ["debug"]
    with pytest.raises(KeyError):
        after(signal.SIGUSR2)
