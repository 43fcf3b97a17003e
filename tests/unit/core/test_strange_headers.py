"""Whatever stands in the headers of a message, a worker goes on, and knows what became of it."""

from __future__ import annotations

from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from taskq.core.effects import Conclude
from taskq.core.inputs import Connected, Revoked, Woke
from taskq.ports import Revocation

from .helpers import START, at, core_of, deliver, delivery, iso, of, settled

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
TIMES = ANYTHING | st.datetimes().map(lambda moment: moment.isoformat()) | st.just(iso(5))
HEADERS = st.fixed_dictionaries(
    {},
    optional={
        "id": ANYTHING,
        "task": ANYTHING | st.sampled_from(["add", "late", "rated"]),
        "eta": TIMES,
        "expires": TIMES,
        "timelimit": ANYTHING | st.lists(st.none() | st.floats(), min_size=2, max_size=2),
        "stamps": ANYTHING,
        "retries": ANYTHING,
        "argsrepr": ANYTHING,
    },
)


@given(headers=HEADERS, parks=st.booleans(), attempts=st.none() | st.integers(0, 30))
@example(headers={"eta": "0001-01-01T00:00:00+14:00"}, parks=True, attempts=None)
@example(headers={"eta": "9999-12-31T23:59:59-14:00"}, parks=True, attempts=None)
@example(headers={"task": "add", "timelimit": [float("nan"), -1]}, parks=False, attempts=None)
def test_nothing_in_a_header_ends_a_worker(
    headers: dict[str, Any], parks: bool, attempts: int | None
) -> None:
    """It is settled, ended, or kept for a slot or for its time."""
    core = core_of(
        traits={"rated": {"rate_limit": "1/s"}}, events=True, narrate=True, time_limit_s=9.0
    )
    core.handle(Connected(parks), at(0.0))
    revocations = (
        Revocation(START + 99, "x", {"a": [1, {}]}),
        Revocation(START + 99, headers={"": None}),
    )
    core.handle(Revoked(revocations), at(0.0))
    told: dict[str, Any] = {"task": "add", **headers}
    task = told.pop("task")

    effects = deliver(core, delivery(1, task, attempts=attempts, **told))

    ways = [
        (1, True) in [(tag, what.name in ("REJECT", "PARK")) for tag, what in settled(effects)],
        bool(of(Conclude, effects)),
        any(job.token == 1 for job in (*core.active, *core.waiting)),
    ]
    assert ways.count(True) == 1
    core.views()
    core.handle(Woke(), at(1e9))
