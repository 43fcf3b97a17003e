"""Dead letters on RabbitMQ: where they go, what survives in them, and who may look."""

from __future__ import annotations

from typing import Any

import amqp
import pytest

from taskq import errors
from taskq.adapters.broker.kombu import KombuBroker
from taskq.adapters.broker.kombu_letters import QUEUE
from taskq.ports import (
    Delivery,
    ExchangeSpec,
    Intake,
    Malformed,
    Message,
    Outgoing,
    QueueSpec,
    Settlement,
    Verdict,
)
from taskq_testing.servers import RabbitMQServer
from tests.real.amqp.conftest import Words, wait_until

MINE = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": "mine"}


def reject(words: Words, *texts: str, queue: QueueSpec | None = None) -> KombuBroker:
    """Send messages, and have a worker reject them; returns the broker."""
    broker, queue = words.broker(), queue or words.queue()
    broker.declare([queue])
    broker.publish([words.message(text, queue.name) for text in texts])
    intake = broker.consume([queue], "w1@h")
    for one in words.take(intake, len(texts)):
        intake.settle([Settlement(one.tag, Verdict.REJECT, "no good")])
    intake.close()
    return broker


def bodies(letters: Any) -> list[bytes]:
    return [letter.message.body for letter in letters]


@pytest.mark.parametrize("claimed", [False, True])
def test_a_queue_with_dead_letters_of_its_own_keeps_them(words: Words, claimed: bool) -> None:
    """The user's wish: RabbitMQ sends them where the queue says, and taskq does nothing."""
    queue, mine = words.queue("q", arguments=MINE), words.queue("mine")
    broker = words.broker()
    broker.declare([queue, mine])
    message = Message({"id": "a"}, b"a", "application/json", "utf-8")
    broker.publish([Outgoing(message, "", "q")])
    intake = broker.consume([queue], "w1@h")
    [delivery] = words.take(intake, 1)
    if claimed:
        intake.settle([Settlement(delivery.tag, Verdict.CLAIM)])
    intake.settle([Settlement(delivery.tag, Verdict.REJECT, "no good")])
    intake.close()

    wait_until(lambda: broker.length("mine") == 1, "the dead letter")
    assert broker.dead_letter_count() == 0


def test_there_are_never_more_than_so_many(words: Words) -> None:
    """The oldest go first; a limit that was set before holds."""
    broker = words.broker(dead_letters_max=3)
    broker.publish([words.message(text) for text in "abcde"])
    intake = broker.consume([words.queue()], "w1@h")
    intake.settle([Settlement(one.tag, Verdict.REJECT, "all") for one in words.take(intake, 5)])
    intake.close()

    assert bodies(words.broker().dead_letters(10)) == [b"e", b"d", b"c"]
    reject(words, "f")  # by a worker that would keep more
    assert bodies(words.broker().dead_letters(10)) == [b"f", b"e", b"d"]


def test_what_others_put_there_is_shown(words: Words) -> None:
    """A letter without a word of taskq's has a name, and can be thrown away by it."""
    broker = reject(words, "a")
    broker.publish([Outgoing(Message({"x": 1}, b"\xff", "", ""), "", QUEUE)])
    letters = broker.dead_letters(10)
    [stranger] = [one for one in letters if one.message and one.message.body == b"\xff"]

    assert (stranger.queue, stranger.reason, stranger.at_s) == ("", "", 0.0)
    assert broker.dead_letter(stranger.letter_id) == stranger
    assert broker.purge_dead_letters([stranger.letter_id]) == 1
    assert bodies(broker.dead_letters(10)) == [b"a"]


def test_a_letter_whose_queue_is_gone_stays(words: Words) -> None:
    """The others are sent; where there is no other, it is said why not."""
    broker = reject(words, "a", queue=words.queue("gone"))
    reject(words, "b", queue=words.queue("there"))
    with broker.connection() as connection:
        connection.default_channel.queue_delete("gone")

    assert broker.replay_dead_letters(None) == 1
    [left] = broker.dead_letters(10)
    assert left.queue == "gone"
    with pytest.raises(errors.OperationalError, match=r"no queue took a message.*'gone'"):
        broker.replay_dead_letters([left.letter_id])
    assert broker.dead_letter_count() == 1
    assert broker.length("there") == 1


def test_one_looks_at_a_time(words: Words) -> None:
    """Who looks has taken everything out: a second one waits, or is told so."""
    broker = reject(words, "a")
    look = broker._dead._look()
    look.__enter__()
    with pytest.raises(errors.OperationalError, match="somebody else is looking"):
        words.broker().dead_letters(10)
    look.__exit__(None, None, None)

    assert bodies(words.broker().dead_letters(10)) == [b"a"]


