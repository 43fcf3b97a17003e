"""One call to Redis on a pooled link, with errors as the broker port has them.

Used by the broker for all that is neither sending nor taking.  Safe to use from many threads.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

from taskq.adapters.broker.redis_link import ANY, Command, Link, LinkPool, Script

Returned = TypeVar("Returned")


class Caller:
    """Asks, once."""

    def __init__(self, pool: LinkPool, failed: Callable[[], None]) -> None:
        self._pool, self._failed = pool, failed

    def call(self, act: Callable[[Link], Returned]) -> Returned:
        """Do something on a link, once."""
        try:
            with self._pool.lent() as link:
                return act(link)
        except ANY as error:
            self._pool.doubt(error)
            self._failed()
            raise self._pool.error(error) from error

    def ask(self, *command: Any) -> Any:
        """Send one command and return its reply."""
        return self.call(lambda link: link.ask(*command))

    def ask_many(self, commands: Sequence[Command]) -> list[Any]:
        """Send some commands together and return their replies."""
        return self.call(lambda link: link.ask_many(commands))

    def transact(self, commands: Sequence[Command]) -> list[Any]:
        """Send some commands as one step and return their replies."""
        replies: list[Any] = self.ask_many([("MULTI",), *commands, ("EXEC",)])[-1]
        return replies

    def run(self, script: Script, keys: Sequence[Any], arguments: Iterable[Any]) -> Any:
        """Run a script."""
        return self.call(lambda link: link.run(script, keys, arguments))
