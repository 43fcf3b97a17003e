# ruff: noqa: PLR2004 - the suite is tests: counts of what was done a line above
"""What every Broker must do for somebody who listens: commands, replies, events.

A command goes to all workers (fanout), a reply to the one who asked (direct), an event to the
monitors that want to hear of its kind (topic).
"""

from __future__ import annotations

from typing import Final

from taskq.ports import ExchangeSpec, Inbox, Message, Outgoing, QueueSpec
from taskq_testing.conformance.broker.rig import Bench, OnBench

# How long a test waits for nothing.
MOMENT_S: Final = 0.3


def own_queue(bench: Bench, exchange: ExchangeSpec, key: str = "", name: str = "box") -> QueueSpec:
    """Return a queue as listeners have them: their own, gone with them or soon after."""
    unique = bench.rig.unique(name)
    return QueueSpec(
        unique, exchange, key, durable=False, auto_delete=True, expires_s=10.0, message_ttl_s=300.0
    )


def an_exchange(bench: Bench, kind: str) -> ExchangeSpec:
    """Return an exchange of this test."""
    return ExchangeSpec(bench.rig.unique(kind), kind, durable=False)


def tell(bench: Bench, exchange: ExchangeSpec, *texts: str, key: str = "") -> None:
    """Publish some messages, as who knows the exchange alone."""
    bench.broker.publish(
        [
            Outgoing(
                Message({"said": text}, text.encode(), "application/json", "utf-8"),
                exchange.name,
                key,
                exchange.type,
                declare=(exchange,),
            )
            for text in texts
        ]
    )


def texts(messages: list[Message]) -> list[str]:
    """What was heard."""
    return [message.body.decode() for message in messages]