def test_an_operator_who_is_cut_off_takes_nothing_along(words: Words) -> None:
    """In the middle of a look the connection breaks: everything is there, in order."""
    broker = reject(words, *"abc")
    with broker._dead._look() as look:
        next(look.letters())
        look._link.sock.close()  # type: ignore[attr-defined]

    wait_until(lambda: broker.dead_letter_count() == 3, "all letters")
    assert bodies(broker.dead_letters(10)) == [b"c", b"b", b"a"]


def test_headers_that_have_no_room_are_shown(words: Words) -> None:
    """A message whose headers fill a frame is buried with a part of them, and harms nobody."""
    broker, queue = words.broker(), words.queue()
    headers = {"id": "big", "task": "t", "padding": "x" * 125_000}
    broker.publish([Outgoing(Message(headers, b"a", "", ""), "q", "q", declare=(queue,))])
    intake = broker.consume([queue], "w1@h")
    intake.settle([Settlement(words.take(intake, 1)[0].tag, Verdict.REJECT, "too big")])
    intake.close()
    [letter] = broker.dead_letters(10)

    assert letter.reason == "too big"
    assert letter.message is not None
    assert (letter.message.body, dict(letter.message.headers)) == (b"a", {"id": "big", "task": "t"})


class Spoiled(amqp.Message):  # type: ignore[misc]  # amqp has no types
    """A message with a correlation id that is no text."""

    def _serialize_properties(self) -> bytes:
        return b"\x04\x00" + b"\x02\xff\xfe"


def take_any(intake: Intake, count: int) -> list[Delivery | Malformed]:
    taken: list[Delivery | Malformed] = []

    def received() -> bool:
        taken.extend(intake.receive())
        return len(taken) >= count

    wait_until(received, f"{count} deliveries")
    return taken


def test_what_is_no_message_is_buried_with_its_bytes(words: Words) -> None:
    """Properties that nobody can read: the worker goes on, the letter says why."""
    broker, queue = words.broker(), words.queue()
    intake = broker.consume([queue], "w1@h")
    intake.receive()
    with broker.connection() as connection:
        channel = connection.default_channel
        channel.basic_publish(Spoiled(b"\xff\x00body"), "", "q")
        keyed = channel.prepare_message(b"b", headers={b"\xff": 1})
        channel.basic_publish(keyed, "", "q")
    broker.publish([words.message("good")])
    found = take_any(intake, 3)
    for one in found:
        verdict = Verdict.REJECT if isinstance(one, Malformed) else Verdict.ACK
        intake.settle([Settlement(one.tag, verdict, getattr(one, "reason", ""))])
    intake.close()
    letters = broker.dead_letters(10)

    assert [type(one) for one in found] == [Malformed, Malformed, Delivery]
    assert [(one.message, one.raw) for one in letters] == [(None, b"b"), (None, b"\xff\x00body")]
    assert "name of a header" in letters[0].reason
    assert "properties cannot be read: UnicodeDecodeError" in letters[1].reason
    assert broker.replay_dead_letters(None) == 0  # nobody could do anything with them
    assert broker.length("q") == 0


def test_a_routing_key_may_be_any_bytes(words: Words) -> None:
    """It comes as text; the message is a message."""
    exchange = ExchangeSpec("x", "topic")
    intake = words.broker().consume([QueueSpec("q", exchange, "#")], "w1@h")
    intake.receive()
    with words.broker().connection() as connection:
        channel = connection.default_channel
        channel.basic_publish(channel.prepare_message(b"a"), "x", "a.\udcff.b")
    [delivery] = words.take(intake, 1)

    assert delivery.message.body == b"a"
    assert delivery.routing_key.startswith("a.")
    intake.settle([Settlement(delivery.tag, Verdict.ACK)])
    intake.close()
    assert words.broker().length("q") == 0


def test_a_broker_without_memory_holds_no_worker_up(
    rabbitmq_server_of_its_own: RabbitMQServer,
) -> None:
    """The rejected message stays open until it can be buried; it is buried once."""
    server = rabbitmq_server_of_its_own
    words, queue = Words(server.url), Words.queue()
    broker = words.broker()
    broker.publish([words.message(text) for text in ("bad", "good")])
    intake = broker.consume([queue], "w1@h")
    bad, good = words.take(intake, 2)
    server.control("set_vm_memory_high_watermark", "absolute", "1")
    intake.settle([Settlement(bad.tag, Verdict.REJECT, "no good")])
    intake.settle([Settlement(good.tag, Verdict.ACK)])
    server.control("set_vm_memory_high_watermark", "0.8")
    wait_until(lambda: broker.dead_letter_count() == 1, "the letter")
    intake.close()

    assert broker.length("q") == 0
    assert broker.dead_letter_count() == 1
    words.close()
