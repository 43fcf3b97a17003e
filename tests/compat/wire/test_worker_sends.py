"""What follows a task is sent as recorded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from taskq.canvas.plan import (
    Step,
    chord_body_step,
    error_steps,
    next_steps,
    retry_step,
    unfold,
)
from taskq.protocol.message import Call, Parts, read, to_v2
from tests.compat.wire.recordings import comparable, files, messages, name_of
from tests.unit.canvas.paper_app import PaperApp, call_of

# What arrived before: the calls that the recorded worker had just run.
FIRST = "00000000-0000-4000-8000-000000000001"
SECOND = "00000000-0000-4000-8000-000000000002"
THIRD = "00000000-0000-4000-8000-000000000003"
CALLER = "c7ddee16-2165-3b16-b795-8f65b426eb54"
WORKER = "1b7d88ca-a10f-3046-8fd9-a630a79da8b7"
GROUP = "a50c3222-dbaf-4eb3-a1bf-f2b30a83bcc9"


def sig(task: str, *args: Any, **options: Any) -> dict[str, Any]:
    return {
        "task": task,
        "args": list(args),
        "kwargs": {},
        "options": options,
        "subtask_type": None,
        "immutable": False,
    }


def arrived(task: str, task_id: str = FIRST, **fields: Any) -> Call:
    return Call(task, task_id, root_id=task_id, reply_to=CALLER, **fields)


def callback() -> list[Step]:
    return next_steps(arrived("proj.add", callbacks=[sig("proj.mul", 5)]), 5)


def chain_step2() -> list[Step]:
    chain = [
        sig("proj.add", 4, task_id=THIRD, reply_to=CALLER),
        sig("proj.mul", 3, task_id=SECOND, reply_to=CALLER),
    ]
    return next_steps(arrived("proj.add", chain=chain), 3)


def stamped_chain_step2() -> list[Step]:
    stamp = {"stamped_headers": ["customer"], "customer": "acme"}
    chain = [sig("proj.mul", 3, task_id=SECOND, reply_to=CALLER, **stamp)]
    return next_steps(arrived("proj.add", chain=chain), 3)


def chord_body() -> list[Step]:
    body = sig("proj.xsum", task_id=THIRD, reply_to=CALLER, group_id=GROUP)
    last = arrived("proj.add", SECOND, chord=body, group=GROUP, group_index=1)
    return [chord_body_step(last, [3, 7])]


def errback_old_style() -> list[Step]:
    failed = arrived("proj.fail", errbacks=[sig("proj.onerr_old")])
    return error_steps(failed, failed.id, group_id="8a534cf3-523e-4f6c-ad02-c603243f6a87")


def retry() -> list[Step]:
    running = arrived(
        "proj.retry_other", args=(5,), headers={"my_header": "v"}, origin="gen18202@host"
    )
    return [retry_step(running, "2026-11-20T09:29:17.962174+00:00", queue="other")]


SENT = {
    "worker_sends_callback": callback,
    "worker_sends_chain_step2": chain_step2,
    "worker_sends_stamped_chain_step2": stamped_chain_step2,
    "worker_sends_chord_body": chord_body,
    "worker_sends_errback_old_style": errback_old_style,
    "worker_sends_retry": retry,
}


def message_of(step: Step) -> Parts:
    app = PaperApp()
    options = {"reply_to": WORKER, "ignore_result": False, **step.options}
    return to_v2(call_of(step.task, step.args, step.kwargs, options, app.new_id))


@pytest.mark.parametrize(
    "path", [path for path in files("worker_sends_*.json") if path.stem in SENT], ids=name_of
)
def test_what_follows_a_task_is_sent_as_recorded(path: Path) -> None:
    """The step that follows becomes the message that a worker was seen to send."""
    steps = SENT[path.stem]()

    plain = [each for step in steps for each in unfold(step, PaperApp()).operations]
    built = [message_of(step) for step in plain if isinstance(step, Step)]

    assert comparable(built) == comparable(messages(path))


@pytest.mark.parametrize(
    "path",
    [*files("worker_sends_child_call.json"), *files("worker_sends_replace.json")],
    ids=name_of,
)
def test_a_call_from_inside_a_task_names_its_parent(path: Path) -> None:
    """A child and a replacement are ordinary calls that name root and parent."""
    (recorded,) = messages(path)
    call = read(recorded.headers, recorded.properties, recorded.body)

    app = PaperApp()
    app.task("proj.mul")
    app.sig("proj.mul", *call.args).apply_async(
        root_id=FIRST,
        parent_id=FIRST,
        task_id=FIRST if "replace" in path.stem else None,
        replaced_task_nesting=1 if "replace" in path.stem else 0,
    )

    assert comparable(app.messages()) == comparable([recorded])
