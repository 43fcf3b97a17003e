"""What takes the messages of a worker, as programs know it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar, Final

from kombu.utils.limits import TokenBucket

from taskq.app.control.commands.queues import add_consumer, cancel_consumer
from taskq.app.log import get_logger
from taskq.core.inputs import RateLimited
from taskq.core.rates import parse_rate
from taskq.errors import OperationalError
from taskq.protocol.saferepr import safe_repr
from taskq.worker.blueprint import Blueprint as Steps
from taskq.worker.consumer.views import EventsView, Prefetch

__all__ = ["Consumer", "dump_body"]

logger: Final = get_logger("taskq.worker")


# How much of a body is shown.
SHOWN: Final = 1024


def dump_body(m: Any, body: Any) -> str:
    """Return the beginning of a body, and how long it is."""
    raw = m.body if body is None else body
    shown = safe_repr(raw, SHOWN)
    return f"{shown} ({len(m.body)}b)"


class Buckets(Mapping[str, Any]):
    """The rate limits of all tasks, as token buckets of kombu's; the core keeps its own."""

    def __init__(self, consumer: Consumer) -> None:
        self._consumer = consumer

    def __getitem__(self, name: str) -> Any:
        return self._consumer.bucket_for_task(self._consumer.app.tasks[name])

    def __iter__(self) -> Iterator[str]:
        return iter(self._consumer.app.tasks)

    def __len__(self) -> int:
        return len(self._consumer.app.tasks)


