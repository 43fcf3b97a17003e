"""Type checkers see the parameters and the result of a task through the decorator."""

from __future__ import annotations

from typing import Any, assert_type

from taskq.app.app import App
from taskq.app.eager_result import EagerResult
from taskq.app.result import AsyncResult
from taskq.app.task import Task
from taskq.app.tasking import shared_task
from taskq.canvas.signature import Signature


def declare(app: App) -> None:
    @app.task
    def add(x: int, y: int = 0) -> int:
        return x + y

    assert_type(add(1, y=2), int)
    assert_type(add.delay(1, 2), AsyncResult[int])
    assert_type(add.delay(1).get(), int)
    assert_type(add.apply_async((1, 2), countdown=3), AsyncResult[int])
    assert_type(add.apply((1,)), EagerResult[int])
    assert_type(add.s(1, 2), Signature[int])
    assert_type(add.s(), Signature[int])
    assert_type(add.si(1, 2), Signature[int])
    assert_type(add.AsyncResult("id").get(timeout=1), int)

    @app.task(name="other", max_retries=5)
    def shout(text: str) -> str:
        return text.upper()

    assert_type(shout.delay("a").get(), str)

    @app.task(bind=True, acks_late=True)
    def again(self: Task[..., Any], count: int) -> list[int]:
        return [count] * int(self.request.retries)

    assert_type(again.delay(1).get(), list[int])
    assert_type(again(count=2), list[int])

    @app.task(bind=True)
    def untyped_self(self, count: int) -> bytes:  # type: ignore[no-untyped-def]
        return bytes(count)

    assert_type(untyped_self.delay(3).get(), bytes)

    @app.task
    async def fetch(url: str) -> float:
        return float(len(url))

    assert_type(fetch.delay("u").get(), float)

    @app.task(bind=True, name="fetch.bound")
    async def fetch_bound(self: Task[..., Any], url: str) -> float:
        return float(len(url))

    assert_type(fetch_bound.delay("u").get(), float)

    @app.task(bind=True)
    def anything(self: Task[..., Any], /, **named: int) -> int:
        return sum(named.values())

    assert_type(anything.delay(a=1).get(), int)

    @shared_task
    def halve(x: float) -> float:
        return x / 2

    assert_type(halve.delay(1.0).get(), float)

    @shared_task(bind=True)
    def double(self: Task[..., Any], x: float) -> float:
        return x * 2

    assert_type(double.delay(1.0).get(), float)
