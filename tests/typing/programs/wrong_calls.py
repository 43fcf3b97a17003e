"""Each line that is marked with ``# wrong`` is an error, and no other line is."""

from __future__ import annotations

from typing import Any

from taskq.app.app import App
from taskq.app.task import Task


def declare(app: App) -> None:
    @app.task
    def add(x: int, y: int = 0) -> int:
        return x + y

    add("one")  # wrong
    add.delay()  # wrong
    add.delay(1, 2, 3)  # wrong
    add.delay(1, z=2)  # wrong
    add.delay("one")  # wrong
    add.si("one")  # wrong
    text: str = add.delay(1).get()  # wrong

    @app.task(bind=True)
    def again(self: Task[..., Any], count: int) -> int:
        return count

    again.delay(None, 1)  # wrong
    again.delay("one")  # wrong

    @app.task
    async def fetch(url: str) -> float:
        return float(len(url))

    fetch.delay(1)  # wrong
    name: str = fetch.delay("u").get()  # wrong
    print(text, name)
