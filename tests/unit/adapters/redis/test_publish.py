"""How messages get into Redis, and what happens when they do not."""

from __future__ import annotations

import json
import pickle

import pytest
from kombu.exceptions import OperationalError as KombuOperationalError
from redis import exceptions

from taskq.adapters.broker.errors import BrokerError, BrokerGoneError
from taskq.adapters.broker.redis_link import explain
from taskq.adapters.broker.redis_url import servers, split_urls
from taskq.errors import ImproperlyConfigured, OperationalError
from taskq.ports import (
    ExchangeSpec,
    Message,
    Outgoing,
    PublishOptions,
    QueueSpec,
    RetryPolicy,
)
from tests.unit.adapters.redis.conftest import Bench


def to(exchange: str, key: str, kind: str = "direct", **options: object) -> Outgoing:
    message = Message({"id": "1"}, b"", "a/b", "utf-8")
    return Outgoing(message, exchange, key, kind, **options)  # type: ignore[arg-type]


def test_a_batch_keeps_its_order(bench: Bench) -> None:
    """Many messages to many queues arrive in the order in which they were given."""
    broker = bench.broker()
    broker.publish([bench.outgoing(str(n), "ab"[n % 2]) for n in range(2500)])

    got = [json.loads(raw)["headers"]["id"] for raw in reversed(bench.client.lrange("a", 0, -1))]
    assert got == [str(n) for n in range(0, 2500, 2)]
    assert broker.length("b") == 1250


def test_a_named_exchange_sends_to_the_queues_bound_to_it(bench: Bench) -> None:
    """Direct by key, topic by pattern; what nobody wants goes nowhere."""
    broker = bench.broker()
    broker.declare(
        [
            QueueSpec("d", ExchangeSpec("direct"), "k"),
            QueueSpec("t", ExchangeSpec("topic", "topic"), "a.*"),
        ]
    )
    broker.publish([to("direct", "k"), to("direct", "x"), to("topic", "a.b", "topic")])

    assert (broker.length("d"), broker.length("t")) == (1, 1)


def test_a_message_may_bring_its_queue_along(bench: Bench) -> None:
    """What it declares is bound before it is sent."""
    broker = bench.broker()
    queue = QueueSpec("new", ExchangeSpec("ex"), "k", expires_s=30)
    broker.publish([to("ex", "k", declare=(queue, ExchangeSpec("other")))])

    assert broker.length("new") == 1
    assert 0 < bench.client.pttl("new") <= 30_000


def test_a_message_that_must_arrive_and_cannot_is_an_error(bench: Bench) -> None:
    """``mandatory`` names the exchange and the key."""
    with pytest.raises(OperationalError, match="no queue is bound to exchange 'ex' for 'k'"):
        bench.broker().publish([to("ex", "k", options=PublishOptions(mandatory=True))])


def test_an_exchange_is_of_the_type_that_was_declared(bench: Bench) -> None:
    """Who publishes to a declared fanout exchange need not say again what it is."""
    broker = bench.broker()
    fanout = ExchangeSpec("all", "fanout")
    intake = broker.consume([QueueSpec("q", fanout, "")], "w1")
    bench.broker().publish([to("all", "", declare=(fanout,))])

    assert len(intake.receive()) == 1


def test_purge_empties_all_steps_and_counts(bench: Bench) -> None:
    """Every priority is thrown away."""
    bench.send("1", "2", priority=0)
    bench.send("3", priority=9)

    broker = bench.broker()
    assert (broker.length("q"), broker.purge("q"), broker.length("q")) == (3, 3, 0)


def test_a_broker_that_is_away_is_tried_as_often_as_the_policy_says(bench: Bench) -> None:
    """Pauses grow as the policy says; then one line says where, why and what to do."""
    bench.server.connected = False
    with pytest.raises(OperationalError) as caught:
        bench.send("1")

    assert bench.clock.slept == pytest.approx([0.0, 0.2, 0.4])
    assert str(caught.value).startswith("redis://fake:6379/0: no connection (")
    assert "\n" not in str(caught.value)
    assert isinstance(caught.value, KombuOperationalError)


def test_a_publish_ends_within_its_time(bench: Bench) -> None:
    """However many retries are left, a pause that would be too long is not begun."""
    bench.server.connected = False
    forever = RetryPolicy(max_retries=None, interval_start=0.4, interval_step=0.0)
    options = PublishOptions(retry=forever, timeout_s=1.0)
    with pytest.raises(OperationalError):
        bench.broker().publish([to("", "q", options=options)])

    assert sum(bench.clock.slept) <= 1.0


def test_one_attempt_where_retries_are_off(bench: Bench) -> None:
    """No policy, no pause."""
    bench.server.connected = False
    with pytest.raises(OperationalError):
        bench.broker().publish([to("", "q", options=PublishOptions(retry=None))])

    assert bench.clock.slept == []


def test_a_broker_that_comes_back_is_published_to(bench: Bench) -> None:
    """A retry that succeeds is a publish that succeeded."""
    bench.server.connected = False

    def come_back(seconds: float) -> None:
        bench.server.connected = True

    bench.clock.sleep = come_back  # type: ignore[method-assign]
    broker = bench.broker()
    broker.publish([to("", "q")])

    assert broker.length("q") == 1


