"""``TaskQ``: the application on the real ports."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager
from functools import cached_property
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final

from taskq import current
from taskq.adapters.broker.serializers import KombuCodec
from taskq.adapters.clock import SystemClock
from taskq.adapters.randomness import SystemRandomness
from taskq.app.app import App
from taskq.app.backend import Backend
from taskq.app.configuring import CONFIG_VARIABLES
from taskq.app.discovery import symbol
from taskq.ports import Place, Ports
from taskq.ports.limits import Limiter
from taskq.wiring.brokers import Ground, broker_urls, make_broker
from taskq.wiring.loading import load
from taskq.wiring.stores import make_store

if TYPE_CHECKING:
    # A client needs nothing of a worker.
    from taskq.runtime.worker import MakePool, WorkerPlan
    from taskq.worker import WorkController


class TaskQ(App):
    """A task queue: settings, tasks, and the way to a broker and a result store."""

    builtin_fixups = frozenset({"taskq.contrib.django.fixup:fixup"})

    def make_ports(self) -> Ports:
        """Make the ports that the settings name; connects to nothing yet."""
        ground = Ground(
            SystemClock(),
            SystemRandomness(),
            Place(socket.gethostname(), os.getpid()),
            KombuCodec(),
            self._is_late,
        )
        broker = make_broker(self.conf, ground)
        store, broker = make_store(self.conf, ground, broker, lambda: self.thread_oid, self)
        return Ports(
            clock=ground.clock,
            randomness=ground.randomness,
            place=ground.place,
            codec=ground.codec,
            broker=broker,
            store=store,
        )

    def eager_limiter(self) -> Limiter:
        """Keep the time limits of eager calls, by the clock of this machine."""
        found: Limiter = load("taskq.adapters.pools.eager_limits:EagerLimits")()
        return found

    # A class of results, or its path, that counts more than ``result_backend``.
    backend_cls: Any = None

    @property
    def backend(self) -> Backend:
        """What the app keeps in its result store: of a class of a user's, the object for here."""
        own = getattr(self.ports.store, "own_backend", None)
        return super().backend if own is None else own()

    def make_backend(self) -> Backend:
        """Make an object of the class that Celery's programs expect."""
        made: Backend = load("taskq.compat.backends:backend_of")(self)
        return made

    def _get_backend(self) -> Backend:
        """Return it; some packages call this."""
        return self.backend

    def _is_late(self, name: str) -> bool:
        """Whether a task may have begun though its message was never acknowledged."""
        traits = self.traits(name)
        return traits is not None and traits.acks_late

    def plan_worker(self, **told: Any) -> tuple[WorkerPlan, MakePool]:
        """Work out what a worker is told, by settings and by its maker."""
        planned: tuple[WorkerPlan, MakePool] = load("taskq.wiring.workers:plan_worker")(self, told)
        return planned

    def Worker(self, **told: Any) -> WorkController:  # noqa: N802 - Celery's name
        """Make a worker of this app; ``start()`` works until it is told to stop."""
        made: WorkController = load("taskq.worker:WorkController")(self, **told)
        return made

    WorkController = Worker

    @cached_property
    def Beat(self) -> Any:  # noqa: N802 - Celery's name
        """Makes a beat of this app; ``run()`` works until it is told to end."""
        return self.subclass_with_self(load("taskq.wiring.beat:Beat"))

    # -- programs ---------------------------------------------------------------------------------

    def start(self, argv: Sequence[str] | None = None) -> int:
        """Be the program ``taskq``, with this app; returns the exit code."""
        code: int = load("taskq.cli.main:main")(argv, app=self)
        return code

    def worker_main(self, argv: Sequence[str] | None = None) -> int:
        """Be a worker: ``app.worker_main(["worker", "--concurrency=4"])``."""
        words = sys.argv[1:] if argv is None else list(argv)
        if "worker" not in words:
            raise ValueError(f"the sub-command 'worker' must be among the arguments, not {words!r}")
        return self.start(words)

    def setup_security(  # noqa: PLR0917 - Celery's signature
        self,
        allowed_serializers: Sequence[str] | None = None,
        key: str | None = None,
        key_password: str | bytes | None = None,
        cert: str | None = None,
        store: str | None = None,
        digest: str | None = None,
        serializer: str = "json",
    ) -> None:
        """Sign what this process sends, and read only what somebody known has signed.

        Files not given are those of the settings ``security_key`` and so on.
        """
        load("taskq.adapters.security:setup_security")(
            self.conf, allowed_serializers, key, key_password, cert, store, digest, serializer
        )

    # -- what programs know of kombu --------------------------------------------------------------

    @cached_property
    def _surface(self) -> Any:
        read = self.conf["broker_read_url"]
        return load("taskq.adapters.broker.surface:KombuSurface")(
            self.conf,
            self.router.queues,
            write_urls=broker_urls(self.conf),
            read_urls=None if read is None else [read],
        )

    @cached_property
    def amqp(self) -> Any:
        """Queues, producers and consumers as kombu objects; messages as they are sent."""
        return symbol(self.amqp_cls or "taskq.wiring.amqp:AMQP")(self)

    @property
    def pool(self) -> Any:
        """The pool of connections."""
        return self._surface.pool

    @property
    def producer_pool(self) -> Any:
        """The pool of producers."""
        return self._surface.producer_pool

    def connection(self, *args: Any, **kwargs: Any) -> Any:
        """Return a new kombu connection to the broker."""
        return self._surface.connection(*args, **kwargs)

    broker_connection = connection

    def connection_for_read(self, url: str | None = None, **kwargs: Any) -> Any:
        """Return a new kombu connection to where workers read from."""
        return self._surface.connection_for_read(url, **kwargs)

    def connection_for_write(self, url: str | None = None, **kwargs: Any) -> Any:
        """Return a new kombu connection to where clients publish."""
        return self._surface.connection_for_write(url, **kwargs)

    def connection_or_acquire(
        self, connection: Any = None, pool: bool = True
    ) -> AbstractContextManager[Any]:
        """Return the given connection, or one of the pool, for a block."""
        acquired: AbstractContextManager[Any] = self._surface.connection_or_acquire(
            connection, pool
        )
        return acquired

    default_connection = connection_or_acquire

    def producer_or_acquire(self, producer: Any = None) -> AbstractContextManager[Any]:
        """Return the given producer, or one of the pool, for a block."""
        acquired: AbstractContextManager[Any] = self._surface.producer_or_acquire(producer)
        return acquired

    default_producer = producer_or_acquire

    def close(self) -> None:
        """Let go of connections, and be current no more."""
        self.__dict__.pop("amqp", None)
        surface = self.__dict__.pop("_surface", None)
        if surface is not None:
            surface.close()
        super().close()


# Celery's name of the module that configures a program which makes no app.
USUAL_CONFIG: Final = "celeryconfig"


def make_default_app() -> TaskQ:
    """Make the app of a program that never made one, when ``current_app`` is first used.

    Its configuration is what the environment names (see ``app.configuring``), else the module
    ``celeryconfig`` if there is one.
    """
    named = any(os.environ.get(variable) for variable in CONFIG_VARIABLES)
    usual = None if named or find_spec(USUAL_CONFIG) is None else USUAL_CONFIG
    return TaskQ("default", set_as_current=False, config_source=usual)


current.set_default_factory(make_default_app)