class Consumer:
    """``worker.consumer``, and what steps of the consumer are given.

    ``connection`` is kombu's, for those steps: it is there while a program has any.
    """

    Strategies = dict
    Blueprint: ClassVar[type[Steps]] = Steps
    init_callback: Any = None
    broker_connection_retry_attempt = 0
    first_connection_attempt = True

    def __init__(self, controller: Any) -> None:
        self.controller, self.app = controller, controller.app
        self.hostname: str = controller.hostname
        self.pid = os.getpid()
        self.steps: list[Any] = []
        self.connection: Any = None
        self.restart_count = 0
        self.qos_global = False
        self.task_buckets = Buckets(self)  # name -> how often a task may start
        self.hub: Any = None  # the loop is the worker's own
        self.gossip: Any = None  # once its step is made
        self.amqheartbeat = self.app.conf.broker_heartbeat
        self.amqheartbeat_rate = self.app.conf.broker_heartbeat_checkrate
        self.on_task_message: set[Any] = set()  # called with each request that a strategy makes
        self.event_dispatcher = EventsView(controller)
        self.qos = Prefetch(controller)

    @property
    def blueprint(self) -> Steps:
        """The steps of the consumer."""
        blueprint: Steps = self.controller.moments.consumer
        return blueprint

    @property
    def pool(self) -> Any:
        """What runs tasks."""
        return self.controller.pool

    @property
    def timer(self) -> Any:
        """Calls that are to be made later, in the thread of the loop."""
        return self.controller.timer

    @property
    def prefetch_multiplier(self) -> int:
        """Messages taken ahead for each slot."""
        multiplier: int = self.controller.plan.options.prefetch_multiplier
        return multiplier

    @property
    def initial_prefetch_count(self) -> int:
        """How many messages may be open at first."""
        count: int = self.prefetch_multiplier * self.controller.concurrency
        return count

    @property
    def max_prefetch_count(self) -> int:
        """How many messages may be open at most; 0 means any number."""
        return self.prefetch_multiplier * int(self.pool.num_processes)

    @property
    def disable_rate_limits(self) -> bool:
        """Whether rate limits have no effect."""
        return not self.controller.plan.options.rate_limits

    @property
    def conninfo(self) -> Any:
        """A connection that says where the broker is; it is not open."""
        return self.app.connection_for_read()

    @property
    def connection_errors(self) -> tuple[type[BaseException], ...]:
        """What is raised when the connection is lost."""
        own = () if self.connection is None else self.connection.connection_errors
        return (*own, OperationalError)

    @property
    def channel_errors(self) -> tuple[type[BaseException], ...]:
        """What is raised when a channel is."""
        return () if self.connection is None else tuple(self.connection.channel_errors)

    @property
    def strategies(self) -> Any:
        """What handles messages of tasks that have a strategy or a request of their own."""
        diversion = self.controller.diversion
        return {} if diversion is None else diversion.handlers

    # -- doing -------------------------------------------------------------------------------------

    def connect(self) -> Any:
        """Return a new connection to the broker."""
        return self.connection_for_read()

    def connection_for_read(self, heartbeat: float | None = None) -> Any:
        """Return a new connection to where workers read from; it is open."""
        return self.ensure_connected(self.app.connection_for_read(heartbeat=heartbeat))

    def connection_for_write(self, url: str | None = None, heartbeat: float | None = None) -> Any:
        """Return a new connection to where clients publish; it is open."""
        return self.ensure_connected(self.app.connection_for_write(url, heartbeat=heartbeat))

    def ensure_connected(self, conn: Any) -> Any:
        """Open a connection, as patiently as the settings say."""
        conf = self.app.conf
        tries = conf.broker_connection_max_retries if conf.broker_connection_retry else 1
        conn.ensure_connection(max_retries=tries)
        return conn

    def add_task_queue(
        self,
        queue: str,
        exchange: str | None = None,
        exchange_type: str | None = None,
        routing_key: str | None = None,
        **options: Any,
    ) -> None:
        """Take from one more queue."""
        add_consumer(self._running, queue, exchange, exchange_type, routing_key, **options)

    def cancel_task_queue(self, queue: Any) -> None:
        """Take no more from a queue."""
        cancel_consumer(self._running, getattr(queue, "name", queue))

    @property
    def _running(self) -> Any:
        state = self.controller.command_state
        if state is None:
            raise RuntimeError("the worker does not run; use the signal worker_ready")
        return state

    def on_task_request(self, req: Any) -> None:
        """Let the worker go on with a request."""
        req.execute_using_pool(self.pool)

    def update_strategies(self) -> None:
        """Make the handlers of messages anew."""
        if self.controller.diversion is not None:
            self.controller.diversion.forget_handlers()

    def apply_eta_task(self, task: Any) -> None:
        """Let the worker go on with a request whose time has come."""
        self.on_task_request(task)

    def bucket_for_task(self, type: Any) -> Any:  # noqa: A002 - Celery's name
        """Return a token bucket at the rate of a task; None: it has no limit."""
        rate = parse_rate(getattr(self.app.tasks.get(type.name), "rate_limit", None))
        return TokenBucket(rate, capacity=1) if rate else None

    def reset_rate_limits(self) -> None:
        """Let rate limits be those of the tasks again."""
        for name, task in self.app.tasks.items():
            self.controller.ask(RateLimited(name, task.rate_limit))

    def on_unknown_message(self, body: Any, message: Any) -> None:
        """Reject a message that is no task; for strategies."""
        self._reject(message, f"it is no task: {dump_body(message, body)}")

    def on_unknown_task(self, body: Any, message: Any, exc: BaseException) -> None:
        """Reject a message of a task that is not known here; for strategies."""
        self._reject(message, f"its task is not known: {exc}: {dump_body(message, body)}")

    def on_invalid_task(self, body: Any, message: Any, exc: BaseException) -> None:
        """Reject a message that cannot be a task; for strategies."""
        self._reject(message, f"it cannot be a task: {exc}: {dump_body(message, body)}")

    def on_decode_error(self, message: Any, exc: BaseException) -> None:
        """Reject a message that cannot be read; for strategies."""
        self._reject(message, f"it cannot be read: {exc}: {dump_body(message, message.body)}")

    @staticmethod
    def _reject(message: Any, why: str) -> None:
        logger.error("rejected a message: %s", why)
        message.reject_log_error(logger, ())

    def call_soon(self, p: Any, *args: Any, **kwargs: Any) -> Any:
        """Call something in the thread of the loop, soon; may be called from anywhere."""
        self.timer.call_after(0.0, p, args, kwargs)
        return p

    call_soon_ack = call_soon

    def perform_pending_operations(self) -> None:
        """Make the calls that are due, of ``call_soon`` too, now; in the thread of the loop."""
        self.timer.run_due()

    def on_connection_error_before_connected(self, exc: BaseException) -> None:
        """Hear that there is no connection for steps; it is tried again by itself."""
        logger.warning("consumer steps have no broker: %s; it is tried again", exc)

    def on_connection_error_after_connected(self, exc: BaseException) -> None:
        """Hear that the connection of steps is lost; it is made again by itself."""
        logger.warning("the connection of consumer steps is lost: %s", exc)

    def create_task_handler(self) -> Callable[[Any], None]:
        """Return what handles a message as the strategy of its task does."""
        diversion = self.controller.diversion
        if diversion is None:
            raise RuntimeError("no task of this worker has a Strategy or a Request of its own")

        def handle(message: Any) -> None:
            handler = diversion.handler(str(message.headers["task"]))
            ack, reject = message.ack_log_error, message.reject_log_error
            handler(message, None, ack, reject, self.on_task_message)

        return handle

    def cancel_active_requests(self) -> None:
        """End what runs and is not acknowledged: it is run again, here or elsewhere."""
        for view in self.controller.core.views():
            if view.stage == "active" and not view.acknowledged and view.pid is not None:
                self.pool.terminate_job(view.pid)

    def on_ready(self) -> None:
        """Hear that it takes messages, for the first time; calls ``init_callback``."""
        if self.init_callback is not None:
            self.init_callback(self)

    def on_close(self) -> None:
        """Hear that the worker is about to stop: calls that were to be made later are not."""
        self.timer.clear()

    def start(self) -> None:
        """The worker starts it."""

    def stop(self) -> None:
        """Ask the worker to end warmly."""
        self.controller.stop()

    def shutdown(self) -> None:
        """Ask the worker to end warmly."""
        self.controller.stop()

    def __repr__(self) -> str:
        return f"<Consumer: {self.hostname} ({self.blueprint.human_state()})>"
