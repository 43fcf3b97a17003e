"""What is kept of long chains, for how long, and what happens where it cannot be."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from taskq.adapters.broker.serializers import KombuCodec
from taskq.app import rests
from taskq.app.rests import LIFE_S, MOST_WINDOW_BYTES, RENEWED_AFTER_S, SPENT_LIFE_S
from taskq.canvas.rests import find, ref_of
from taskq.errors import ChainRestLost, InvalidTaskError, OperationalError
from taskq.ports import Job, Reading

JSON = "application/json"


class Store:
    """Keeps rests, and what was asked of it."""

    name = "store://"

    def __init__(self) -> None:
        self.kept: dict[str, list[bytes]] = {}
        self.asked: list[tuple[Any, ...]] = []
        self.away = False

    def keep_rest(self, rest_id: str, windows: list[bytes], life_s: float) -> None:
        self._reach("keep", rest_id, len(windows), life_s)
        self.kept[rest_id] = list(windows)

    def load_rest(self, rest_id: str, window: int, life_s: float) -> bytes | None:
        self._reach("load", rest_id, window, life_s)
        return self.kept[rest_id][window] if rest_id in self.kept else None

    def _reach(self, *asked: Any) -> None:
        if self.away:
            raise OperationalError("away")
        self.asked.append(asked)


class Lab:
    """As much of an app as this needs."""

    def __init__(self, store: Any, window: int | None = 4, broker: Any = None) -> None:
        self.store, self.now_s = store, 1000.0
        clock = SimpleNamespace(read=lambda: Reading(self.now_s, 0.0))
        self.ports = SimpleNamespace(store=store, codec=KombuCodec(), clock=clock, broker=broker)
        self.conf = SimpleNamespace(taskq_chain_window=window, control_exchange="ctl")
        self.accept = frozenset({JSON, "application/x-python-serialize"})

    def near(self, chain: list[Any], content: str = JSON) -> list[Any]:
        job = Job(1, {"task": "s", "id": "t"}, b"", content, "utf-8", {}, {"routing_key": "q"})
        return list(rests.near(self, job, chain, lambda _last: True))


def chain_of(length: int, **kwargs: Any) -> list[dict[str, Any]]:
    return [
        {"task": f"s{at}", "args": [], "kwargs": kwargs, "options": {"task_id": f"i{at}"}}
        for at in reversed(range(length))
    ]


class Crowd:
    """A broker that knows who else is there."""

    def __init__(self, *others: str, away: bool = False) -> None:
        self.others, self.away, self.asked = others, away, 0

    def other_workers(self, control_exchange: str) -> tuple[str, ...]:
        assert control_exchange == "ctl.pidbox"
        self.asked += 1
        if self.away:
            raise OperationalError("away")
        return self.others


@pytest.fixture
def store() -> Store:
    return Store()


def test_windows_live_for_a_month_and_the_last_for_a_week_once_it_was_read(store: Store) -> None:
    """Nobody needs it then but a message that comes once more."""
    lab = Lab(store)
    chain = lab.near(chain_of(20))
    while chain:
        if ref_of(chain[-1]) is not None:
            chain = lab.near(chain)
        chain.pop()

    assert store.asked == [
        ("keep", "t", 4, LIFE_S),
        *[("load", "t", number, LIFE_S) for number in range(3)],
        ("load", "t", 3, SPENT_LIFE_S),
    ]


def test_a_step_that_comes_days_later_renews_the_rest(store: Store) -> None:
    """Within a day nobody asks for it."""
    lab = Lab(store)
    chain = lab.near(chain_of(20))
    asked = len(store.asked)
    lab.now_s += RENEWED_AFTER_S - 1
    lab.near(chain)
    assert len(store.asked) == asked
    lab.now_s += 2
    lab.near(chain)

    assert store.asked[asked:] == [("load", "t", 0, LIFE_S)]


def test_a_renewed_rest_is_not_renewed_again_by_the_next_step(store: Store) -> None:
    """The message says when it was."""
    lab = Lab(store)
    chain = lab.near(chain_of(20))
    lab.now_s += RENEWED_AFTER_S + 1
    renewed = lab.near(chain)
    ref = find(renewed)

    assert ref is not None
    assert ref.kept_s == lab.now_s
    assert lab.near(renewed) == renewed
    assert len(store.asked) == 2


def test_large_steps_make_small_windows(store: Store) -> None:
    """A window is a message, or the largest part of one."""
    lab = Lab(store, window=16)
    chain = lab.near(chain_of(64, text="x" * 10_000))

    assert len(chain) < 10
    assert max(map(len, store.kept["t"])) <= MOST_WINDOW_BYTES


def test_steps_larger_than_a_window_travel_one_by_one(store: Store) -> None:
    """There is nothing smaller than a step."""
    lab = Lab(store, window=4)
    chain = lab.near(chain_of(10, text="x" * (MOST_WINDOW_BYTES + 1)))

    assert len(chain) == 3


def test_windows_are_written_as_the_message_was(store: Store) -> None:
    """What only pickle can say stays sayable."""
    lab = Lab(store)
    chain = lab.near(chain_of(20, thing={1, 2}), "application/x-python-serialize")
    ref = find(chain)

    assert ref is not None
    assert ref.content_type == "application/x-python-serialize"
    assert {1, 2} in [step["kwargs"].get("thing") for step in rests.whole(lab, chain)]


def test_what_cannot_be_put_away_travels(store: Store) -> None:
    """Where the store is away, where it keeps no rests, and what it cannot write."""
    chain = chain_of(20)
    unsayable = chain_of(20, thing={1, 2})
    assert Lab(store).near(unsayable) == unsayable
    assert Lab(SimpleNamespace(name="rpc://")).near(chain) == chain
    store.away = True

    assert Lab(store).near(chain) == chain


def test_a_marker_stays_where_its_window_cannot_be_read(store: Store) -> None:
    """It goes out as the task that it is."""
    lab = Lab(store)
    chain = lab.near(chain_of(20))
    at_marker = chain[:2]
    store.away = True
    assert lab.near(at_marker) == at_marker
    store.away = False
    store.kept.clear()

    assert lab.near(at_marker) == at_marker


def test_a_task_in_the_place_of_a_marker_goes_on_with_the_chain(store: Store) -> None:
    """With the result of the step before, and as its child."""
    lab = Lab(store)
    chain = lab.near(chain_of(20))
    request = SimpleNamespace(chain=chain[:1], parent_id="p", root_id="r")
    sig = rests.continuation(lab, request, ("given",), chain[1]["kwargs"])

    assert (sig.task, sig.args) == ("s4", ("given",))
    assert (sig.options["parent_id"], sig.options["root_id"]) == ("p", "r")
    names = [step["task"] for step in rests.whole(lab, sig.options["chain"])]
    assert names == [f"s{at}" for at in range(5, 20)]


def test_what_that_task_cannot_find_it_says(store: Store) -> None:
    """Whether it was told nonsense, cannot look, or has looked."""
    lab = Lab(store)
    chain = lab.near(chain_of(20))
    request = SimpleNamespace(chain=[], parent_id="p", root_id="r")
    with pytest.raises(InvalidTaskError, match="name no rest"):
        rests.continuation(lab, request, (), {"rest": 1})
    other = Lab(SimpleNamespace(name="rpc://"))
    with pytest.raises(ChainRestLost, match="rpc://"):
        rests.continuation(other, request, (), chain[1]["kwargs"])
    store.kept.clear()
    with pytest.raises(ChainRestLost, match=r"task t stands in \(window 0\) is not in store://"):
        rests.continuation(lab, request, (), chain[1]["kwargs"])


def test_of_a_rest_that_is_gone_the_others_are_told(store: Store) -> None:
    """The near steps, and the last one."""
    lab = Lab(store)
    chain = lab.near(chain_of(20))
    store.kept.clear()

    assert [step["task"] for step in rests.whole(lab, chain)] == ["s0", "s1", "s2", "s3", "s19"]


def test_unless_told_a_chain_is_put_away_where_all_workers_are_known_to_be_ours(
    store: Store,
) -> None:
    """So whoever meets the marker knows what it is."""
    broker = Crowd()

    assert len(Lab(store, None, broker).near(chain_of(100))) < 20
    assert list(store.kept) == ["t"]
    assert broker.asked == 1


@pytest.mark.parametrize(
    "broker",
    [Crowd("celery@elsewhere"), Crowd(away=True), object()],
    ids=["others are there", "it cannot be asked", "it does not know"],
)
def test_unless_told_a_chain_travels_as_a_whole_where_others_may_meet_it(
    store: Store, broker: Any
) -> None:
    """As in the messages that they send themselves."""
    chain = chain_of(100)

    assert Lab(store, None, broker).near(chain) == chain
    assert store.kept == {}


def test_nobody_is_asked_about_others_for_a_short_chain(store: Store) -> None:
    """It would travel as a whole anyway."""
    broker = Crowd()
    Lab(store, None, broker).near(chain_of(32))

    assert broker.asked == 0
