"""Redis as the ResultStore port: Celery's keys and channels.

``celery-task-meta-<id>`` holds a result, and its text is published on a channel of that name;
``celery-taskset-meta-<id>`` holds a group; what stands behind it of a chord is told in
``redis_scripts_chords``.  ``taskq-rest-<id>`` holds steps of a chain.

Used by clients, by pool processes, and by workers whose broker is not at the same place (where
it is, a result rides on the script that settles its message).  Safe to use from many threads,
and after a fork.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeVar

from taskq.adapters.broker.redis_link import ANY, FINAL, LOST, Link, LinkPool, Script
from taskq.adapters.broker.redis_operations import Level, by_index
from taskq.adapters.broker.redis_scripts import STORE
from taskq.adapters.broker.redis_scripts_chords import (
    CHORD_PARTS,
    CLOSE_CHORD,
    COUNT_CHORD,
    END_CHORD,
    GROW_CHORD,
    OPEN_CHORD,
)
from taskq.adapters.broker.redis_url import servers
from taskq.adapters.results.packing import Packing
from taskq.adapters.results.redis_listening import Listening, keys_of
from taskq.adapters.results.redis_records import (
    ResultWrite,
    content_of,
    life_ms,
    result_write,
    state_of,
)
from taskq.adapters.results.redis_rests import Rests
from taskq.errors import ImproperlyConfigured
from taskq.ports import EMPTY, ChordPart, ChordProgress, Clock, ResultRecord, RetryPolicy

Returned = TypeVar("Returned")

TASK_KEY: Final = "celery-task-meta-"
GROUP_KEY: Final = "celery-taskset-meta-"
# Behind the key of a compressed result: see the script that stores.
STATE_BESIDE: Final = ".state"
# For so long it is known that a chord has ended: Celery's own, and longer than any member that is
# delivered again takes to come.
CHORD_GUARD_MS: Final = 300_000
RESULTS_PER_CALL: Final = 100
# Celery's own: a result that cannot be stored is worth waiting for.
WRITING: Final = RetryPolicy(
    max_retries=20, interval_start=0.0, interval_step=1.0, interval_max=1.0
)
# A reader has a limit of its own and asks again.
READING: Final = RetryPolicy(max_retries=2)
# A setting of Celery's ``redis_*`` family -> the option of a connection.
SETTINGS: Final = (
    "username",
    "password",
    "socket_timeout",
    "socket_connect_timeout",
    "socket_keepalive",
    "retry_on_timeout",
    "max_connections",
    "client_name",
    "health_check_interval",
    "credential_provider",
    "protocol",
)


class RedisStore:
    """Results in Redis."""

    def __init__(
        self,
        url: str | Sequence[str],
        *,
        clock: Clock,
        transport_options: Mapping[str, Any] = EMPTY,
        ssl: bool | Mapping[str, Any] | None = None,
        client_factory: Callable[[], Any] | None = None,
        packing: Packing | None = None,
        **settings: Any,
    ) -> None:
        given = {_plain(name): value for name, value in settings.items() if value is not None}
        options = dict(transport_options)
        for name in SETTINGS:
            if name in given:
                options.setdefault(name, given[name])
        ssl = given.get("use_ssl", ssl)
        reached = servers(
            _complete(url, given), options=options, ssl=ssl, client_factory=client_factory
        )
        self._clock = clock
        self._packing = packing or Packing()
        self._pool = LinkPool(reached, clock)
        self._has_sockets = client_factory is None
        prefix = _separated(options.get("global_keyprefix") or "")
        self._task_key, self._group_key = prefix + TASK_KEY, prefix + GROUP_KEY
        self._writing = _policy(options.get("retry_policy"))
        # Tried as long as a result: whoever does without goes a longer way.
        self._rests = Rests(prefix, self._packing, lambda act: self._call(act, self._writing))
        self._pid = os.getpid()
        self._listening = threading.local()
        self._idle: list[Listening] = []

    @property
    def name(self) -> str:
        """What the banner of a worker shows; passwords are starred."""
        return self._pool.name

    @property
    def address(self) -> str | None:
        """Server and database, for stores whose writes can ride on the broker's."""
        return self._pool.address

    @property
    def key_prefix(self) -> str:
        """What stands in front of a task id in the key of its result."""
        return self._task_key

    def write_of(self, record: ResultRecord) -> ResultWrite:
        """Say how a record is written, for a broker that writes it along with its own."""
        return result_write(record, self._task_key, self._packing)

    def level_of(self, part: ChordPart) -> Level:
        """Say how a part of a chord is counted, for a broker that counts it along with its own."""
        return Level(
            self._group_key + part.group_id,
            part,
            life_ms(part.expires_s),
            tuple(self._packing.pack(one.payload) for one in part.each),
            CHORD_GUARD_MS,
        )

    def unpacked(self, payloads: Sequence[bytes]) -> tuple[bytes, ...]:
        """Return results of members as they were before they were written."""
        return tuple(self._packing.unpack(one) for one in payloads)

    def store(self, records: Sequence[ResultRecord]) -> None:
        """Write and publish.  A final state is not overwritten by one that is less final."""
        for start in range(0, len(records), RESULTS_PER_CALL):
            writes = [self.write_of(one) for one in records[start : start + RESULTS_PER_CALL]]
            arguments = [
                value for one in writes for value in (one.life_ms, one.blockers, one.payload)
            ]
            self._run(STORE, [one.key for one in writes], arguments)

    def load(self, task_ids: Sequence[str]) -> Sequence[ResultRecord | None]:
        """Read what is stored now; None where there is nothing."""
        if not task_ids:
            return []
        keys = keys_of(self._task_key, task_ids)
        payloads = self._call(lambda link: link.ask("MGET", *keys), READING)
        return [
            None if payload is None else self._record(task_id, payload)
            for task_id, payload in zip(task_ids, payloads, strict=True)
        ]

    def wait(self, task_ids: Sequence[str], timeout_s: float | None) -> Sequence[ResultRecord]:
        """Return when something may have changed, or the time is over."""
        if not task_ids:
            return []
        listening = self._own_listening()
        hints = listening.wait(listening.keys_for(self._task_key, task_ids), timeout_s)
        cut = len(self._task_key)
        return [self._record(key[cut:], payload) for key, payload in hints]

    def stop_waiting(self, task_ids: Sequence[str]) -> None:
        """Nobody waits for these any more."""
        listening: Listening | None = getattr(self._listening, "now", None)
        if listening is None or self._pid != os.getpid():
            return
        listening.stop(keys_of(self._task_key, task_ids))
        if not listening.keys:
            self._listening.now = None
            self._idle.append(listening)

    def forget(self, task_ids: Sequence[str]) -> None:
        """Delete."""
        if task_ids:
            keys = keys_of(self._task_key, task_ids)
            if self._packing.method is not None:
                keys += [f"{key}{STATE_BESIDE}" for key in keys]
            self._call(lambda link: link.ask("DEL", *keys), self._writing)

    def save_group(self, group_id: str, payload: bytes, expires_s: float | None) -> None:
        """Keep a group's own record."""
        self._set(self._group_key + group_id, self._packing.pack(payload), expires_s)

    def load_group(self, group_id: str) -> bytes | None:
        """Read it."""
        payload = self._call(lambda link: link.ask("GET", self._group_key + group_id), READING)
        return None if payload is None else self._packing.unpack(payload)

    def forget_group(self, group_id: str) -> None:
        """Delete it."""
        self._call(lambda link: link.ask("DEL", self._group_key + group_id), self._writing)

    def keep_rest(self, rest_id: str, windows: Sequence[bytes], life_s: float) -> None:
        """Keep the rest of a chain."""
        self._rests.keep(rest_id, windows, life_s)

    def load_rest(self, rest_id: str, window: int, life_s: float) -> bytes | None:
        """Read one window of it, and let all of them live so long from now on."""
        return self._rests.load(rest_id, window, life_s)

    @property
    def counts_chords(self) -> bool:
        """Whether the six calls below work."""
        return True

    def open_chord(
        self, group_id: str, size: int, expires_s: float | None, body: bytes | None = None
    ) -> None:
        """Say how many members a header has; an earlier chord of that name is forgotten."""
        packed = b"" if body is None else self._packing.pack(body)
        arguments = [size, life_ms(expires_s), packed]
        self._run(OPEN_CHORD, [self._group_key + group_id], arguments)

    def grow_chord(self, group_id: str, by: int, mark: str = "") -> int:
        """Expect more members, once for each mark; returns how many, 0 where no chord is open."""
        return int(self._run(GROW_CHORD, [self.group_key(group_id)], [mark, by]))

    def group_key(self, group_id: str) -> str:
        """Where a group's own record stands, and what belongs to its chord begins."""
        return self._group_key + group_id

    def count_chord(self, part: ChordPart) -> ChordProgress:
        """Keep a member's result and count it, once for each index."""
        payload = self._packing.pack(part.payload)
        arguments = [part.mark, part.index, payload, life_ms(part.expires_s)]
        done, size, first = self._run(COUNT_CHORD, [self._group_key + part.group_id], arguments)
        return ChordProgress(
            part.group_id, int(done), None if size is None else int(size), bool(first)
        )

    def chord_parts(self, group_id: str) -> Sequence[bytes]:
        """Return the payloads of all counted parts, by index."""
        kept = self._run(CHORD_PARTS, [self._group_key + group_id], [])
        return list(self.unpacked(by_index(kept)))

    def chord_body(self, group_id: str) -> bytes | None:
        """Return the body of a chord that has not ended."""
        key = self._chord_key(group_id, "b")
        kept = self._call(lambda link: link.ask("GET", key), READING)
        return None if kept is None else self._packing.unpack(kept)

    def close_chord(self, group_id: str, owner: str) -> bool:
        """Take the right to send the body: True for the first owner, and again for the same."""
        keys = [self._chord_key(group_id, end) for end in "cjd"]
        return bool(self._run(CLOSE_CHORD, keys, [owner]))

    def end_chord(self, group_id: str) -> None:
        """The body is sent: from now on nobody gets the right."""
        keys = [self._chord_key(group_id, end) for end in "cjdstb"]
        self._run(END_CHORD, keys, [CHORD_GUARD_MS])

    def close(self) -> None:
        """Let go of connections."""
        listening: Listening | None = getattr(self._listening, "now", None)
        for one in (*self._idle, *([listening] if listening else [])):
            one.close()
        self._idle.clear()
        self._listening.now = None
        self._pool.close()

    # -- talking ---------------------------------------------------------------------------------

    def _own_listening(self) -> Listening:
        """Return the subscription of this thread: what it has, an idle one, or a new one."""
        if self._pid != os.getpid():
            # The parent's connections are the parent's.
            self._pid, self._idle, self._listening = os.getpid(), [], threading.local()
        listening: Listening | None = getattr(self._listening, "now", None)
        if listening is None:
            try:
                listening = self._idle.pop()
            except IndexError:
                listening = Listening(self._pool, self._clock, has_sockets=self._has_sockets)
            self._listening.now = listening
        return listening

    def _run(self, script: Script, keys: Sequence[str], arguments: Sequence[Any]) -> Any:
        return self._call(lambda link: link.run(script, keys, arguments), self._writing)

    def _set(self, key: str, payload: bytes, expires_s: float | None) -> None:
        life = ("PX", life_ms(expires_s)) if life_ms(expires_s) else ()
        self._call(lambda link: link.ask("SET", key, payload, *life), self._writing)

    def _call(self, act: Callable[[Link], Returned], policy: RetryPolicy) -> Returned:
        """Do something on a link; again after a lost connection, for all of it may be repeated."""
        attempt = 0
        while True:
            try:
                return self._once(act)
            except ANY as error:
                self._pool.doubt(error)
                last = policy.max_retries is not None and attempt >= policy.max_retries
                if last or isinstance(error, FINAL) or not isinstance(error, LOST):
                    raise self._pool.error(error) from error
            self._clock.sleep(policy.pause_s(attempt))
            attempt += 1

    def _once(self, act: Callable[[Link], Returned]) -> Returned:
        link = self._pool.take()
        try:
            result = act(link)
        except BaseException:
            # A reply may be under way: nobody else may read it as theirs.
            link.close()
            raise
        self._pool.give(link)
        return result

    def _record(self, task_id: str, kept: bytes) -> ResultRecord:
        payload = self._packing.unpack(kept)
        content_type, content_encoding = content_of(payload)
        return ResultRecord(task_id, state_of(payload), payload, content_type, content_encoding)

    def _chord_key(self, group_id: str, end: str) -> str:
        return f"{self._group_key}{group_id}.{end}"


def _separated(prefix: str) -> str:
    """Celery sets its keys off from a prefix that does not do so itself."""
    return prefix if not prefix or prefix[-1] in ":_-." else f"{prefix}_"


def _plain(name: str) -> str:
    return name.removeprefix("redis_").removeprefix("backend_")


def _complete(url: str | Sequence[str], given: Mapping[str, Any]) -> str | Sequence[str]:
    """``redis`` and ``redis://`` say nothing of where: then the settings do."""
    if url not in {"", "redis", "redis://"} if isinstance(url, str) else True:
        return url
    return f"redis://{given.get('host') or '127.0.0.1'}:{given.get('port') or 6379}/" + str(
        given.get("db") or 0
    )


def _policy(given: Mapping[str, Any] | None) -> RetryPolicy:
    if not given:
        return WRITING
    known = {"max_retries", "interval_start", "interval_step", "interval_max"}
    unknown = sorted(set(given) - known)
    if unknown:
        raise ImproperlyConfigured(
            f"result_backend_transport_options['retry_policy']: no {', '.join(unknown)}; "
            f"there are {', '.join(sorted(known))}"
        )
    return RetryPolicy(**given)