def test_ping_says_where_and_why_not(bench: Bench) -> None:
    """A broker that answers is silent; one that does not is an error."""
    broker = bench.broker()
    broker.ping()
    broker.close()
    bench.server.connected = False

    with pytest.raises(OperationalError, match="redis://fake:6379/0: no connection"):
        broker.ping()


def test_errors_survive_pickling() -> None:
    """Their facts are in ``args``."""
    for error in (BrokerError("a", "b", "c"), BrokerGoneError("a", "b", "c")):
        again = pickle.loads(pickle.dumps(error))
        assert (type(again), str(again)) == (type(error), str(error))


@pytest.mark.parametrize(
    ("error", "why", "advice"),
    [
        (
            exceptions.AuthenticationError("WRONGPASS invalid username-password pair"),
            "authentication failed",
            "password",
        ),
        (
            exceptions.ResponseError("NOAUTH Authentication required."),
            "authentication failed",
            "password",
        ),
        (
            exceptions.ConnectionError("Error 111 connecting to h:1. Connection refused."),
            "connection refused",
            "start the server",
        ),
        (exceptions.TimeoutError("Timeout reading from socket"), "no answer in time", "reachable"),
        (exceptions.OutOfMemoryError("command not allowed"), "no memory", "maxmemory"),
        (exceptions.ReadOnlyError("You can't write"), "replica", "primary"),
        (exceptions.BusyLoadingError("Redis is loading"), "reads its data", "soon"),
        (exceptions.ResponseError("something new"), "something new", "log"),
    ],
)
def test_an_error_says_why_and_what_to_do(error: Exception, why: str, advice: str) -> None:
    """Each kind of trouble has its own words."""
    said = explain(error)

    assert why in said[0]
    assert advice in said[1]


# -- URLs ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "name", "address"),
    [
        ("redis://", "redis://127.0.0.1:6379/0", "tcp:127.0.0.1:6379/0"),
        ("redis://localhost/2", "redis://localhost:6379/2", "tcp:127.0.0.1:6379/2"),
        ("redis://:s3%40cret@h:1/0", "redis://:**@h:1/0", "tcp:h:1/0"),
        ("rediss://u:p@h", "rediss://u:**@h:6379/0", "tcp:h:6379/0"),
        (
            "redis+socket:///tmp/r.sock?virtual_host=3",
            "unix:///tmp/r.sock?db=3",
            "unix:/tmp/r.sock/3",
        ),
        ("unix:///tmp/r.sock?db=1", "unix:///tmp/r.sock?db=1", "unix:/tmp/r.sock/1"),
    ],
)
def test_a_url_is_shown_without_its_password(url: str, name: str, address: str) -> None:
    """What is shown and what is compared say the same of where."""
    [server] = servers(url, options={})

    assert (server.name, server.address) == (name, address)


def test_a_url_and_options_make_a_connection() -> None:
    """User, password, database, timeouts and TLS reach the connection."""
    [server] = servers(
        "rediss://u:p%2F@h:7/4?socket_timeout=9&ssl_cert_reqs=CERT_NONE",
        options={"socket_connect_timeout": 2, "client_name": "me"},
        ssl={"ca_certs": "/ca.pem"},
    )
    made = server.connect()

    assert (made.host, made.port, made.db) == ("h", 7, 4)
    assert (made.username, made.password, made.client_name) == ("u", "p/", "me")
    assert (made.socket_timeout, made.socket_connect_timeout) == (9.0, 2)
    assert made.ca_certs == "/ca.pem"
    assert type(made).__name__ == "SSLConnection"


def test_a_list_of_urls_is_a_list_of_servers() -> None:
    """Semicolons and lists; a part without a scheme has that of the first."""
    assert split_urls("redis://a;b:1") == ["redis://a", "redis://b:1"]
    assert [one.address for one in servers(["redis://a", "redis://b:1/2"], options={})] == [
        "tcp:a:6379/0",
        "tcp:b:1/2",
    ]


def test_sentinels_are_one_server_whose_name_is_the_group() -> None:
    """The group must be named; the order of the sentinels does not matter."""
    urls = "sentinel://:p@a;sentinel://b:1/3"
    [one] = servers(urls, options={"master_name": "m"})
    [two] = servers("sentinel://b:1/3;sentinel://:p@a", options={"master_name": "m"})

    assert one.address == two.address == "sentinel:a:26379,b:1/m/3"
    assert one.name == "sentinel://:**@a:26379/0;sentinel://b:1/3"
    assert (one.connect().db, one.connect().password) == (3, "p")
    with pytest.raises(ImproperlyConfigured, match="master_name"):
        servers(urls, options={})


@pytest.mark.parametrize("url", ["redis://:secret@h/abc", "", "http://h"])
def test_a_url_that_makes_no_sense_is_refused(url: str) -> None:
    """The error names what is wrong and shows no password."""
    with pytest.raises(ImproperlyConfigured) as caught:
        servers(url, options={})

    assert "secret" not in str(caught.value)
