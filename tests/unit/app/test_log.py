"""Logging: the lines of a worker, the loggers of tasks, and how they are set up."""

from __future__ import annotations

import io
import logging
import re
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import taskq
from taskq import current, signals
from taskq.app.log import (
    LINES,
    ColorFormatter,
    Logging,
    LoggingProxy,
    TaskFormatter,
    escape,
    get_logger,
    get_task_logger,
    mlevel,
    say,
)
from taskq.app.log_lines import word
from taskq.core.effects import Level, Say
from taskq.core.outcome import OUTCOMES


def test_every_ending_has_a_line() -> None:
    """The core says nothing that the table of lines does not know."""
    assert {outcome.line for outcome in OUTCOMES.values()} <= set(LINES)


@pytest.mark.parametrize("what", LINES)
def test_a_line_can_be_written_with_any_facts(what: str) -> None:
    """A fact that is missing shows as a question mark; no line ever fails."""
    assert "%(" not in word(Say(Level.INFO, what))


def test_a_line_names_its_facts() -> None:
    """The facts stand in the line, numbers shortened."""
    said = Say(
        Level.INFO,
        "task succeeded",
        {"name": "add", "id": "1", "runtime_s": 0.0123456789, "summary": "5"},
    )

    assert word(said) == "Task add[1] succeeded in 0.0123457 s: 5"


def test_a_line_of_its_own_kind_is_written_all_the_same() -> None:
    """What the table does not know is written as it is."""
    assert word(Say(Level.INFO, "strange", {"a": "b\n"})) == "strange: a=b\\x0a"


@given(st.text())
def test_a_value_from_a_message_stays_in_its_line(text: str) -> None:
    """No value can begin a new line, move the cursor, or end what it stands in."""
    shown = escape(text)

    assert len(shown.splitlines()) <= 1
    assert not any(ord(sign) < 32 or 127 <= ord(sign) < 160 for sign in shown)


def test_a_password_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    """A URL in a fact or in a traceback has its password starred."""
    facts = {"error": "redis://:hush@h refused", "traceback": "File\n  redis://:hush@h\x1b"}

    with caplog.at_level(logging.INFO):
        say(logging.getLogger("x"), Say(Level.ERROR, "broker lost", facts))

    assert "hush" not in caplog.text
    assert "\n    File\n      redis://:**@h\\x1b" in caplog.text


def test_a_line_that_nobody_wants_is_not_written(caplog: pytest.LogCaptureFixture) -> None:
    """Below the level of the logger nothing is worded."""
    with caplog.at_level(logging.ERROR):
        say(logging.getLogger("x"), Say(Level.INFO, "ready"))

    assert not caplog.records


def test_a_task_logger_hangs_below_that_of_tasks() -> None:
    """Whatever its name, and it is the logger of that name."""
    logger = get_task_logger("some.module.of.tasks")

    assert logger is logging.getLogger("some.module.of.tasks")
    assert logger.parent is logging.getLogger("taskq.task")
    assert get_task_logger("some.module.of.tasks") is logger
    with pytest.raises(RuntimeError, match="pass `__name__`"):
        get_task_logger("taskq.task")


def test_a_logger_without_a_parent_hangs_below_taskq() -> None:
    """get_logger gives a lone logger a parent, and leaves any other alone."""
    assert get_logger("lone_logger").parent is logging.getLogger("taskq")
    assert get_logger("taskq").parent is logging.root
    assert get_logger("taskq.worker").parent is logging.getLogger("taskq")


def test_levels_have_names_and_numbers() -> None:
    """A level is given by name in any case, by number, or not at all."""
    assert mlevel("info") == mlevel(20) == logging.INFO
    assert mlevel("FATAL") == logging.CRITICAL
    assert mlevel(None) == logging.WARNING
    with pytest.raises(ValueError, match="no log level is called 'LOUD'; there are CRITICAL"):
        mlevel("LOUD")


def record(message: str, level: int = logging.ERROR) -> logging.LogRecord:
    return logging.LogRecord("x", level, "f", 1, message, (), None)


def test_lines_are_coloured_by_level() -> None:
    """An error is red, unless colours are off; what is ordinary has no colour."""
    assert ColorFormatter("%(message)s").format(record("m")) == "\x1b[31mm\x1b[0m"
    assert ColorFormatter("%(message)s", use_color=False).format(record("m")) == "m"
    assert ColorFormatter("%(message)s").format(record("m", logging.INFO)) == "m"


def test_a_line_of_a_task_names_it() -> None:
    """Inside a task its name and id are known; outside there are question marks."""
    formatter = TaskFormatter("%(task_name)s[%(task_id)s]: %(message)s", use_color=False)
    task = SimpleNamespace(name="add", request=SimpleNamespace(id="1"))

    outside = formatter.format(record("m"))
    current.push_current_task(task)
    try:
        inside = formatter.format(record("m"))
    finally:
        current.pop_current_task()

    assert outside == "???[???]: m"
    assert inside == "add[1]: m"