class ListeningSuite(OnBench):
    """Inherit beside ``BrokerSuite``."""

    def test_all_hear_what_is_said_to_all(self, bench: Bench) -> None:
        """Every listener of a fanout exchange gets each message, in order."""
        exchange = an_exchange(bench, "fanout")
        inboxes = [bench.listen(own_queue(bench, exchange)) for _ in range(3)]
        tell(bench, exchange, "a", "b", "c")

        for inbox in inboxes:
            assert texts(bench.hear(inbox, 3)) == ["a", "b", "c"]

    def test_a_message_is_heard_as_it_was_said(self, bench: Bench) -> None:
        """Body, headers and types come through unchanged."""
        exchange = an_exchange(bench, "fanout")
        inbox = bench.listen(own_queue(bench, exchange))
        headers = {"clock": 3, "expires": 1.5, "nested": {"a": [1, None]}}
        message = Message(headers, bytes(range(256)), "application/data", "binary")
        bench.broker.publish([Outgoing(message, exchange.name, "", "fanout", declare=(exchange,))])
        [heard] = bench.hear(inbox)

        assert heard.body == bytes(range(256))
        assert dict(heard.headers) == headers
        assert (heard.content_type, heard.content_encoding) == ("application/data", "binary")

    def test_a_reply_reaches_who_asked(self, bench: Bench) -> None:
        """A direct exchange takes it to the listener with that key, and to no other."""
        exchange = an_exchange(bench, "direct")
        mine, other = (bench.listen(own_queue(bench, exchange, key)) for key in ("k1", "k2"))
        tell(bench, exchange, "for k1", key="k1")

        assert texts(bench.hear(mine)) == ["for k1"]
        assert bench.overhear(other) == []

    def test_many_reply_to_one(self, bench: Bench) -> None:
        """All replies come, whoever sends them, in order."""
        exchange = an_exchange(bench, "direct")
        inbox = bench.listen(own_queue(bench, exchange, "k"))
        said = [str(number) for number in range(50)]
        for text in said[:10]:
            tell(bench, exchange, text, key="k")
        tell(bench, exchange, *said[10:], key="k")

        assert texts(bench.hear(inbox, 50)) == said

    def test_a_monitor_hears_the_kinds_it_asked_for(self, bench: Bench) -> None:
        """``#`` is any number of words, ``*`` one."""
        exchange = an_exchange(bench, "topic")
        everything, workers, sent = (
            bench.listen(own_queue(bench, exchange, key)) for key in ("#", "worker.#", "*.sent")
        )
        for key in ("worker.online", "task.sent", "task.received"):
            tell(bench, exchange, key, key=key)

        assert texts(bench.hear(everything, 3)) == ["worker.online", "task.sent", "task.received"]
        assert texts(bench.hear(workers)) == ["worker.online"]
        assert texts(bench.hear(sent)) == ["task.sent"]
        assert bench.overhear(workers) == bench.overhear(sent) == []

    def test_what_was_said_before_is_not_heard(self, bench: Bench) -> None:
        """Who comes late has missed it."""
        exchange = an_exchange(bench, "fanout")
        first = bench.listen(own_queue(bench, exchange))
        tell(bench, exchange, "early")
        late = bench.listen(own_queue(bench, exchange))
        tell(bench, exchange, "now")

        assert texts(bench.hear(first, 2)) == ["early", "now"]
        assert texts(bench.hear(late)) == ["now"]

    def test_nobody_listens(self, bench: Bench) -> None:
        """Then what is said is gone; saying it is no error."""
        for kind in ("fanout", "direct", "topic"):
            tell(bench, an_exchange(bench, kind), "x", key="k")

    def test_each_message_is_heard_once(self, bench: Bench) -> None:
        """There is nothing to settle, and nothing comes again."""
        exchange = an_exchange(bench, "direct")
        inbox = bench.listen(own_queue(bench, exchange, "k"))
        tell(bench, exchange, "a", key="k")
        bench.hear(inbox)

        assert bench.overhear(inbox) == []

    def test_receive_does_not_wait_for_what_is_not_there(self, bench: Bench) -> None:
        """Nothing is an answer."""
        for kind in ("fanout", "direct"):
            inbox = bench.listen(own_queue(bench, an_exchange(bench, kind), "k"))
            start_s = bench.clock.read().elapsed_s

            assert list(inbox.receive()) == []
            assert bench.clock.read().elapsed_s - start_s < 1.0

    def test_waiting_ends_with_its_time(self, bench: Bench) -> None:
        """Though nobody says anything."""
        for kind in ("fanout", "direct"):
            inbox = bench.listen(own_queue(bench, an_exchange(bench, kind), "k"))
            start_s = bench.clock.read().elapsed_s
            inbox.wait(MOMENT_S)

            assert bench.clock.read().elapsed_s - start_s < MOMENT_S + 2.0
            assert list(inbox.receive()) == []

    def test_waiting_ends_with_a_message(self, bench: Bench) -> None:
        """Long before its time is over."""
        for kind in ("fanout", "direct"):
            exchange = an_exchange(bench, kind)
            inbox = bench.listen(own_queue(bench, exchange, "k"))
            inbox.receive()
            tell(bench, exchange, "x", key="k")
            start_s = bench.clock.read().elapsed_s

            assert texts(bench.hear(inbox)) == ["x"]
            assert bench.clock.read().elapsed_s - start_s < 5.0

    def test_a_listener_says_when_to_look(self, bench: Bench) -> None:
        """There is something to watch, or a rhythm to look in."""
        for kind in ("fanout", "direct"):
            inbox = bench.listen(own_queue(bench, an_exchange(bench, kind), "k"))
            inbox.receive()

            assert inbox.watched or inbox.poll_s is not None or not bench.traits.threads

    def test_a_reconnect_goes_on_listening(self, bench: Bench) -> None:
        """With the same queue, for the same keys."""
        for kind in ("fanout", "direct"):
            exchange = an_exchange(bench, kind)
            inbox = bench.listen(own_queue(bench, exchange, "k"))
            inbox.reconnect()
            tell(bench, exchange, "after", key="k")

            assert texts(bench.hear(inbox)) == ["after"]

    def test_who_closes_hears_no_more(self, bench: Bench) -> None:
        """And leaves nothing behind; the others go on."""
        exchange = an_exchange(bench, "fanout")
        gone, stays = (bench.listen(own_queue(bench, exchange)) for _ in range(2))
        gone.close()
        tell(bench, exchange, "x")

        assert texts(bench.hear(stays)) == ["x"]

    def test_a_queue_goes_with_its_listener(self, bench: Bench) -> None:
        """What was not read, and what comes later, is nowhere."""
        exchange = an_exchange(bench, "direct")
        queue = own_queue(bench, exchange, "k")
        first = bench.listen(queue)
        tell(bench, exchange, "unread", key="k")
        first.close()
        tell(bench, exchange, "too late", key="k")
        second: Inbox = bench.listen(queue)

        assert bench.overhear(second) == []
        second.close()
        assert bench.length(queue, 0) == 0

    def test_closing_twice_is_nothing_new(self, bench: Bench) -> None:
        """Nor is closing after the broker was closed."""
        broker = bench.rig.broker()
        inbox = broker.listen(own_queue(bench, an_exchange(bench, "direct"), "k"))
        broker.close()
        inbox.close()

        inbox.close()
