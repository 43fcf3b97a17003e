"""Whatever happens to messages, each is somewhere, once."""

from __future__ import annotations

import json

from hypothesis import given, settings
from hypothesis import strategies as st

from taskq.ports import Settlement, Verdict
from tests.unit.adapters.redis.conftest import Bench

STEPS = st.lists(
    st.sampled_from(
        [
            "send", "take", "ack", "claim", "requeue", "reject", "park", "later",
            "die", "renew", "close", "cut", "tell",
        ]
    ),
    max_size=30,
)  # fmt: skip
DUE = {"park": -1.0, "later": 1000.0}


class Story:
    """Steps, and what they have done to which message."""

    def __init__(self) -> None:
        self.bench = Bench()
        self.sent: list[str] = []
        self.acked: list[str] = []
        self.out: dict[int, str] = {}
        self.number = 0
        self.worker = self.bench.intake(node="w0")

    def act(self, step: str) -> None:
        """Do one thing."""
        if step == "send":
            self.sent.append(str(len(self.sent)))
            self.bench.send(self.sent[-1])
        elif step == "take":
            self.out |= {one.tag: one.message.headers["id"] for one in self.worker.receive()}
        elif step in {"die", "close"}:
            if step == "close":
                self.worker.close()
            self.begin_anew()
        elif step == "renew":
            self.worker.renew()
        elif step == "cut":
            self.worker.reconnect()
        elif step == "tell":
            self.tell_ends()
        elif self.out:
            self.settle(step, min(self.out))

    def settle(self, step: str, tag: int) -> None:
        """Say one verdict."""
        if step in DUE:
            due_s = self.bench.clock.now_s + DUE[step]
            self.worker.settle([Settlement(tag, Verdict.PARK, due_s=due_s)])
        else:
            self.worker.settle([Settlement(tag, Verdict(step))])
        if step == "ack":
            self.acked.append(self.out[tag])
        if step != "claim":
            del self.out[tag]

    def begin_anew(self) -> None:
        """The worker is gone, another one comes."""
        self.bench.pass_deadline(f"w{self.number}")
        self.number, self.out = self.number + 1, {}
        self.worker = self.bench.intake(node=f"w{self.number}")
        self.worker.renew()

    def tell_ends(self) -> None:
        """Settle what was found of lost workers."""
        found = self.worker.lost_claims()
        self.worker.settle([Settlement(one.tag, Verdict.REJECT, one.reason) for one in found])

    def whereabouts(self) -> list[str]:
        """Let the last worker die, and say where each message is in the end."""
        self.begin_anew()
        self.tell_ends()
        broker = self.bench.broker()
        waiting = [json.loads(raw)["headers"]["id"] for raw in self.bench.client.lrange("q", 0, -1)]
        dead = [one.message.headers["id"] for one in broker.dead_letters(100) if one.message]
        parked = [one.message.headers["id"] for one in broker.parked(["q"], 100)]
        return sorted(waiting + dead + parked + self.acked)


@settings(max_examples=80, deadline=None)
@given(STEPS)
def test_every_message_is_somewhere_exactly_once(steps: list[str]) -> None:
    """It waits, is out, is parked, is acked or is dead: once, and never twice."""
    story = Story()
    for step in steps:
        story.act(step)

    assert story.whereabouts() == sorted(story.sent)
