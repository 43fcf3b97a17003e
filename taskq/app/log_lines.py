"""Each line that a worker writes to its log, and how it is written.

``say`` is called by ``runtime`` for the effect ``Say``, and for what happens to the connection.
Values in these lines come from messages: control characters in them are escaped, so that nobody
can write lines of their own into a log, and passwords in URLs are starred.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from textwrap import indent
from types import MappingProxyType
from typing import Any, Final

from taskq.conf import sanitize_url
from taskq.core.effects import Say

INDENT: Final = "    "

LINES: Final[Mapping[str, str]] = MappingProxyType(
    {
        # one task
        "task received": "Task %(name)s[%(id)s] received",
        "task parked": "Task %(name)s[%(id)s] waits with the broker until %(until)s",
        "task succeeded": "Task %(name)s[%(id)s] succeeded in %(runtime_s)s s: %(summary)s",
        "task failed": "Task %(name)s[%(id)s] failed after %(runtime_s)s s: %(summary)s",
        "task retried": "Task %(name)s[%(id)s] will be tried again: %(summary)s",
        "task ignored": "Task %(name)s[%(id)s] ended, and asked to be ignored",
        "task repeated": (
            "Task %(name)s[%(id)s] was delivered again, and has succeeded before; it was not run"
            " again: %(summary)s"
        ),
        "task replaced": "Task %(name)s[%(id)s] gave its place to another: %(summary)s",
        "task rejected": "Task %(name)s[%(id)s] rejected its message: %(summary)s",
        "task requeued": "Task %(name)s[%(id)s] gave its message back to the queue: %(summary)s",
        "task revoked": "Task %(name)s[%(id)s] was not run, or was ended: %(summary)s",
        "task expired": "Task %(name)s[%(id)s] came too late and was not run: %(summary)s",
        "task lost": "Task %(name)s[%(id)s] is lost with its process: %(summary)s",
        "time limit": "Hard time limit (%(limit_s)ss) exceeded for %(name)s[%(id)s]; it was ended",
        "late result refused": (
            "Task %(name)s[%(id)s] ended after its message had gone to another worker;"
            " this result is dropped"
        ),
        # one message
        "unknown task": (
            "Task %(name)s[%(id)s] is not registered here and was rejected; import the module that"
            " defines it (settings `imports` and `include`), or route it to other workers"
        ),
        "unreadable task": (
            "Task %(name)s[%(id)s] was rejected, its message cannot be read: %(summary)s"
        ),
        "malformed message": (
            "Rejected a message that is no task: %(reason)s; it begins with %(raw)s"
        ),
        "bad rate limit": "Task %(name)s runs without its rate limit: %(reason)s",
        # a process of the pool
        "process lost": "A process of the pool is gone (slot %(slot)s): %(reason)s; it is replaced",
        "worker lost": "Task %(name)s[%(id)s] lost its process: %(reason)s",
        "worker lost, redelivered": (
            "Task %(name)s[%(id)s] lost its process: %(reason)s; its message goes back to the queue"
        ),
        # the broker
        "broker connected": "Connected to the broker",
        "broker lost": "Lost the broker: %(error)s; connecting again",
        "broker unreachable": (
            "Cannot reach the broker: %(error)s; next attempt (%(attempt)s of %(most)s) in"
            " %(pause_s)s s"
        ),
        "no broker": (
            "Gave up on the broker: %(error)s; check `broker_url` and whether the broker runs,"
            " then start this worker again"
        ),
        "disconnected": "The connection is gone; the broker keeps what this worker has: %(kept)s",
        "lease lost": (
            "This worker was silent for longer than its lease: %(count)s messages went to others,"
            " and results of those that run on are dropped; raise `taskq_lease_s` if its machine is"
            " often that busy"
        ),
        "not handed back": (
            "Could not give messages back before the end: %(error)s; the broker gives them to"
            " others when it notices"
        ),
        # the worker
        "ready": "%(hostname)s is ready",
        "warm shutdown": (
            "Shutting down warmly: %(running)s running tasks may end; SIGQUIT, or Ctrl-C once more,"
            " ends them now"
        ),
        "soft shutdown": (
            "Shutting down softly: %(running)s running tasks may end within %(soft_s)s s"
        ),
        "cold shutdown": "Shutting down now: %(running)s running tasks are ended or given back",
        "immediate shutdown": "Leaving at once: %(running)s running tasks are left to others",
        "pool resized": "The pool is to have %(size)s slots",
        # beat
        "entry not sent": (
            "Message Error: entry %(name)s (%(task)s) could not be sent: %(error)s; it is tried"
            " again in %(pause_s)s s"
        ),
        "entry not asked": (
            "Entry %(name)s could not say when it is due: %(error)s; it is asked again in"
            " %(pause_s)s s"
        ),
        "clock set": "The clock was set by %(by_s)s s; every entry is looked at anew",
        "runs in doubt": (
            "It is not known whether these were sent when beat ended without warning, so they are"
            " not sent again: %(names)s"
        ),
        "schedule set aside": (
            "%(path)s is no schedule file of taskq (%(reason)s); it is kept as %(kept)s, and last"
            " runs are counted from now"
        ),
        "schedule not saved": (
            "Cannot write the schedule file %(path)s: %(error)s; a restart may send again what was"
            " sent since it was last written"
        ),
    }
)

# C0 and C1 control characters, and the two that some readers of logs take for line ends.
_CONTROL: Final = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160))} | {
    0x2028: "\\u2028",
    0x2029: "\\u2029",
}
_CONTROL_IN_BLOCK: Final = {code: to for code, to in _CONTROL.items() if code not in (9, 10)}


class _Shown(dict[str, str]):
    """Facts as they stand in a line; what is missing shows as a question mark."""

    def __missing__(self, key: str) -> str:
        return "?"


def escape(value: Any) -> str:
    """Return a value as text that fills one line."""
    text = f"{value:.6g}" if isinstance(value, float) else str(value)
    if "://" in text:
        text = sanitize_url(text)
    return text if text.isprintable() else text.translate(_CONTROL)


def word(said: Say) -> str:
    """Return the line that an effect stands for."""
    facts = _Shown((name, escape(value)) for name, value in said.facts.items())
    line = LINES.get(said.what)
    if line is None:
        return f"{said.what}: " + ", ".join(f"{name}={text}" for name, text in facts.items())
    return line % facts


def block(text: str) -> str:
    """Return a traceback as lines that cannot be taken for others of this log."""
    # Indented: the message of an exception may have lines that look like lines of this log.
    return indent(sanitize_url(text).translate(_CONTROL_IN_BLOCK).rstrip(), INDENT)


def say(logger: logging.Logger, said: Say) -> None:
    """Write one line, and the traceback that belongs to it."""
    if not logger.isEnabledFor(said.level):
        return
    text = word(said)
    traceback = said.facts.get("traceback")
    if traceback:
        text = f"{text}\n{block(traceback)}"
    # No arguments: the text is not a format any more.
    logger.log(int(said.level), text, extra={"data": dict(said.facts)})
