"""When the steps of a program are called.

    made        of each step of the worker, then of the consumer: ``__init__``, ``include_if``,
                ``create``
    begin       ``start`` of the worker's steps before the pool
    go_on       ``start`` of those behind it: there are slots
    connect     ``start`` of the consumer's steps; again after each lost connection
    disconnect  ``stop`` of the consumer's steps, the last first
    look        once the worker is about to stop: ``close`` of all, ``stop`` of the consumer's
                steps, ``stop`` (or ``terminate``) of the worker's behind the pool; tasks still run
    end         the same for those before the pool; ``shutdown`` of the consumer's

All of it in the thread of the worker's loop.  Messages for ``ConsumerStep`` come in another one
(``consumption.py``).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from taskq.core.inputs import Stop
from taskq.errors import OperationalError
from taskq.worker.autoscale import WorkerComponent
from taskq.worker.blueprint import CLOSE, Blueprint
from taskq.worker.components import Beat, Consumer, Hub, Pool, StateDB, Timer
from taskq.worker.consumer.places import CONSUMER_STEPS
from taskq.worker.consumption import Consumption

__all__ = ["Moments"]


WORKER_STEPS: Final = (Timer, Hub, StateDB, Pool, Beat, WorkerComponent, Consumer)
# Between attempts to connect for the steps: each a little longer, none longer.
PAUSE_STEP_S: Final = 1.0
PAUSE_MAX_S: Final = 10.0
# What ends a worker before its tasks have ended.
HARD: Final = frozenset({Stop.COLD, Stop.IMMEDIATE})


class WorkerBlueprint(Blueprint):
    """The steps of a worker."""

    name = "Worker"
    default_steps = WORKER_STEPS


class ConsumerBlueprint(Blueprint):
    """The steps of its consumer."""

    name = "Consumer"
    default_steps = CONSUMER_STEPS


def errors_of(connection: Any) -> tuple[type[BaseException], ...]:
    """Return what is raised when a connection is lost."""
    return (
        *(*connection.connection_errors, *connection.channel_errors),
        *(OSError, OperationalError),
    )


class Moments:
    """The steps of one worker."""

    def __init__(self, controller: Any) -> None:
        self._controller = controller
        steps = controller.app.steps
        self._has_consumers = bool(steps["consumer"])
        self.worker = WorkerBlueprint(
            steps["worker"], on_close=controller.on_close, on_stopped=None
        )
        self.consumer = ConsumerBlueprint(steps["consumer"])
        self._made = self._begun = self._connected = self._closed = False
        self._consumption: Consumption | None = None
        self._attempts = 0

    # -- made --------------------------------------------------------------------------------------

    def make(self) -> None:
        """Make the steps."""
        if self._made:
            return
        self._made = True
        controller = self._controller
        controller.on_init_blueprint()
        self.worker.apply(controller, **controller.told)
        told = {**controller.told, "task_events": controller.task_events}
        self.consumer.apply(controller.consumer, **told)

    def made(self) -> Iterator[tuple[Blueprint, Any]]:
        """Return the blueprints that were made, each with its parent."""
        if self._made:
            yield self.worker, self._controller
            yield self.consumer, self._controller.consumer

    def _split(self) -> tuple[Sequence[Any], Sequence[Any]]:
        """Return the steps of the worker: those before there are slots, and those behind."""
        steps = self._controller.steps
        place = next((n for n, step in enumerate(steps) if isinstance(step, Pool)), len(steps))
        return steps[:place], steps[place:]

    # -- starting ----------------------------------------------------------------------------------

    def begin(self) -> None:
        """The worker begins."""
        if self._made:
            self._begun = True
            self.worker.begin()
            self.worker.start_these(self._controller, self._split()[0])

    def go_on(self) -> None:
        """There are slots."""
        if self._made:
            self.worker.start_these(self._controller, self._split()[1])

    def connect(self) -> None:
        """The broker is there."""
        if not self._made or self._connected or self._closed:
            return
        consumer = self._controller.consumer
        gone: tuple[type[BaseException], ...] = (OperationalError,)
        try:
            if self._has_consumers:
                consumer.connection = connection = self._controller.app.connection_for_read()
                gone = errors_of(connection)
                connection.ensure_connection(max_retries=1)
            self._connected = True
            self.consumer.begin()
            self.consumer.start_these(consumer, consumer.steps)
        except gone as error:
            self._try_again(error)
            return
        self._attempts = 0
        if self._has_consumers:
            self._consumption = Consumption(consumer.connection, self._broke)
            self._consumption.start()

    # -- the connection of the steps ---------------------------------------------------------------

    def _broke(self, error: BaseException) -> None:
        """The connection of the steps is lost; said by the thread that draws from it."""
        consumer = self._controller.consumer
        self._controller.timer.call_after(0.0, self._anew, (consumer.connection, error))

    def _anew(self, lost: Any, error: BaseException) -> None:
        self._controller.consumer.on_connection_error_after_connected(error)
        if lost is self._controller.consumer.connection:  # else the worker was there before
            self.disconnect()
            self.connect()

    def _try_again(self, error: BaseException) -> None:
        self.disconnect()
        self._attempts += 1
        pause_s = min(self._attempts * PAUSE_STEP_S, PAUSE_MAX_S)
        self._controller.consumer.on_connection_error_before_connected(error)
        self._controller.timer.call_after(pause_s, self.connect)

    def disconnect(self) -> None:
        """The broker is lost."""
        if not self._connected:
            self._hang_up()
            return
        self._connected = False
        if self._consumption is not None:
            self._consumption.stop()
        self.consumer.restart(self._controller.consumer)
        self._hang_up()

    def _hang_up(self) -> None:
        self._consumption = None
        consumer = self._controller.consumer
        connection, consumer.connection = consumer.connection, None
        if connection is not None:
            connection.collect()  # closes what is open, and asks the broker for nothing

    # -- stopping ----------------------------------------------------------------------------------

    def look(self) -> None:
        """See whether the worker is about to stop."""
        core = self._controller.core
        if self._begun and not self._closed and core is not None and core.stopping is not None:
            self._close()

    def _close(self) -> None:
        self._closed = True
        controller, consumer = self._controller, self._controller.consumer
        self.worker.close(controller)
        self.worker.state = self.consumer.state = CLOSE
        consumer.on_close()
        self.consumer.close(consumer)
        if self._consumption is not None:
            self._consumption.stop()
        self.consumer.send_all(consumer, "stop", "stopping", propagate=False)
        self._stop(self._split()[1])

    def end(self) -> None:
        """The worker has stopped."""
        if not self._begun:
            return
        if not self._closed:
            self._close()
        consumer = self._controller.consumer
        self._stop(self._split()[0])
        self.consumer.send_all(consumer, "shutdown", "shutting down", propagate=False)
        self._hang_up()
        self.consumer.end()
        self.worker.end()

    def _stop(self, steps: Sequence[Any]) -> None:
        core = self._controller.core
        method = "terminate" if core is not None and core.stopping in HARD else "stop"
        self.worker.tell(self._controller, reversed(steps), method, "stopping")
