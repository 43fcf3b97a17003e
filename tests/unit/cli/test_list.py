"""``taskq list bindings``: which queues get what."""

from __future__ import annotations

import json
from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner, Result

from taskq.cli.context import CLIContext
from taskq.cli.list import command

FOUND = [
    {"destination": "q", "source": "tasks", "routing_key": "k"},
    {"destination": "celery", "source": "", "routing_key": "celery"},
]


def run(answer: Any, *argv: str) -> tuple[Result, list[str]]:
    """Run the command against a broker that answers, or raises."""
    declared: list[str] = []

    def get_bindings() -> Any:
        if isinstance(answer, Exception):
            raise answer
        return answer

    def bound(name: str) -> Any:
        return lambda _channel: SimpleNamespace(declare=lambda: declared.append(name))

    connection = SimpleNamespace(
        default_channel=None, manager=SimpleNamespace(get_bindings=get_bindings)
    )
    app = SimpleNamespace(
        user_options={},
        connection=lambda: nullcontext(connection),
        amqp=SimpleNamespace(queues=SimpleNamespace(consume_from={"q": bound("q")})),
    )
    context = CLIContext(app=app, no_color=True)
    return CliRunner().invoke(command, ["bindings", *argv], obj=context), declared


def test_bindings_are_a_table() -> None:
    """Those of the app are there too, as it declares them before."""
    done, declared = run(FOUND)

    assert declared == ["q"]
    assert done.output.splitlines() == [
        "Queue                        Exchange                     Routing Key",
        "----------------             ----------------             ----------------",
        "celery                       celery                       celery",
        "q                            tasks                        k",
    ]


def test_bindings_may_be_json() -> None:
    """An object for each."""
    done, _ = run(FOUND, "--json")

    assert json.loads(done.output)[1] == {"queue": "q", "exchange": "tasks", "routing_key": "k"}


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (NotImplementedError(), "this broker does not tell its bindings"),
        (OSError("refused"), "cannot get the bindings: OSError: refused; on RabbitMQ the plugin"),
    ],
)
def test_a_broker_that_does_not_tell_is_one_line(error: Exception, said: str) -> None:
    """With the exit code of what is not available."""
    done, _ = run(error)

    assert done.exit_code == 69
    assert said in done.output
