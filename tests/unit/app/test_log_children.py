"""The log of a child of the pool: inherited, begun anew, or in a file of its own."""

from __future__ import annotations

import io
import logging
import multiprocessing
import os
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskq import signals
from taskq.app.log import Logging, LoggingProxy, get_logger, get_task_logger
from taskq.app.log_files import LogPlan, differs_by_process, expand

PATTERNED = st.lists(st.sampled_from(["%n", "%h", "%d", "%p", "%i", "%I", "%%", "x", "-"])).map(
    "".join
)


def as_a_new_program() -> None:
    """Forget the set-up, as a process does that was not forked."""
    Logging._forget_handlers()


def test_each_child_may_have_a_file_of_its_own(log: Logging, tmp_path: Path) -> None:
    """With %i or %I in the name, the worker's own file has what it says, a child's the rest."""
    log.setup("INFO", str(tmp_path / "%n%I.log"), hostname="w1@host")
    get_logger("taskq.worker").info("parent")
    log.begin_child("w1@host", 2)
    get_logger("taskq.worker").info("child")
    get_task_logger("mod").info("task")

    assert (tmp_path / "w1.log").read_text().count("\n") == 1
    lines = (tmp_path / "w1-2.log").read_text().splitlines()
    assert [line.partition("] ")[2] for line in lines] == ["child", "???[???]: task"]
    assert "INFO/ForkPoolWorker-2]" in lines[0]


def test_a_child_that_was_forked_goes_on_in_the_same_file(log: Logging, tmp_path: Path) -> None:
    """Without a number in the name nothing is opened anew."""
    log.setup("INFO", str(tmp_path / "%n.log"), hostname="w1@host")
    handlers = logging.root.handlers[:]

    log.begin_child("w1@host", 1)

    assert logging.root.handlers == handlers
    assert multiprocessing.current_process().name == "ForkPoolWorker-1"


def test_a_child_that_began_anew_learns_it_from_the_environment(
    log: Logging, tmp_path: Path
) -> None:
    """Level, file and redirection are those of the worker."""
    file = str(tmp_path / "%n.log")
    log.setup("INFO", file, redirect_stdouts=True, redirect_level="ERROR", hostname="w1@host")
    sys.stdout, sys.stderr = sys.__stdout__, sys.__stderr__
    as_a_new_program()

    log.begin_child("w1@host", 1)
    get_logger("taskq.worker").debug("too quiet")
    print("printed")

    (line,) = (tmp_path / "w1.log").read_text().splitlines()
    assert line.endswith("ERROR/ForkPoolWorker-1] printed")


def test_what_the_parent_had_begun_to_print_is_not_printed_again(log: Logging) -> None:
    """Half a line that a fork has copied is the parent's."""
    written = io.StringIO()
    log.setup("INFO", written, redirect_stdouts=True)
    print("half a line", end="")

    log.begin_child("w1@host", 1)
    print("a line")

    assert written.getvalue().splitlines()[0].endswith("] a line")
    assert isinstance(sys.stdout, LoggingProxy)


def test_whoever_takes_logging_over_has_it_in_children_too(log: Logging) -> None:
    """What is printed in a child goes where it goes in the worker: not to a log of ours."""
    told: list[dict[str, Any]] = []

    def receive(**arguments: Any) -> None:
        told.append(arguments)

    signals.setup_logging.connect(receive)
    try:
        log.setup("INFO", "%n.log", redirect_stdouts=True, hostname="w1@host")
        log.begin_child("w1@host", 1)
        as_a_new_program()
        log.begin_child("w1@host", 1)
    finally:
        signals.setup_logging.disconnect(receive)

    assert [one["logfile"] for one in told] == ["w1.log", "w1.log"]
    assert not isinstance(sys.stdout, LoggingProxy)


def test_a_process_without_a_worker_above_it_is_left_alone(log: Logging) -> None:
    """Where nothing was set up, nothing is."""
    as_a_new_program()
    handlers = logging.root.handlers[:]
    os.environ.pop("CELERY_LOG_LEVEL", None)

    log.begin_child("w1@host", 1)

    assert logging.root.handlers == handlers


@pytest.mark.parametrize(
    "plan",
    [LogPlan(20, "%n%I.log", 40), LogPlan(10, None, None)],
)
def test_a_plan_goes_through_the_environment(plan: LogPlan) -> None:
    """What a parent writes, a child reads."""
    environ: dict[str, str] = {}

    plan.to_environment(environ)

    assert LogPlan.from_environment(environ) == plan
    assert set(environ) == {
        "CELERY_LOG_LEVEL",
        "CELERY_LOG_FILE",
        "CELERY_LOG_REDIRECT",
        "CELERY_LOG_REDIRECT_LEVEL",
    }


@pytest.mark.parametrize("level", ["", "loud"])
def test_an_environment_that_says_nothing_is_no_plan(level: str) -> None:
    """A variable that somebody else has set does no harm."""
    assert LogPlan.from_environment({"CELERY_LOG_LEVEL": level}) is None


@given(PATTERNED, st.integers(1, 99))
def test_files_of_processes_differ_exactly_if_the_pattern_says_so(pattern: str, index: int) -> None:
    """``%i`` and ``%I`` make files of different processes different, and nothing else does."""
    ours, theirs = expand(pattern, "w1@a.b"), expand(pattern, "w1@a.b", index)

    assert (ours != theirs) is differs_by_process(pattern)
