"""Keys and times of RabbitMQ's delay queues: never too early, and each to its own queue."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st
from kombu.transport.native_delayed_delivery import calculate_routing_key

from taskq.adapters.broker.kombu_delay import (
    BITS,
    LONGEST_DELAY_S,
    delayed_route,
    delivery_binding,
    seconds_until,
    undelayed_key,
)

queue_names = st.one_of(
    st.text(min_size=1, max_size=255),
    st.lists(st.sampled_from(["*", "#", "a", "b", "", "taskq"]), min_size=1).map(".".join),
)


def matches(binding: str, key: str) -> bool:
    """What a topic exchange does, for a binding whose only wildcards are stars."""
    wanted, words = binding.split("."), key.split(".")
    assert "#" not in wanted
    return len(wanted) == len(words) and all(
        one in {"*", word} for one, word in zip(wanted, words, strict=True)
    )


@given(st.floats(0, 4e9), st.floats(0, 4e9))
@example(100.0, 100.0)
@example(1763650000.1, 1763650000.0)
def test_nothing_comes_too_early(due_s: float, now_s: float) -> None:
    """Whole seconds, rounded up; as long as the queues can keep it."""
    seconds = seconds_until(due_s, now_s)

    assert 1 <= seconds <= LONGEST_DELAY_S
    assert now_s + seconds >= min(due_s, now_s + LONGEST_DELAY_S)
    assert seconds <= max(1, due_s - now_s + 1)


@given(st.integers(1, LONGEST_DELAY_S), queue_names)
def test_the_bits_add_up_to_the_delay(seconds: int, queue: str) -> None:
    """From the exchange of the highest one on; the key has room."""
    exchange, key = delayed_route(seconds, queue)
    bits = key.split(".")[:BITS]

    assert sum(2**level for level, bit in enumerate(reversed(bits)) if bit == "1") == seconds
    assert exchange == f"celery_delayed_{BITS - 1 - bits.index('1')}"
    assert len(key.encode()) <= 255


@given(st.integers(1, LONGEST_DELAY_S), queue_names, queue_names)
@example(1, "q", "a.q")
@example(1, "a.q", "#")
@example(1, "a", "*")
@example(1, "q", "q.taskq")
def test_each_queue_takes_its_own(seconds: int, one: str, other: str) -> None:
    """And no message of another, whatever the two are called."""
    _, key = delayed_route(seconds, one)

    assert matches(delivery_binding(one), key)
    assert matches(delivery_binding(other), key) is (one == other)


@given(st.integers(1, LONGEST_DELAY_S), st.text(min_size=1).filter(lambda key: key[0] not in "01"))
def test_the_key_of_what_celery_delayed_is_found_again(seconds: int, key: str) -> None:
    """It puts the bits in front."""
    assert undelayed_key(calculate_routing_key(seconds, key)) == key
    assert undelayed_key(key) == key
