"""What kombu's workers took and never gave back is put into its lists again, and only that."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from taskq.adapters.broker.redis import RedisBroker
from taskq.ports import ExchangeSpec, QueueSpec
from tests.real.redis.conftest import ids, make_broker, outgoing, queue, receive_within


def taken_by_kombu(client: Any, broker: RedisBroker, *names: str, age_s: float) -> None:
    """Move what is in ``q`` to where kombu has what its workers took, so long ago."""
    broker.publish([outgoing(name) for name in names])
    for name in names:
        message = json.loads(client.rpop("q"))
        client.hset("unacked", f"tag-{name}", json.dumps([message, "q", "q"]))
        client.zadd("unacked_index", {f"tag-{name}": time.time() - age_s})


def test_what_was_taken_too_long_ago_comes_back(client: Any, broker: RedisBroker) -> None:
    """Marked as redelivered; what is younger than the limit stays where it is."""
    taken_by_kombu(client, broker, "old", age_s=100)
    taken_by_kombu(client, broker, "young", age_s=1)
    intake = make_broker_with(client, visibility_timeout=50).consume([queue()], "w@h")
    intake.set_prefetch(10)
    intake.renew()
    got = receive_within(intake, 10)

    assert ids(got) == ["old"]
    assert got[0].redelivered
    assert client.hkeys("unacked") == [b"tag-young"]
    assert client.zrange("unacked_index", 0, -1) == [b"tag-young"]
    intake.close()


def test_kombus_limit_is_an_hour(client: Any, broker: RedisBroker) -> None:
    """Where nothing else is said."""
    taken_by_kombu(client, broker, "older", age_s=3700)
    taken_by_kombu(client, broker, "younger", age_s=3500)
    intake = broker.consume([queue()], "w@h")
    intake.set_prefetch(10)
    intake.renew()

    assert ids(receive_within(intake, 10)) == ["older"]
    assert client.hkeys("unacked") == [b"tag-younger"]
    intake.close()


def test_it_goes_where_its_exchange_is_bound(client: Any, broker: RedisBroker) -> None:
    """Also to queues that the finder does not read; what is bound to nothing, to its key."""
    reader = broker.consume([QueueSpec("elsewhere", ExchangeSpec("ex"), "key")], "w1@h")
    for tag, place in {"bound": ["ex", "key"], "loose": ["nowhere", "lonely"]}.items():
        broker.publish([outgoing(tag)])
        message = json.loads(client.rpop("q"))
        client.hset("unacked", tag, json.dumps([message, *place]))
        client.zadd("unacked_index", {tag: 0})
    finder = make_broker_with(client).consume([queue("another")], "w2@h")
    finder.renew()
    reader.set_prefetch(10)

    assert ids(receive_within(reader, 10)) == ["bound"]
    assert client.llen("lonely") == 1
    assert not client.exists("unacked", "unacked_index")
    reader.close()
    finder.close()


@pytest.mark.parametrize("record", [b"not json", b'{"a": 1}', b'["x", "q", "q"]', b"[1]"])
def test_what_kombu_did_not_write_stays(client: Any, broker: RedisBroker, record: bytes) -> None:
    """It is nobody's message; those behind it come back all the same."""
    client.hset("unacked", "odd", record)
    client.zadd("unacked_index", {"odd": 0})
    taken_by_kombu(client, broker, "mine", age_s=4000)
    intake = broker.consume([queue()], "w@h")
    intake.set_prefetch(10)
    intake.renew()

    assert ids(receive_within(intake, 10)) == ["mine"]
    assert client.hget("unacked", "odd") == record
    intake.close()


def test_two_who_look_give_it_back_once(client: Any, broker: RedisBroker) -> None:
    """Whoever is first has put it back; the other finds nothing."""
    taken_by_kombu(client, broker, *(f"m{n}" for n in range(30)), age_s=4000)
    intakes = [make_broker_with(client).consume([queue("other")], f"w{n}@h") for n in range(2)]
    for intake in intakes:
        intake.renew()

    assert client.llen("q") == 30
    for intake in intakes:
        intake.close()


def make_broker_with(client: Any, **options: Any) -> RedisBroker:
    """Another broker on the same server."""
    known = client.connection_pool.connection_kwargs
    url = f"redis://{known['host']}:{known['port']}/{known.get('db', 0)}"
    return make_broker(url, transport_options=options)
