"""Where a worker's commands arrive: read, looked up, carried out, answered.

No command ends the worker: what goes wrong is its reply, and what is no command is dropped.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from typing import Any, Final

from taskq.app.control.matching import is_meant
from taskq.app.control.messages import read_command_message, reply_message
from taskq.app.control.panel import NO_REPLY, Panel, nok
from taskq.app.control.plain import plain
from taskq.app.control.state import State
from taskq.core.inputs import Input, Stop, StopAsked
from taskq.errors import (
    DecodeError,
    EncodeError,
    OperationalError,
    WorkerShutdown,
    WorkerTerminate,
)
from taskq.ports import Message, Outgoing
from taskq.protocol.control import Command

__all__ = ["Desk"]

logger: Final = logging.getLogger("taskq.worker.control")


class Desk:
    """Takes the commands of one worker."""

    def __init__(self, app: Any, forward: Callable[[Input], None]) -> None:
        self._app, self._forward = app, forward
        self._asked: deque[Input] = deque()
        self._replies: list[Outgoing] = []

    def tell(self, asked: Input) -> None:
        """Hand something to the core when the command that asks for it has returned."""
        self._asked.append(asked)

    def take(self, message: Message, state: State) -> None:
        """Carry out one command.  What the core makes of it may raise ``OperationalError``."""
        self._hear_clock(message)
        command = self._read(message, state.hostname)
        if command is None:
            return
        logger.debug("received the command %s(%r)", command.method, command.arguments)
        reply = self._carry_out(command, state)
        if command.reply_to is not None and reply is not NO_REPLY:
            self._replies.append(self._reply(command, reply, state.hostname))
        self.forward()

    def forward(self) -> None:
        """Hand over what commands have asked for."""
        while self._asked:
            self._forward(self._asked.popleft())

    def answer(self) -> None:
        """Send the replies that there are; one that cannot be sent now is not sent at all."""
        if not self._replies:
            return
        replies, self._replies = self._replies, []
        try:
            self._app.ports.broker.publish(replies)
        except OperationalError as error:
            logger.warning("%d replies to commands were not sent: %s", len(replies), error)

    # -- from a message to a command ---------------------------------------------------------------

    def _hear_clock(self, message: Message) -> None:
        heard = message.headers.get("clock")
        if type(heard) is int:
            self._app.clock.adjust(heard)

    def _read(self, message: Message, hostname: str) -> Command | None:
        """Return the command; None if it is none, is over, or means somebody else."""
        expires_s = message.headers.get("expires")
        if isinstance(expires_s, int | float) and expires_s < self._app.ports.clock.read().wall_s:
            logger.debug("ignored a command that expired at %s", expires_s)
            return None
        try:
            command = read_command_message(self._app, message)
            return command if is_meant(hostname, command) else None
        except (DecodeError, ValueError) as error:
            logger.error("Dropped a command that cannot be read: %s", error)  # noqa: TRY400 - the text says it all
            return None

    # -- from a command to its reply ---------------------------------------------------------------

    def _carry_out(self, command: Command, state: State) -> Any:
        function = Panel.data.get(command.method)
        if function is None:
            logger.error("No control command is called %r", command.method)
            return nok(repr(KeyError(command.method)))
        try:
            return function(state, **command.arguments)
        except (WorkerShutdown, WorkerTerminate) as wish:
            logger.warning("%s", wish)
            cold = isinstance(wish, WorkerTerminate)
            self.tell(StopAsked(Stop.COLD if cold else Stop.WARM))
            return NO_REPLY
        except Exception as error:  # the boundary: a command may be the user's own
            logger.exception("The control command %r failed", command.method)
            return nok(repr(error))

    def _reply(self, command: Command, reply: Any, hostname: str) -> Outgoing:
        assert command.reply_to is not None, "nobody waits for it"
        app = self._app
        try:
            return reply_message(app, hostname, reply, command.reply_to, command.ticket)
        except EncodeError:
            return reply_message(app, hostname, plain(reply), command.reply_to, command.ticket)
