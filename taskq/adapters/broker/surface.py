"""What Celery programs touch of kombu on an app: connections, pools, producers, ``app.amqp``.

Made by ``taskq.wiring``, which hangs it onto the app; sending tasks does not go through it.
Everything is made on first use, and anew in a process that was forked.  Settings are read from
whatever object has them as attributes.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import cached_property
from typing import Any, Protocol

from kombu.connection import ConnectionPool
from kombu.entity import Exchange, Queue
from kombu.messaging import Consumer, Producer
from kombu.pools import ProducerPool

from taskq.adapters.broker.kombu_entities import to_exchange, to_queue
from taskq.adapters.broker.kombu_memory import Connection
from taskq.ports import ExchangeSpec, QueueSpec


class QueueBook(Protocol):
    """Where the app keeps its queues, as specifications."""

    default: QueueSpec
    default_exchange: ExchangeSpec

    def __getitem__(self, name: str) -> QueueSpec:
        """Return a queue; makes it where that is allowed."""

    def __iter__(self) -> Iterator[str]:
        """All names."""

    def __len__(self) -> int:
        """How many there are."""

    def add(self, queue: Any, **options: Any) -> QueueSpec:
        """Take in one more."""

    def select(self, include: Any) -> None:
        """Consume from these only."""

    def select_add(self, queue: Any, **options: Any) -> QueueSpec:
        """Take in one more, and consume from it too."""

    def deselect(self, exclude: Any) -> None:
        """Do not consume from these."""

    @property
    def consume_from(self) -> Mapping[str, QueueSpec]:
        """What a worker takes from."""


class KombuQueues(Mapping[str, Queue]):
    """The app's queues as kombu's objects; a change here is a change there."""

    def __init__(self, book: QueueBook) -> None:
        self._book = book

    def __getitem__(self, name: str) -> Queue:
        return to_queue(self._book[name])

    def __contains__(self, name: object) -> bool:
        return name in list(self._book)  # asking must not make a queue

    def __iter__(self) -> Iterator[str]:
        return iter(self._book)

    def __len__(self) -> int:
        return len(self._book)

    @property
    def consume_from(self) -> dict[str, Queue]:
        """What a worker takes from."""
        return {name: to_queue(spec) for name, spec in self._book.consume_from.items()}

    @property
    def default_exchange(self) -> Exchange:
        """The exchange of queues that name none."""
        return to_exchange(self._book.default_exchange)

    def add(self, queue: Any, **options: Any) -> Queue:
        """Take in a queue, or a name with options."""
        return to_queue(self._book.add(queue, **options))

    def add_compat(self, name: str, **options: Any) -> Queue:
        """Take in a name with options."""
        return to_queue(self._book.add(name, **options))

    def select(self, include: str | Sequence[str] | None) -> None:
        """Consume from these only."""
        self._book.select(include)

    def select_add(self, queue: Any, **options: Any) -> Queue:
        """Take in a queue, and consume from it too."""
        return to_queue(self._book.select_add(queue, **options))

    def deselect(self, exclude: str | Sequence[str] | None) -> None:
        """Do not consume from these."""
        self._book.deselect(exclude)


class AmqpSurface:
    """``app.amqp``."""

    Connection = Connection
    BrokerConnection = Connection
    Consumer = Consumer
    Producer = Producer

    def __init__(self, surface: KombuSurface, book: QueueBook) -> None:
        self._surface, self._book = surface, book
        self.queues = KombuQueues(book)

    @property
    def default_queue(self) -> Queue:
        """The queue of tasks that have no route."""
        return to_queue(self._book.default)

    @property
    def default_exchange(self) -> Exchange:
        """The exchange of queues that name none."""
        return self.queues.default_exchange

    @property
    def producer_pool(self) -> ProducerPool:
        """The pool of producers."""
        return self._surface.producer_pool

    @property
    def publisher_pool(self) -> ProducerPool:
        """The pool of producers, by its old name."""
        return self._surface.producer_pool


class _Pools:
    """Connections and producers of one process."""

    def __init__(self, connection: Connection, limit: int | None) -> None:
        self.pid = os.getpid()
        self.connections: ConnectionPool = connection.Pool(limit=limit or 0)
        self.producers = ProducerPool(self.connections, limit=limit or 0)

    def close(self) -> None:
        """Close what is not in use."""
        self.producers.force_close_all()
        self.connections.force_close_all()


class KombuSurface:
    """Connections and pools as kombu has them."""

    def __init__(
        self,
        conf: Any,
        queues: QueueBook,
        *,
        write_urls: Sequence[str],
        read_urls: Sequence[str] | None = None,
    ) -> None:
        self._conf, self._queues = conf, queues
        self._write_urls, self._read_urls = list(write_urls), list(read_urls or write_urls)
        self._pools: list[_Pools] = []  # the last one is this process's

    @cached_property
    def amqp(self) -> AmqpSurface:
        """What ``app.amqp`` is."""
        return AmqpSurface(self, self._queues)

    # -- connections -----------------------------------------------------------------------------

    def connection_for_read(
        self, url: str | Sequence[str] | None = None, **options: Any
    ) -> Connection:
        """Return a new connection to where workers read from."""
        return self.connection(url or self._read_urls, **options)

    def connection_for_write(
        self, url: str | Sequence[str] | None = None, **options: Any
    ) -> Connection:
        """Return a new connection to where messages are sent to."""
        return self.connection(url or self._write_urls, **options)

    def connection(  # noqa: PLR0917 - Celery's signature
        self,
        hostname: str | Sequence[str] | None = None,
        userid: str | None = None,
        password: str | None = None,
        virtual_host: str | None = None,
        port: int | None = None,
        ssl: Any = None,
        connect_timeout: float | None = None,
        transport: str | None = None,
        transport_options: Mapping[str, Any] | None = None,
        heartbeat: float | None = None,
        login_method: str | None = None,
        failover_strategy: Any = None,
        **options: Any,
    ) -> Connection:
        """Return a new connection, not connected; what is not said comes from the settings."""
        conf = self._conf
        hosts = self._write_urls if hostname is None else hostname
        if not isinstance(hosts, str) and len(hosts) == 1:
            hosts = hosts[0]
        return Connection(
            hosts if isinstance(hosts, str) else list(hosts),
            userid or conf.broker_user,
            password or conf.broker_password,
            virtual_host or conf.broker_vhost,
            port or conf.broker_port,
            transport=transport,
            ssl=conf.broker_use_ssl if ssl is None else ssl,
            heartbeat=heartbeat or 0,
            login_method=login_method or conf.broker_login_method,
            failover_strategy=failover_strategy or conf.broker_failover_strategy or "round-robin",
            transport_options={
                **(conf.broker_transport_options or {}),
                **(transport_options or {}),
            },
            connect_timeout=connect_timeout or conf.broker_connection_timeout,
            **options,
        )

    broker_connection = connection

    # -- pools -----------------------------------------------------------------------------------

    def _here(self) -> _Pools:
        # Those of a parent process are kept and not touched: its sockets are in use there.
        if not self._pools or self._pools[-1].pid != os.getpid():
            self._pools.append(_Pools(self.connection_for_write(), self._conf.broker_pool_limit))
        return self._pools[-1]

    @property
    def pool(self) -> ConnectionPool:
        """The pool of connections."""
        return self._here().connections

    @property
    def producer_pool(self) -> ProducerPool:
        """The pool of producers."""
        return self._here().producers

    @contextmanager
    def connection_or_acquire(
        self, connection: Connection | None = None, pool: bool = True
    ) -> Iterator[Connection]:
        """Lend the given connection, else a pooled one, else a new one."""
        if connection is not None:
            yield connection
        elif pool:
            with self.pool.acquire(block=True) as acquired:
                yield acquired
        else:
            with self.connection_for_write() as made:
                yield made

    default_connection = connection_or_acquire

    @contextmanager
    def producer_or_acquire(self, producer: Producer | None = None) -> Iterator[Producer]:
        """Lend the given producer, else a pooled one."""
        if producer is not None:
            yield producer
        else:
            with self.producer_pool.acquire(block=True) as acquired:
                yield acquired

    def default_producer(self, producer: Producer | None = None) -> AbstractContextManager[Any]:
        """Lend the given producer, else a pooled one."""
        return self.producer_or_acquire(producer)

    def close(self) -> None:
        """Close this process's pools; they are made again when they are asked for."""
        if self._pools and self._pools[-1].pid == os.getpid():
            self._pools.pop().close()
