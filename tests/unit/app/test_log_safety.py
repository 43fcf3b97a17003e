"""What no line of the log may do, whatever a message says: leak, or look like another line."""

from __future__ import annotations

import io
import logging
import sys
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskq import current
from taskq.app.log import ColorFormatter, Logging, TaskFormatter, get_logger, get_task_logger
from taskq.app.run_task import report_internal_error

EVIL = "1\n[2030-01-01: ERROR/MainProcess] forged \x1b[31m %s \x9b2J"
CANARY = "c4n4ry"
URLS = [
    f"redis://:{CANARY}@h:6379/0",
    f"amqps://user:{CANARY}@h//",
    f"sentinel://:{CANARY}@a:1;sentinel://:{CANARY}@b:2",
    f"redis://h/0?password={CANARY}",
    f"Error 111 connecting to rediss://me:{CANARY}@h:1/0. Refused.",
]


def lines_of(written: io.StringIO) -> list[str]:
    return written.getvalue().splitlines()


@pytest.mark.parametrize("url", URLS)
@pytest.mark.parametrize("name", ["taskq.worker", "redis.connection", "mod"])
def test_a_password_in_a_url_is_starred_whoever_logs_it(log: Logging, url: str, name: str) -> None:
    """Also in the lines of libraries, in a traceback, and in what is printed."""
    written = io.StringIO()
    log.setup("DEBUG", written, redirect_stdouts=True)

    logging.getLogger(name).debug("cannot reach %s", url)
    try:
        raise ConnectionError(url)
    except ConnectionError:
        logging.getLogger(name).exception("it failed")
    get_task_logger("mod.tasks").warning(url)
    print(url)

    assert len(lines_of(written)) > 4
    assert CANARY not in written.getvalue()


def test_a_value_in_a_line_of_ours_cannot_begin_another(log: Logging) -> None:
    """Newlines and escapes in names, ids and errors are shown, not carried out."""
    written = io.StringIO()
    log.setup("INFO", written)
    logger = get_logger("taskq.anything")

    logger.error("task %s[%s]: %r after %d", EVIL, ValueError(EVIL), EVIL, 5)
    logger.error("%(id)s", {"id": EVIL})

    assert len(lines_of(written)) == 2
    assert "\x1b" not in written.getvalue()
    assert "\\x0a[2030" in written.getvalue()


def test_what_a_task_logs_is_its_own_but_its_id_is_not(log: Logging) -> None:
    """A body may log two lines; who has sent it cannot, by way of its id."""
    written = io.StringIO()
    log.setup("INFO", written)
    task = SimpleNamespace(name="add", request=SimpleNamespace(id=EVIL))

    current.push_current_task(task)
    try:
        get_task_logger("mod").info("one\ntwo %s", "\x1b[1mbold")
    finally:
        current.pop_current_task()

    first, second = lines_of(written)
    assert "add[1\\x0a[2030" in first
    assert second == "two \x1b[1mbold"


def test_a_traceback_keeps_its_lines_and_nothing_else(log: Logging) -> None:
    """An exception's message cannot stand at the begin of a line, nor steer a terminal."""
    written = io.StringIO()
    log.setup("INFO", written)
    task = SimpleNamespace(name="add")
    request = SimpleNamespace(id=EVIL)

    try:
        raise ValueError(EVIL)
    except ValueError as error:
        report_internal_error(task, request, (), {}, error)

    head, *block = lines_of(written)
    assert "ERROR/MainProcess] task add[1\\x0a" in head
    assert len(block) > 3
    assert all(line.startswith("    ") for line in block)
    assert "\x1b" not in written.getvalue()


@given(st.text(), st.text())
def test_no_argument_of_a_line_of_ours_ends_it(name: str, task_id: str) -> None:
    """Whatever the text, a line is one line."""
    record = logging.LogRecord("taskq.x", 20, "f", 1, "%s[%s]", (name, task_id), None)

    shown = ColorFormatter("%(message)s", use_color=False).format(record)

    assert len(shown.splitlines()) <= 1


def test_a_record_is_left_as_it_is_for_others() -> None:
    """What our formatter makes safe is its own copy."""
    args: tuple[Any, ...] = (EVIL, 5)
    record = logging.LogRecord("taskq.x", 20, "f", 1, "%s %d", args, None)

    TaskFormatter("%(message)s").format(record)

    assert record.args == args


def test_a_print_of_a_handler_that_fails_does_not_come_back(log: Logging) -> None:
    """Logging reports its own errors on standard error, which goes to the log: once, and ends."""
    written = io.StringIO()
    log.setup("INFO", written, redirect_stdouts=True)

    class Broken(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            try:
                raise OSError("disk full")
            except OSError:
                self.handleError(record)

    broken = Broken()
    logging.root.addHandler(broken)
    try:
        print("hello", file=sys.stderr)
    finally:
        logging.root.removeHandler(broken)

    assert [line.partition("] ")[2] for line in lines_of(written)] == ["hello"]
