"""Remote control over a connection of kombu's: for steps of programs that hear commands themselves.

A worker hears commands by its broker port, and needs none of this.  A program that turns that off
(``worker_enable_remote_control``), or that wants to see each command before it is carried out, lets
a step of the consumer hold a ``Pidbox``.  Commands are carried out, and answered, in the thread of
the worker's loop, as those that the worker hears are.
"""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import Any, Final

from kombu.pidbox import Mailbox

from taskq.app.control.desk import Desk
from taskq.app.control.messages import ACCEPT, SERIALIZER
from taskq.app.control.panel import Panel
from taskq.app.log import get_logger
from taskq.ports import Message

__all__ = ["Pidbox", "gPidbox"]

logger: Final = get_logger("taskq.worker.control")

# How soon it is seen that there is nothing more to hear.
LOOK_S: Final = 0.5
# The longest that a stop waits for the thread.
JOIN_S: Final = 5.0


class Pidbox:
    """Hears commands on the connection of the consumer's steps."""

    consumer: Any = None  # kombu's, while it hears

    def __init__(self, c: Any) -> None:
        self.c, self.hostname = c, c.hostname
        conf = c.app.conf
        mailbox = Mailbox(
            conf.control_exchange,
            type="fanout",
            clock=c.app.clock,
            accept=list(ACCEPT),
            serializer=SERIALIZER,
            queue_ttl=conf.control_queue_ttl,
            queue_expires=conf.control_queue_expires,
            queue_durable=conf.control_queue_durable,
            queue_exclusive=conf.control_queue_exclusive,
        )
        self.node = mailbox.Node(c.hostname, handlers=Panel.data)
        self._desk = Desk(c.app, c.controller.ask)

    def start(self, c: Any) -> None:
        """Begin to hear."""
        if c.connection is None:
            raise RuntimeError(
                "there is no connection to hear commands on: start a Pidbox in `start` of a step"
                " of the consumer (app.steps['consumer'])"
            )
        self._listen(c.connection)

    def _listen(self, connection: Any) -> None:
        self.node.channel = connection.channel()
        self.consumer = self.node.listen(callback=self.on_message)

    def on_message(self, body: Any, message: Any) -> None:
        """Have a command carried out; a subclass may look at it before."""
        del body  # it is read where it is carried out
        self.c.call_soon(self._carry_out, _taken(message))

    def _carry_out(self, message: Message) -> None:
        state = self.c.controller.command_state
        if state is None:
            logger.warning("a command came before the worker runs, and is dropped")
            return
        self._desk.take(message, replace(state, tell=self._desk.tell))
        self._desk.answer()

    def on_stop(self) -> None:
        """Hear that it is about to stop; for subclasses."""

    def stop(self, c: Any) -> None:
        """Hear no more, until it is started again."""
        self.on_stop()
        self._close(c)

    def shutdown(self, c: Any) -> None:
        """Hear no more."""
        self.stop(c)

    def reset(self) -> None:
        """Begin anew, on a channel of its own."""
        self.stop(self.c)
        self.start(self.c)

    def _close(self, c: Any) -> None:
        consumer, self.consumer = self.consumer, None
        channel, self.node.channel = self.node.channel, None
        if consumer is None:
            return
        connection = consumer.channel.connection.client
        try:
            consumer.cancel()
            channel.close()
        except (*connection.connection_errors, *connection.channel_errors) as error:
            logger.debug("%s: remote control was not closed: %s", c.hostname, error)


class gPidbox(Pidbox):  # noqa: N801 - Celery's name
    """Hears commands on a connection of its own, in a thread (a greenlet, where those are)."""

    def __init__(self, c: Any) -> None:
        super().__init__(c)
        self._over = threading.Event()
        self._thread: Any = None  # once it hears

    def start(self, c: Any) -> None:
        """Begin to hear."""
        self._over.clear()
        self._thread = threading.Thread(  # noqa: TID251 - beside the loop, as its name says
            target=self.loop, args=(c,), name="taskq-pidbox", daemon=True
        )
        self._thread.start()

    def on_stop(self) -> None:
        """Let the thread end."""
        self._over.set()
        thread, self._thread = self._thread, None
        if thread is not None and thread is not threading.current_thread():
            thread.join(JOIN_S)

    def loop(self, c: Any) -> None:
        """Hear, until it is stopped; a connection that is lost is made again."""
        while not self._over.is_set():
            with c.connection_for_read() as connection:
                try:
                    self._listen(connection)
                    self._draw(connection)
                except (*connection.connection_errors, *connection.channel_errors) as error:
                    logger.warning("%s: remote control lost its broker: %s", c.hostname, error)
                finally:
                    self._close(c)

    def _draw(self, connection: Any) -> None:
        while not self._over.is_set():
            try:
                connection.drain_events(timeout=LOOK_S)
            except TimeoutError:
                if connection.heartbeat and connection.supports_heartbeats:
                    connection.heartbeat_check()


def _taken(message: Any) -> Message:
    """Make of kombu's message one that can be carried out."""
    body = message.body
    return Message(
        dict(message.headers),
        body.encode() if isinstance(body, str) else bytes(body),
        message.content_type,
        message.content_encoding,
        dict(message.properties),
    )
