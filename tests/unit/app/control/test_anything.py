"""Whatever comes over the wire: no command, no event and no reply ends a worker."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from taskq.app.cluster import Liaison, Presence
from taskq.app.control.panel import Panel
from taskq.ports import Message, Outgoing
from tests.unit.app.office import Desktop, KeepingApp, says

ATOMS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6)
NAMES = st.sampled_from(["w1@host", "task_id", "headers", "a", "t.add", "revoked", "queue"])
JSON = st.recursive(
    ATOMS | NAMES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=6,
)
# Those whose arguments nobody should make up: they import modules and draw pictures.
SPARED = {"pool_restart", "objgraph"}
METHODS = st.sampled_from(sorted(set(Panel.data) - SPARED)) | st.text(max_size=4)
ARGUMENTS = st.dictionaries(
    st.sampled_from(
        [
            *("task_id", "headers", "signal", "terminate", "task_name", "rate_limit", "hard"),
            *("soft", "n", "max", "min", "queue", "exchange", "exchange_type", "routing_key"),
            *("ids", "taskinfoitems", "builtins", "safe", "with_defaults", "from_node", "revoked"),
            *("id", "topic", "action", "samples", "msg"),
        ]
    ),
    JSON,
    max_size=4,
)
COMMANDS = st.fixed_dictionaries(
    {"method": METHODS, "arguments": ARGUMENTS},
    optional={
        "destination": st.just(["w1@host"]) | JSON,
        "pattern": JSON,
        "matcher": JSON,
        "ticket": JSON,
        "reply_to": st.just({"exchange": "e", "routing_key": "k"}) | JSON,
    },
)
EVENTS = st.fixed_dictionaries(
    {
        "type": st.sampled_from(
            ["worker-online", "worker-heartbeat", "worker-offline", "worker-elect", "odd"]
        )
        | JSON
    },
    optional=dict.fromkeys(
        ("hostname", "pid", "clock", "freq", "id", "topic", "action", "cver", "utcoffset"), JSON
    ),
)
HEADERS = st.dictionaries(st.sampled_from(["clock", "expires", "ticket"]), JSON, max_size=3)
ENOUGH = settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


class Victim:
    """A worker that hears everything."""

    def __init__(self, app: KeepingApp) -> None:
        @app.task(name="t.add")
        def add() -> None:
            pass

        self.app, self.desktop = app, Desktop(app, autoscale=(4, 1))
        self.liaison: Liaison = self.desktop.liaison(Presence("w1@host"))
        self.now_s = app.clock_port.read().elapsed_s
        self.liaison.begin(self.now_s)
        self.liaison.greet(self.now_s)

    def hear(self, message: Message) -> None:
        for queue in [inbox.queue for inbox in self.app.office.inboxes]:
            self.app.office.publish([Outgoing(message, queue.exchange.name, "worker.odd")])
            self.app.office.publish([Outgoing(message, queue.exchange.name, queue.routing_key)])
        self.app.clock_port.sleep(1)
        self.liaison.turn(self.app.clock_port.read().elapsed_s)

    def is_well(self) -> bool:
        self.app.office.take()
        self.app.control.broadcast("heartbeat")
        self.liaison.turn(self.app.clock_port.read().elapsed_s)
        return "worker.heartbeat" in [sent.routing_key for sent in self.app.office.take()]


@pytest.fixture
def victim(app: KeepingApp) -> Iterator[Victim]:
    made = Victim(app)
    yield made
    assert made.is_well()


@ENOUGH
@given(body=COMMANDS, headers=HEADERS)
def test_any_command(victim: Victim, body: Any, headers: Any) -> None:
    """Known or not, with arguments that fit or do not."""
    victim.hear(says(body, **headers))


@ENOUGH
@given(body=EVENTS | st.lists(EVENTS, max_size=3), headers=HEADERS)
def test_any_event(victim: Victim, body: Any, headers: Any) -> None:
    """Of workers that may or may not be there."""
    victim.hear(says(body, **headers))


@ENOUGH
@given(body=JSON, headers=HEADERS)
def test_anything_else(victim: Victim, body: Any, headers: Any) -> None:
    """As a command, as an event and as a reply."""
    victim.hear(says(body, **headers))


@ENOUGH
@given(raw=st.binary(max_size=20), kind=st.sampled_from(["application/json", "text/plain", ""]))
def test_any_bytes(victim: Victim, raw: bytes, kind: str) -> None:
    """Of any type."""
    victim.hear(Message({}, raw, kind, "utf-8"))
