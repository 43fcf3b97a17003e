"""The Redis store where the broker is the same Redis: what belongs together is one script.

Made by ``taskq.wiring`` in the place of ``RedisStore`` where both have one address.  (A result
that is stored as its message is settled rides on the broker's script: see ``redis_intake``.)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from taskq.adapters.broker.errors import BrokerError
from taskq.adapters.broker.redis_link import Link
from taskq.adapters.broker.redis_routes import Routes, UnroutableError
from taskq.adapters.broker.redis_scripts import END_CHORD
from taskq.adapters.results.redis import CHORD_GUARD_MS, RedisStore
from taskq.ports import Outgoing


class RedisStoreBesideBroker(RedisStore):
    """Implements ``ports.SendsBodies`` too; ``routes`` are those of the broker."""

    def __init__(self, *args: Any, routes: Routes, **options: Any) -> None:
        super().__init__(*args, **options)
        self._routes = routes

    def end_chord_with(self, group_id: str, owner: str, messages: Sequence[Outgoing]) -> bool:
        """Publish, and end the chord, as one step; False and nothing if the right is gone.

        After a lost connection it is tried again: what had taken effect is then not repeated.
        """
        routes, keys = self._routes, self._chord_keys(group_id)
        texts = [routes.envelope(one) for one in messages]

        def act(link: Link) -> bool:
            arguments: list[Any] = [owner, CHORD_GUARD_MS]
            for push in routes.pushes(link, messages, texts):
                arguments += (push.command, push.key, push.value, push.life_ms)
            return bool(link.run(END_CHORD, keys, arguments))

        try:
            return self._call(act, self._writing)
        except UnroutableError as error:
            raise BrokerError(self.name, str(error), "declare a queue that is bound so") from error
