# ruff: noqa: A002, PLR0917 - the parameters are Celery's, and so is their order
"""``app.control``: commands to workers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any, Final

from taskq.app.control.inspect import Inspect
from taskq.app.control.mailbox import Mailbox
from taskq.app.control.revoking import remember_stamps, remember_tasks
from taskq.protocol.control import Command

__all__ = ["Control"]

# The signal that ``terminate=True`` means, by its name as users write it.
TERMINATE_SIGNAL: Final = "SIGTERM"
# The clocks of a client and of a worker may differ by so much.
CLOCK_SKEW_S: Final = 5.0

Told = Sequence[str] | None


class Control:
    """A client's way to steer workers and to ask them.

    What is no parameter of a method is one of ``broadcast``: ``reply``, ``timeout``, ``limit``,
    ``callback``, ``connection``, ``pattern`` and ``matcher``.
    """

    Mailbox = Mailbox

    def __init__(self, app: Any = None) -> None:
        self.app = app
        self.mailbox = self.Mailbox(app)

    @cached_property
    def inspect(self) -> Any:
        """Make questions: ``control.inspect(destination=..., timeout=...)``."""
        return self.app.subclass_with_self(Inspect)

    def broadcast(
        self,
        command: str,
        arguments: Mapping[str, Any] | None = None,
        destination: Told = None,
        connection: Any = None,
        reply: bool = False,
        timeout: float = 1.0,
        limit: int | None = None,
        callback: Callable[[dict[str, Any]], object] | None = None,
        channel: Any = None,
        pattern: str | None = None,
        matcher: str | None = None,
        **extra_kwargs: Any,
    ) -> list[dict[str, Any]] | None:
        """Send a command to all workers, to some by name, or to those that a pattern means.

        With ``reply`` it returns what they answer within the timeout, as a list of dictionaries of
        one node name and one answer; less than the timeout passes if all that were named, or as
        many as ``limit`` says, have answered before.
        """
        if destination is not None and not isinstance(destination, list | tuple | set | frozenset):
            raise ValueError(
                f"destination: a list of node names is wanted, not {destination!r};"
                f" did you mean [{destination!r}]?"
            )
        nodes = None if destination is None else list(destination)
        said = Command(command, {**(arguments or {}), **extra_kwargs}, nodes, pattern, matcher)
        link = channel or connection
        if not reply:
            # Nobody waits: it may lie as long as a worker's queue keeps it.
            self.mailbox.send(said, lifetime_s=self.app.conf.control_queue_ttl, link=link)
            return None
        if limit is None and nodes:
            limit = len(nodes)
        return self.mailbox.ask(
            said,
            timeout_s=timeout,
            lifetime_s=timeout + CLOCK_SKEW_S,
            limit=limit,
            callback=callback,
            link=link,
        )

    def ping(self, destination: Told = None, timeout: float = 1.0, **kwargs: Any) -> Any:
        """Ask who is there; returns the list of answers."""
        return self.broadcast(
            "ping", reply=True, arguments={}, destination=destination, timeout=timeout, **kwargs
        )

    # -- tasks ------------------------------------------------------------------------------------

    def revoke(
        self,
        task_id: str | Sequence[str],
        destination: Told = None,
        terminate: bool = False,
        signal: str | int | None = TERMINATE_SIGNAL,
        **kwargs: Any,
    ) -> Any:
        """Let a task, or several, not begin; with ``terminate`` also end what runs it."""
        if _for_all(destination, kwargs):
            remember_tasks(self.app, [task_id] if isinstance(task_id, str) else list(task_id))
        return self.broadcast(
            "revoke",
            destination=destination,
            arguments={
                "task_id": task_id,
                "terminate": terminate,
                "signal": signal or TERMINATE_SIGNAL,
            },
            **kwargs,
        )

    def revoke_by_stamped_headers(
        self,
        headers: Mapping[str, Any],
        destination: Told = None,
        terminate: bool = False,
        signal: str | int | None = TERMINATE_SIGNAL,
        **kwargs: Any,
    ) -> Any:
        """Let tasks with some stamps not begin; with ``terminate`` also end those that run."""
        if _for_all(destination, kwargs):
            remember_stamps(self.app, headers)
        return self.broadcast(
            "revoke_by_stamped_headers",
            destination=destination,
            arguments={
                "headers": dict(headers),
                "terminate": terminate,
                "signal": signal or TERMINATE_SIGNAL,
            },
            **kwargs,
        )

    def terminate(
        self,
        task_id: str | Sequence[str],
        destination: Told = None,
        signal: str | int | None = TERMINATE_SIGNAL,
        **kwargs: Any,
    ) -> Any:
        """Revoke, and end what runs it."""
        return self.revoke(
            task_id, destination=destination, terminate=True, signal=signal, **kwargs
        )

    def rate_limit(
        self, task_name: str, rate_limit: Any, destination: Told = None, **kwargs: Any
    ) -> Any:
        """Set the rate limit of a task: ``"10/m"``, a number for each second, 0 for none."""
        return self.broadcast(
            "rate_limit",
            destination=destination,
            arguments={"task_name": task_name, "rate_limit": rate_limit},
            **kwargs,
        )

    def time_limit(
        self,
        task_name: str,
        soft: float | None = None,
        hard: float | None = None,
        destination: Told = None,
        **kwargs: Any,
    ) -> Any:
        """Set the time limits of a task, in seconds."""
        return self.broadcast(
            "time_limit",
            destination=destination,
            arguments={"task_name": task_name, "hard": hard, "soft": soft},
            **kwargs,
        )

    # -- queues -----------------------------------------------------------------------------------

    def add_consumer(
        self,
        queue: str,
        exchange: str | None = None,
        exchange_type: str = "direct",
        routing_key: str | None = None,
        options: Mapping[str, Any] | None = None,
        destination: Told = None,
        **kwargs: Any,
    ) -> Any:
        """Let workers take from one more queue."""
        return self.broadcast(
            "add_consumer",
            destination=destination,
            arguments={
                "queue": queue,
                "exchange": exchange,
                "exchange_type": exchange_type,
                "routing_key": routing_key,
                **(options or {}),
            },
            **kwargs,
        )

    def cancel_consumer(self, queue: str, destination: Told = None, **kwargs: Any) -> Any:
        """Let workers take no more from a queue."""
        return self.broadcast(
            "cancel_consumer", destination=destination, arguments={"queue": queue}, **kwargs
        )

    def purge(self, connection: Any = None) -> int:  # noqa: ARG002 - Celery's
        """Throw away what waits in all configured queues; returns how many messages that were."""
        broker = self.app.ports.broker
        return sum(broker.purge(name) for name in self.app.router.queues.consume_from)

    discard_all = purge

    # -- the pool ---------------------------------------------------------------------------------

    def pool_grow(self, n: int = 1, destination: Told = None, **kwargs: Any) -> Any:
        """Let each worker have more slots."""
        return self.broadcast("pool_grow", destination=destination, arguments={"n": n}, **kwargs)

    def pool_shrink(self, n: int = 1, destination: Told = None, **kwargs: Any) -> Any:
        """Let each worker have less slots."""
        return self.broadcast("pool_shrink", destination=destination, arguments={"n": n}, **kwargs)

    def pool_restart(
        self,
        modules: Sequence[str] | None = None,
        reload: bool = False,
        reloader: Any = None,
        destination: Told = None,
        **kwargs: Any,
    ) -> Any:
        """Let each worker replace its slots; they import and, if asked, load modules again."""
        return self.broadcast(
            "pool_restart",
            destination=destination,
            arguments={"modules": list(modules or ()), "reload": reload, "reloader": reloader},
            **kwargs,
        )

    def autoscale(self, max: int, min: int, destination: Told = None, **kwargs: Any) -> Any:
        """Set the bounds between which pools grow and shrink by themselves."""
        return self.broadcast(
            "autoscale", destination=destination, arguments={"max": max, "min": min}, **kwargs
        )

    # -- the worker -------------------------------------------------------------------------------

    def enable_events(self, destination: Told = None, **kwargs: Any) -> Any:
        """Let workers tell monitors of each task."""
        return self.broadcast("enable_events", destination=destination, arguments={}, **kwargs)

    def disable_events(self, destination: Told = None, **kwargs: Any) -> Any:
        """Let workers tell monitors of tasks no longer."""
        return self.broadcast("disable_events", destination=destination, arguments={}, **kwargs)

    def heartbeat(self, destination: Told = None, **kwargs: Any) -> Any:
        """Let workers send a heartbeat now."""
        return self.broadcast("heartbeat", destination=destination, arguments={}, **kwargs)

    def shutdown(self, destination: Told = None, **kwargs: Any) -> Any:
        """Stop workers warmly."""
        return self.broadcast("shutdown", destination=destination, arguments={}, **kwargs)

    def election(self, id: str, topic: str, action: Any = None, connection: Any = None) -> None:
        """Let workers elect one of them, which then does something; topic ``task``: sends it."""
        self.broadcast(
            "election",
            connection=connection,
            destination=None,
            arguments={"id": id, "topic": topic, "action": action},
        )


def _for_all(destination: Told, more: Mapping[str, Any]) -> bool:
    """Whether a command means every worker, also those that are not there yet."""
    return destination is None and more.get("pattern") is None
