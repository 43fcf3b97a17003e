"""Messages that are none: what is put into a queue, and broken in one of many ways.

A mutant is broken for certain: none of them is a task that some worker could run.
"""

from __future__ import annotations

import base64
import json
import random
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

BODY: Final = json.dumps([[1], {}, {"callbacks": None, "errbacks": None, "chain": None}])


@dataclass(frozen=True, slots=True)
class Sample:
    """A message, whatever its transport."""

    body: bytes = BODY.encode()
    content_type: Any = "application/json"
    content_encoding: Any = "utf-8"
    headers: Mapping[str, Any] = field(default_factory=dict)
    raw: bytes | None = None  # what stands in a list of Redis, as it is


def whole(task: str) -> Sample:
    """A message that is one."""
    number = str(uuid.uuid4())
    return Sample(headers={"task": task, "id": number, "root_id": number, "lang": "py"})


def _headers(sample: Sample, **said: Any) -> Sample:
    return replace(sample, headers={**sample.headers, **said})


def _without(sample: Sample, name: str) -> Sample:
    return replace(sample, headers={k: v for k, v in sample.headers.items() if k != name})


Mutation = Callable[[Sample, random.Random], Sample]

# What every transport can carry.
ANYWHERE: Final[tuple[Mutation, ...]] = (
    lambda s, r: replace(s, body=s.body[: r.randrange(len(s.body))]),  # cut off
    lambda s, r: replace(s, body=r.randbytes(r.randrange(1, 200))),
    lambda s, _: replace(s, body=b""),
    lambda s, _: replace(s, body=b"\xff\xfe" + s.body),  # no UTF-8
    lambda s, _: replace(s, body=b"null"),
    lambda s, _: replace(s, body=b"[]"),
    lambda s, _: replace(s, body=b"[1, 2, 3]"),
    lambda s, _: replace(s, body=b"[[], {}]"),
    lambda s, _: replace(s, body=b'[{"a": 1}, [], null]'),
    lambda s, r: replace(s, body=b"[" * r.randrange(2_000, 9_000)),  # deep
    lambda s, _: replace(s, body=b"[[" + b"9" * 20_000 + b"], {}, {}]"),  # a huge number
    lambda s, r: replace(s, body=b"\x80" * r.randrange(100_000)),  # large
    lambda s, _: replace(s, content_type="application/x-python-serialize"),
    lambda s, r: replace(s, content_type=f"application/x-{r.random()}"),
    lambda s, _: _headers(s, compression="application/x-gzip"),
    lambda s, _: _headers(s, compression="no such method"),
    lambda s, r: _headers(s, task=f"no.such.task.{r.random()}"),
    lambda s, _: _headers(s, task="os.system"),
    lambda s, _: _headers(s, task=17),
    lambda s, _: _headers(s, task=None),
    lambda s, _: _without(s, "task"),
    lambda s, _: _without(s, "id"),
    lambda s, _: _headers(s, id=None),
    lambda s, _: _headers(s, eta="tomorrow"),
    lambda s, _: _headers(s, eta=[1]),
    lambda s, _: _headers(s, expires="2026-13-45T99:99:99"),
    lambda s, _: _headers(s, timelimit="long"),
    lambda s, _: _headers(s, timelimit=[1, 2, 3]),
    lambda s, _: replace(s, headers={}),
)
# What only a list of Redis can carry.
IN_A_LIST: Final[tuple[Mutation, ...]] = (
    lambda s, _: replace(s, raw=b""),
    lambda s, _: replace(s, raw=b"{}"),
    lambda s, _: replace(s, raw=b"[]"),
    lambda s, _: replace(s, raw=b"NaN"),
    lambda s, _: replace(s, raw=b"null"),
    lambda s, r: replace(s, raw=r.randbytes(r.randrange(1, 500))),
    lambda s, r: replace(s, raw=envelope(s)[: r.randrange(len(envelope(s)))]),
    lambda s, _: replace(s, raw=b'{"body": 1, "headers": [], "properties": null}'),
    lambda s, _: replace(s, raw=envelope(s).replace(b'"properties"', b'"attributes"', 1)),
    lambda s, r: replace(s, raw=b'{"body": "' + b"A" * r.randrange(200_000)),
)


def mutants(task: str, count: int, seed: int, ways: tuple[Mutation, ...]) -> Iterator[Sample]:
    """Break so many messages, each in one way."""
    chance = random.Random(seed)
    for number in range(count):
        yield ways[number % len(ways)](whole(task), chance)


def envelope(sample: Sample) -> bytes:
    """Write a message as kombu puts it into a list of Redis."""
    if sample.raw is not None:
        return sample.raw
    info = {"exchange": "", "routing_key": "celery"}
    properties = {
        "correlation_id": sample.headers.get("id"),
        "delivery_mode": 2,
        "delivery_info": info,
        "priority": 0,
        "body_encoding": "base64",
        "delivery_tag": str(uuid.uuid4()),
    }
    written = {
        "body": base64.b64encode(sample.body).decode(),
        "content-type": sample.content_type,
        "content-encoding": sample.content_encoding,
        "headers": dict(sample.headers),
        "properties": properties,
    }
    return json.dumps(written).encode()
