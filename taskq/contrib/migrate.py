# ruff: noqa: PLR0917 - the parameters are Celery's, and so is their order
"""Moves tasks from queue to queue, and from broker to broker.

A message is first handed to where it goes, and only then acknowledged where it was; a program that
is killed in between has it twice and never loses it.  Both ends are broker ports: what was taken
and not moved is under a lease (or unacknowledged), so it goes back to its queue.

Predicates and callbacks are called with the body, decoded, and a message with kombu's names.
``source``, ``dest`` and ``connection`` are kombu's connections or URLs; None is the app's broker.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Final

from taskq.contrib.moving import End, Producer, Taken, broker_of
from taskq.current import app_or_default
from taskq.ports import ExchangeSpec, KeepsParked, QueueSpec

__all__ = [
    "Filterer",
    "State",
    "StopFiltering",
    "expand_dest",
    "filter_callback",
    "filter_status",
    "migrate_task",
    "migrate_tasks",
    "move",
    "move_by_idmap",
    "move_by_taskmap",
    "move_direct",
    "move_direct_by_id",
    "move_task_by_id",
    "prepare_queues",
    "republish",
    "start_filter",
    "task_id_eq",
    "task_id_in",
]

# Properties that are worked out anew where a message goes.
NOT_SENT_ON: Final = ("application_headers", "content_type", "content_encoding", "headers")
# How many parked messages are let out before a broker is emptied.
MOST_PARKED: Final = 100_000

# Where queues of single workers are bound.
DIRECT_EXCHANGE: Final = "C.dq2"

MOVING_PROGRESS: Final = "Moving task {state.filtered}/{state.strtotal}: {body[task]}[{body[id]}]"


class StopFiltering(Exception):
    """Raised by a callback that has seen enough."""


class State:
    """How far it is."""

    count = 0  # seen
    filtered = 0  # moved
    total_apx = 0  # that were there when it began

    @property
    def strtotal(self) -> str:
        """The total as text."""
        return str(self.total_apx) if self.total_apx else "?"

    def __repr__(self) -> str:
        return (
            f"{self.filtered}/{self.strtotal}" if self.filtered else f"{self.count}/{self.strtotal}"
        )


# -- moving one message --------------------------------------------------------------------------


def republish(
    producer: Any,
    message: Any,
    exchange: str | None = None,
    routing_key: str | None = None,
    remove_props: Collection[str] | None = None,
) -> None:
    """Publish a message again, as it is; returns when the broker has it."""
    info = message.delivery_info
    headers = dict(message.headers)
    properties = {
        name: value
        for name, value in message.properties.items()
        if name not in (NOT_SENT_ON if remove_props is None else remove_props)
    }
    producer.publish(
        message.body,
        exchange=info["exchange"] if exchange is None else exchange,
        routing_key=info["routing_key"] if routing_key is None else routing_key,
        headers=headers,
        content_type=message.content_type,
        content_encoding=message.content_encoding,
        **properties,
    )


def migrate_task(
    producer: Any, body_: Any, message: Any, queues: Mapping[str, str] | None = None
) -> None:
    """Publish a message again, in a queue that may have another name."""
    del body_
    names, info = queues or {}, message.delivery_info
    republish(
        producer,
        message,
        exchange=names.get(info["exchange"], info["exchange"]),
        routing_key=names.get(info["routing_key"], info["routing_key"]),
    )


def filter_callback(
    callback: Callable[[Any, Any], Any], tasks: Collection[str]
) -> Callable[[Any, Any], Any]:
    """Return a callback that is called for some tasks only."""

    def filtered(body: Any, message: Any) -> Any:
        return callback(body, message) if not tasks or body["task"] in tasks else None

    return filtered


def prepare_queues(queues: Any) -> dict[str, str]:
    """Return old name -> new name of ``"a,b:c"``, a list of such words, or a mapping."""
    if isinstance(queues, str):
        queues = queues.split(",")
    if isinstance(queues, Mapping):
        return dict(queues)
    pairs = (word.partition(":") for word in queues or ())
    return {old: new or old for old, _, new in pairs}


def expand_dest(
    ret: Any, exchange: str | None, routing_key: str | None
) -> tuple[str | None, str | None]:
    """Return exchange and key of what a predicate has said, else the given ones."""
    if isinstance(ret, tuple | list):
        first, second = ret
        return first, second
    return exchange, routing_key


def _name(queue: Any) -> str:
    return queue if isinstance(queue, str) else str(queue.name)


# -- looking at all of them ----------------------------------------------------------------------


class Filterer:
    """Gives each message of some queues to a function."""

    def __init__(
        self,
        app: Any,
        conn: Any,
        filter: Callable[[Any, Any], Any],  # noqa: A002 - Celery's name
        limit: int | None = None,
        timeout: float = 1.0,
        ack_messages: bool = False,
        tasks: Any = None,
        queues: Any = None,
        callback: Callable[..., Any] | None = None,
        forever: bool = False,
        on_declare_queue: Callable[[QueueSpec], object] | None = None,
        consume_from: Any = None,
        state: State | None = None,
        accept: Collection[str] | None = None,
        **_kwargs: Any,
    ) -> None:
        self.app, self.conn = app, conn
        self.limit, self.timeout, self.forever = limit, timeout, forever
        self.ack_messages, self.callback = ack_messages, callback
        self.tasks = frozenset(tasks.split(",") if isinstance(tasks, str) else tasks or ())
        self.queues = prepare_queues(queues)
        self.filter = filter_callback(filter, self.tasks)
        self.on_declare_queue = on_declare_queue
        self.consume_from = [_name(one) for one in consume_from or self.queues] or None
        self.state = State() if state is None else state
        self.accept = accept
        self.end: End | None = None

    def start(self) -> State:
        """Give them all; returns how many there were."""
        end = self.end = self.create_consumer()
        try:
            for taken in end.take(self.timeout, forever=self.forever):
                self._see(taken)
                if self.limit and self.state.count >= self.limit:
                    break
        except StopFiltering:
            pass
        finally:
            end.close()
        return self.state

    def create_consumer(self) -> End:
        """Begin to take."""
        broker = broker_of(self.app, self.conn)
        specs = self._specs()
        for spec in specs:
            self.declare_queues(spec)
        names = [spec.name for spec in specs]
        self.state.total_apx += sum(broker.length(name) for name in names)
        self.state.total_apx += self._let_out(broker, names)
        return self.prepare_consumer(End(self.app, broker, specs, self.accept))

    def prepare_consumer(self, consumer: End) -> End:
        """For subclasses."""
        return consumer

    def declare_queues(self, consumer: QueueSpec) -> None:
        """A queue is about to be emptied."""
        if self.on_declare_queue is not None:
            self.on_declare_queue(consumer)

    def _specs(self) -> Sequence[QueueSpec]:
        known = self.app.router.queues
        return [known[name] for name in (self.consume_from or known.consume_from)]

    def _let_out(self, broker: Any, names: Sequence[str]) -> int:
        """Let messages that wait for their time come too: where they go they wait again."""
        if not isinstance(broker, KeepsParked):
            return 0
        parked = broker.parked(names, MOST_PARKED)
        ids = [
            str(one.message.headers.get("id"))
            for one in parked
            if not self.tasks or one.message.headers.get("task") in self.tasks
        ]
        return broker.unpark(ids) if ids else 0

    def _see(self, taken: Taken) -> None:
        body = taken.described()
        self.update_state(body, taken)
        self.filter(body, taken)
        if self.ack_messages and (not self.tasks or body["task"] in self.tasks):
            self.ack_message(body, taken)
        if self.callback is not None:
            self.callback(self.state, body, taken)

    def update_state(self, body: Any, message: Any) -> None:
        """One more was seen."""
        del body, message
        self.state.count += 1

    def ack_message(self, body: Any, message: Any) -> None:
        """It is done with where it was."""
        del body
        message.ack()


def start_filter(
    app: Any,
    conn: Any,
    filter: Callable[[Any, Any], Any],  # noqa: A002 - Celery's name
    limit: int | None = None,
    timeout: float = 1.0,
    ack_messages: bool = False,
    tasks: Any = None,
    queues: Any = None,
    callback: Callable[..., Any] | None = None,
    forever: bool = False,
    on_declare_queue: Callable[[Any], object] | None = None,
    consume_from: Any = None,
    state: State | None = None,
    accept: Collection[str] | None = None,
    **kwargs: Any,
) -> State:
    """Give each message of some queues to a function; ends after ``timeout`` seconds of silence."""
    return Filterer(
        *(app, conn, filter, limit, timeout, ack_messages, tasks, queues, callback),
        *(forever, on_declare_queue, consume_from, state, accept),
        **kwargs,
    ).start()


def migrate_tasks(
    source: Any,
    dest: Any,
    migrate: Callable[..., Any] = migrate_task,
    app: Any = None,
    queues: Any = None,
    **kwargs: Any,
) -> State:
    """Publish the messages of one broker at another.

    They stay where they were unless ``ack_messages`` is said.  ``queues``: which (default: all that
    the app knows), and under which names, as in ``"celery,old:new"``.
    """
    app, names = app_or_default(app), prepare_queues(queues)
    target = broker_of(app, dest)
    producer = Producer(app, target)

    def declare(queue: QueueSpec) -> None:
        producer.declare(_renamed(queue, names))

    try:
        return start_filter(
            app,
            source,
            partial(migrate, producer, queues=names),
            queues=queues,
            on_declare_queue=declare,
            **kwargs,
        )
    finally:
        producer.close()


def _renamed(queue: QueueSpec, names: Mapping[str, str]) -> QueueSpec:
    return replace(
        queue,
        name=names.get(queue.name, queue.name),
        exchange=replace(queue.exchange, name=names.get(queue.exchange.name, queue.exchange.name)),
        routing_key=names.get(queue.routing_key, queue.routing_key),
        native=None,
    )


def move(
    predicate: Callable[[Any, Any], Any],
    connection: Any = None,
    exchange: str | None = None,
    routing_key: str | None = None,
    source: Any = None,
    app: Any = None,
    callback: Callable[..., Any] | None = None,
    limit: int | None = None,
    transform: Callable[[Any], Any] | None = None,
    **kwargs: Any,
) -> State:
    """Move the messages that a predicate picks.

    What it returns may say where to: a queue, or exchange and key; else ``exchange`` and
    ``routing_key`` do.  ``transform`` changes what it has returned.  ``source``: queues to look at.
    """
    app, state = app_or_default(app), State()
    broker = broker_of(app, connection)
    producer = Producer(app, broker)

    def on_task(body: Any, message: Any) -> None:
        said = predicate(body, message)
        if not said:
            return
        where = transform(said) if transform is not None else said
        to_exchange, to_key = _destination(app, producer, where, exchange, routing_key)
        republish(producer, message, exchange=to_exchange, routing_key=to_key)
        message.ack()
        state.filtered += 1
        if callback is not None:
            callback(state, body, message)
        if limit and state.filtered >= limit:
            raise StopFiltering

    names = [source] if isinstance(source, str) or hasattr(source, "name") else source
    try:
        return start_filter(app, connection, on_task, consume_from=names, state=state, **kwargs)
    finally:
        producer.close()


def _destination(
    app: Any, producer: Producer, where: Any, exchange: str | None, routing_key: str | None
) -> tuple[str | None, str | None]:
    if hasattr(where, "routing_key") and hasattr(where, "exchange"):  # a queue
        spec = app.router.queues.add(where) if not isinstance(where, QueueSpec) else where
        producer.declare(spec)
        return spec.exchange.name, spec.routing_key
    if isinstance(where, str):
        spec = app.router.queues[where]
        producer.declare(spec)
        return spec.exchange.name, spec.routing_key
    return expand_dest(where, exchange, routing_key)


# -- picking -------------------------------------------------------------------------------------


def task_id_eq(task_id: str, body: Any, message: Any) -> bool:
    """Pick one task."""
    del message
    return bool(body["id"] == task_id)


def task_id_in(ids: Collection[str], body: Any, message: Any) -> bool:
    """Pick some tasks."""
    del message
    return body["id"] in ids


def move_task_by_id(task_id: str, dest: Any, **kwargs: Any) -> State:
    """Move one task to a queue."""
    return move_by_idmap({task_id: dest}, **kwargs)


def move_by_idmap(map: Mapping[str, Any], **kwargs: Any) -> State:  # noqa: A002 - Celery's name
    """Move tasks by their ids: id -> queue.  Ends when all were found."""

    def pick(body: Any, _message: Any) -> Any:
        return map.get(body["id"])

    return move(pick, limit=len(map), **kwargs)


def move_by_taskmap(map: Mapping[str, Any], **kwargs: Any) -> State:  # noqa: A002 - Celery's name
    """Move tasks by their names: name -> queue."""

    def pick(body: Any, _message: Any) -> Any:
        return map.get(body["task"])

    return move(pick, **kwargs)


def filter_status(state: State, body: Any, message: Any, **kwargs: Any) -> None:
    """Print how far it is; a callback."""
    del kwargs, message
    print(MOVING_PROGRESS.format(state=state, body=body))  # noqa: T201 - what it is for


def worker_queue(hostname: Any) -> QueueSpec:
    """Return the queue that belongs to one worker alone."""
    if isinstance(hostname, QueueSpec):
        return hostname
    return QueueSpec(f"{hostname}.dq2", ExchangeSpec(DIRECT_EXCHANGE), str(hostname))


move_direct = partial(move, transform=worker_queue)
move_direct_by_id = partial(move_task_by_id, transform=worker_queue)
