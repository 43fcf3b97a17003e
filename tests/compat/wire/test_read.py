"""Everything that was recorded can be read, and written again as it was."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from kombu.utils.json import loads

from taskq.protocol import control, event, result
from taskq.protocol.message import read, to_v1, to_v2, upgrade_v1
from taskq.states import EXCEPTION_STATES
from tests.compat.wire.recordings import RECORDED, Recorded, each_recorded

TASKS = list(each_recorded())


@pytest.mark.parametrize(("name", "message"), TASKS, ids=[name for name, _ in TASKS])
def test_a_recorded_task_message_is_read_and_written_again(name: str, message: Recorded) -> None:
    """Reading a message and writing the call gives the same headers, properties and body."""
    call = read(message.headers, message.properties, message.body)

    again = (to_v1 if "_v1" in name else to_v2)(call)

    assert again.headers == {k: v for k, v in message.headers.items() if k != "compression"}
    assert list(again.headers) == [k for k in message.headers if k != "compression"]
    assert _as_lists(again.body) == _as_lists(message.body)
    for key in ("correlation_id", "reply_to", "delivery_mode", "priority", "expiration"):
        assert again.properties.get(key) == message.properties.get(key)


@pytest.mark.parametrize(("name", "message"), TASKS, ids=[name for name, _ in TASKS])
def test_a_recorded_v1_body_becomes_a_v2_message(name: str, message: Recorded) -> None:
    """An upgraded message of protocol 1 reads as the same call."""
    if "_v1" not in name:
        assert isinstance(message.body, list | tuple)
        return

    headers, body = upgrade_v1(message.body)

    assert read(headers, message.properties, body) == read({}, message.properties, message.body)
    assert headers["task"] == message.body["task"]


def _as_lists(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return [_as_lists(each) for each in value]
    if isinstance(value, dict):
        return {key: _as_lists(each) for key, each in value.items()}
    return value


def _metas() -> list[tuple[str, dict[str, Any]]]:
    found = []
    for folder in ("redis", "redis_ext"):
        recorded = json.loads((RECORDED / folder / "results.json").read_text())
        for name, entry in recorded.items():
            if "json" in entry and "status" in entry["json"]:
                found.append((f"{folder}/{name}", entry["json"]))
    recorded = json.loads((RECORDED / "rabbitmq" / "results.json").read_text())
    for name, entries in recorded.items():
        found += [(f"rabbitmq/{name}/{n}", each["body_decoded"]) for n, each in enumerate(entries)]
    return found


METAS = _metas()


@pytest.mark.parametrize(("name", "meta"), METAS, ids=[name for name, _ in METAS])
def test_a_recorded_result_is_read_and_built_again(name: str, meta: dict[str, Any]) -> None:
    """Reading a result and building its meta gives the same fields in the same order."""
    found = result.read_meta(meta)

    extended = None
    if "name" in meta:
        extended = result.Extended(
            *(meta[key] for key in ("name", "args", "kwargs", "worker", "retries", "queue"))
        )
    built = result.task_meta(
        found["task_id"],
        found["status"],
        found["result"],
        date_done=found["date_done"],
        traceback=found["traceback"],
        children=found["children"],
        parent_id=found.get("parent_id"),
        group_id=found.get("group_id"),
        extended=extended,
    )
    assert built == meta
    assert list(built) == list(meta)
    if found["status"] in EXCEPTION_STATES:
        assert isinstance(found["result"], BaseException)
        assert type(found["result"]).__name__ == meta["result"]["exc_type"]


def test_a_recorded_group_is_read_and_built_again() -> None:
    """A saved group is its tuple form."""
    recorded = json.loads((RECORDED / "redis" / "results.json").read_text())["group_saved"]["json"]

    tree = result.read_group_meta(recorded)

    assert len(tree.members or ()) == 2
    assert json.loads(json.dumps(result.group_meta(tree))) == recorded


def test_recorded_parts_of_a_chord_are_read() -> None:
    """A part is a list of 1, id, state and result."""
    recorded = json.loads((RECORDED / "redis" / "results.json").read_text())
    keys = recorded["chord_error_keys_after"]
    text = next(entry["value"] for key, entry in keys.items() if key.endswith(".j"))
    parts = [loads(piece.split("'")[0]) for piece in text.split("b'")[1:]]

    states = [result.read_chord_part(part)[1] for part in parts]

    assert states == ["SUCCESS", "FAILURE"]


def test_recorded_events_are_read_and_built_again() -> None:
    """Each event comes out of its record as it went in, alone or in a batch."""
    recorded = json.loads((RECORDED / "rabbitmq" / "events.json").read_text())
    assert recorded

    for entry in recorded:
        body = entry["body_decoded"]
        events = event.read_events(body)
        key = entry["delivery_info"]["routing_key"]
        if isinstance(body, list):
            assert (event.batch_body(events), key) == (body, event.BATCH_ROUTING_KEY)
            assert [list(each) for each in event.batch_body(events)] == [list(b) for b in body]
        else:
            assert (event.event_body(events[0]), key) == (body, event.routing_key(body["type"]))
            assert list(event.event_body(events[0])) == list(body)


def test_recorded_commands_and_replies_are_read_and_built_again() -> None:
    """Each command comes out of its record as it went in."""
    recorded = json.loads((RECORDED / "rabbitmq" / "control.json").read_text())

    for entry in recorded["broadcast"]:
        body, headers = entry["body_decoded"], entry["headers"]
        assert control.command_body(control.read_command(body)) == body
        assert list(control.command_body(control.read_command(body))) == list(body)
        assert control.command_headers(headers["clock"], headers["expires"]) == headers
    for entry in recorded["reply"]:
        ((node, said),) = control.read_reply(entry["body_decoded"]).items()
        assert control.reply_body(node, said) == entry["body_decoded"]
        assert control.reply_headers(**entry["headers"]) == entry["headers"]


def _broadcasts() -> list[dict[str, Any]]:
    recorded: list[dict[str, Any]] = json.loads((RECORDED / "redis" / "pubsub.json").read_text())
    return recorded


def test_recorded_broadcasts_on_redis_are_read() -> None:
    """What went through Redis' channels is commands, events, and metas of tasks and groups."""
    for entry in _broadcasts():
        if entry["channel"].startswith("celery-taskset-meta-"):
            assert result.read_group_meta(entry["envelope"]).members
        elif entry["channel"].startswith("celery-task-meta-"):
            assert result.read_meta(entry["envelope"])["status"] == entry["envelope"]["status"]
        elif "pidbox" in entry["channel"]:
            body = entry["body_decoded"]
            assert control.command_body(control.read_command(body)) == body
        else:
            body = entry["body_decoded"]
            events = event.read_events(body)
            assert [event.event_body(each) for each in events] == (
                body if isinstance(body, list) else [body]
            )


def test_recorded_unacked_messages_are_read() -> None:
    """A message that a worker holds on Redis is the message that was sent."""
    recorded = json.loads((RECORDED / "redis" / "redis_unacked.json").read_text())

    for envelope, _exchange, _key in recorded["unacked"].values():
        body = loads(base64.b64decode(envelope["body"]).decode())
        call = read(envelope["headers"], envelope["properties"], body)
        assert (call.task, call.eta) == ("proj.add", envelope["headers"]["eta"])


def test_every_recorded_file_has_a_test() -> None:
    """A file that nobody reads would be a promise that nobody keeps."""
    known = {"control", "events", "results", "topology", "pubsub", "redis_unacked"}
    known |= {"control_commands", "control_replies"}  # commands to Redis, answers of inspect

    stems = {Path(path).stem for path in RECORDED.rglob("*.json")}

    assert all(s in known or s.startswith(("send_", "worker_sends_")) for s in stems)