def test_setting_up_gives_root_and_tasks_a_handler(log: Logging, tmp_path: Path) -> None:
    """Lines go to the file, in the formats of the settings; a second set-up changes nothing."""
    path = tmp_path / "worker.log"

    assert log.setup("INFO", str(path)) is False
    assert log.setup("DEBUG", None) is False
    get_logger("taskq.worker").info("from the worker")
    get_task_logger("mod").info("from a task")
    get_task_logger("mod").debug("too quiet")

    lines = path.read_text().splitlines()
    assert [line.partition("] ")[2] for line in lines] == [
        "from the worker",
        "???[???]: from a task",
    ]


def test_a_receiver_takes_logging_over(log: Logging) -> None:
    """With a receiver of setup_logging nothing else is set up."""
    told: dict[str, Any] = {}
    handlers = logging.root.handlers[:]

    def receive(**arguments: Any) -> None:
        told.update(arguments)

    signals.setup_logging.connect(receive)
    try:
        handled = log.setup("INFO", "worker.log", redirect_stdouts=True)
    finally:
        signals.setup_logging.disconnect(receive)

    assert handled is True
    assert (told["loglevel"], told["logfile"], told["colorize"]) == (20, "worker.log", False)
    assert logging.root.handlers == handlers
    assert not isinstance(sys.stdout, LoggingProxy)


def test_receivers_may_add_to_what_was_set_up(log: Logging) -> None:
    """after_setup_logger and after_setup_task_logger hand out the loggers."""
    seen: list[str] = []

    def receive(logger: logging.Logger, **_: Any) -> None:
        seen.append(logger.name)

    signals.after_setup_logger.connect(receive)
    signals.after_setup_task_logger.connect(receive)
    try:
        log.setup("INFO", io.StringIO())
    finally:
        signals.after_setup_logger.disconnect(receive)
        signals.after_setup_task_logger.disconnect(receive)

    assert seen == ["root", "taskq.task"]


def test_a_root_logger_may_be_left_as_it_is(log: Logging) -> None:
    """Without worker_hijack_root_logger the handlers that are there stay, alone."""
    log.app.conf.worker_hijack_root_logger = False
    mine = logging.StreamHandler(io.StringIO())
    logging.root.handlers[:] = [mine]

    log.setup("INFO", io.StringIO())

    assert logging.root.handlers == [mine]


def test_what_is_printed_goes_to_the_log(log: Logging) -> None:
    """Whole lines go to a logger; blank ones are dropped, and a handler that prints ends."""
    written = io.StringIO()
    log.setup("INFO", written, redirect_stdouts=True, redirect_level="INFO")

    class Prints(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            print("echo", record.getMessage())

    chatty = Prints()
    get_logger("taskq.redirected").addHandler(chatty)
    try:
        print("hello", 5, end="\n\n")
        sys.stderr.writelines(["  to ", "stderr\n", "and", " more"])
        sys.stderr.flush()
    finally:
        get_logger("taskq.redirected").removeHandler(chatty)

    lines = [line.partition("] ")[2] for line in written.getvalue().splitlines()]
    assert lines == ["hello 5", "  to stderr", "and more"]


def test_a_stand_in_for_a_stream_is_a_file(caplog: pytest.LogCaptureFixture) -> None:
    """The proxy answers what libraries ask of a stream, and says nothing once it is closed."""
    proxy = LoggingProxy(logging.getLogger("x"), "ERROR")

    assert proxy.isatty() is False
    assert proxy.write(b"bytes") == 5
    assert not caplog.records
    proxy.close()
    assert proxy.write("nothing\n") == 8
    proxy.flush()
    assert caplog.messages == ["bytes"]


def test_colours_are_for_terminals(log: Logging) -> None:
    """A file has no colours; a terminal has, unless that is switched off."""

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    assert log.supports_color(True, "worker.log") is False
    assert log.supports_color(None, Terminal()) is True
    assert log.supports_color(None, io.StringIO()) is False
    assert log.supports_color(False, Terminal()) is False
    log.app.conf.worker_log_color = False
    assert log.supports_color(None, Terminal()) is False


def test_the_default_logger_is_that_of_taskq(log: Logging) -> None:
    """get_default_logger gives the logger that all others hang below."""
    assert log.get_default_logger() is logging.getLogger("taskq")
    stdout, stderr = sys.stdout, sys.stderr
    log.redirect_stdouts_to_logger(get_logger("x"), stdout=False, stderr=False)
    assert (sys.stdout, sys.stderr) == (stdout, stderr)


def test_every_line_that_anybody_says_is_in_the_table() -> None:
    """Core, runtime and pools say nothing in words of their own."""
    package = Path(taskq.__file__).parent
    said = {
        what
        for path in package.rglob("*.py")
        for what in re.findall(r"[sS]ay\(\s*Level\.\w+,\s*\"([^\"]+)\"", path.read_text("utf-8"))
    }

    assert said
    assert said <= set(LINES)
