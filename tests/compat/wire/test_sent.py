"""What a client sends is what was recorded, message by message."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from taskq.canvas import StampingVisitor, chain, chord, chunks, group, xmap, xstarmap
from tests.compat.wire.recordings import comparable, files, messages, name_of
from tests.unit.canvas.paper_app import PaperApp

TASKS = ("proj.add", "proj.mul", "proj.xsum", "celery.map", "celery.starmap")
ETA = datetime(2030, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
SOON = "2026-11-20T09:56:18.078971+00:00"


class Monitoring(StampingVisitor):
    def on_signature(self, sig: Any, **headers: Any) -> dict[str, Any]:
        return {"monitoring_id": "m-1"}


def add(app: PaperApp, *args: Any, **options: Any) -> Any:
    return app.sig("proj.add", *args, **options)


def plain(app: PaperApp) -> None:
    add(app, 2, 3).delay()


def with_kwargs(app: PaperApp) -> None:
    add(app).apply_async(
        (), {"x": 2, "y": 3}, shadow="shadowed", argsrepr="<hidden>", headers={"my_header": "v"}
    )


def with_options(**options: Any) -> Callable[[PaperApp], None]:
    return lambda app: add(app, 2, 3).apply_async(**options) and None


def a_chain(app: PaperApp) -> None:
    (add(app, 1, 2) | app.sig("proj.mul", 3) | add(app, 10)).apply_async()


def a_chain_with_a_group(app: PaperApp) -> None:
    chain(
        add(app, 1, 1), group(add(app, 2), add(app, 3)), app.sig("proj.xsum"), app=app
    ).apply_async()


def a_chord(app: PaperApp) -> None:
    chord([add(app, 1, 2), add(app, 3, 4)])(app.sig("proj.xsum"))


def some_chunks(app: PaperApp) -> None:
    chunks(add(app), [(1, 2), (3, 4), (5, 6)], 2, app=app).apply_async()


def a_group(app: PaperApp) -> None:
    group(add(app, 1, 2), add(app, 3, 4)).apply_async()


def json_types(app: PaperApp) -> None:
    add(
        app,
        datetime(2020, 1, 2, 3, 4, 5, tzinfo=UTC),
        {
            "u": uuid.UUID(int=1),
            "d": Decimal("1.5"),
            "b": b"\x00\xff",
            "date": date(2020, 1, 2),
        },
    ).delay()


def links(app: PaperApp) -> None:
    sig = add(app, 2, 3)
    sig.link(app.sig("proj.mul", 5))
    sig.link_error(app.sig("proj.onerr"))
    sig.delay()


def many_links(app: PaperApp) -> None:
    add(app, 2, 3).apply_async(
        link=[app.sig("proj.mul", 5), app.sig("proj.mul", 2, 2, immutable=True)],
        link_error=[app.sig("proj.onerr"), app.sig("proj.onerr", "x", immutable=True)],
    )


def a_map(app: PaperApp) -> None:
    xmap(add(app), [(1, 2), (3, 4)], app=app).delay()


def a_starmap(app: PaperApp) -> None:
    xstarmap(add(app), [(1, 2), (3, 4)], app=app).apply_async()


def priorities(app: PaperApp) -> None:
    for value in range(10):
        add(app, value, value).apply_async(priority=value)


def by_name(app: PaperApp) -> None:
    app.sig("some.remote", 1).apply_async(kwargs={"a": 2})


def stamped(app: PaperApp) -> None:
    sig = add(app, 2, 3)
    sig.stamp(Monitoring())
    sig.delay()


def stamped_group(app: PaperApp) -> None:
    group(add(app, 2, 3), add(app, 1, 1)).stamp(Monitoring()).apply_async()


def stamped_by_keyword(app: PaperApp) -> None:
    add(app, 2, 3).stamp(customer="acme").delay()


def v1_link(app: PaperApp) -> None:
    add(app, 2, 3).apply_async(link=app.sig("proj.mul", 5), expires=ETA, expiration_ms=98388378615)


def v1_chain(app: PaperApp) -> None:
    (add(app, 1, 2) | app.sig("proj.mul", 3)).delay()


CALLS: dict[str, Callable[[PaperApp], None]] = {
    "send_plain": plain,
    "send_kwargs": with_kwargs,
    "send_limits": with_options(priority=7, time_limit=30, soft_time_limit=20, ignore_result=True),
    "send_chain": a_chain,
    "send_chain_group_task": a_chain_with_a_group,
    "send_chord": a_chord,
    "send_chunks": some_chunks,
    "send_countdown": with_options(eta=SOON),
    "send_eta": with_options(eta=ETA),
    "send_eta_naive": with_options(eta=ETA.replace(tzinfo=None)),
    "send_eta_offset": with_options(eta=ETA.astimezone(timezone(timedelta(hours=5, minutes=30)))),
    "send_expires_dt": with_options(expires=ETA, expiration_ms=98388467596),
    "send_expires_s": with_options(expires=SOON, expiration_ms=3600000),
    "send_group": a_group,
    "send_gzip": with_options(compression="gzip"),
    "send_json_types": json_types,
    "send_link": links,
    "send_link_multi": many_links,
    "send_map": a_map,
    "send_msgpack": with_options(serializer="msgpack"),
    "send_pickle": with_options(serializer="pickle"),
    "send_priority_steps": priorities,
    "send_proto1": v1_link,
    "send_proto1_chain": v1_chain,
    "send_queue": with_options(queue="other"),
    "send_replyto": with_options(reply_to="my-reply", correlation_id="corr-1"),
    "send_send_task": by_name,
    "send_stamp": stamped,
    "send_stamp_group": stamped_group,
    "send_stamp_kw": stamped_by_keyword,
    "send_starmap": a_starmap,
    "send_yaml": with_options(serializer="yaml"),
}


@pytest.mark.parametrize("path", files("send_*.json"), ids=name_of)
def test_the_same_call_gives_the_same_messages(path: Path) -> None:
    """A call gives the messages that were recorded of it, in their order."""
    app = PaperApp(protocol=1 if path.parent.name.endswith("_v1") else 2)
    for name in TASKS:
        app.task(name)
    recorded = messages(path)

    CALLS[path.stem](app)

    built = app.messages()
    if path.stem == "send_priority_steps":
        # Recorded one of each list that Redis keeps for priorities, as the lists came.
        priorities_of = [each.properties["priority"] for each in recorded]
        by_priority = {each.properties["priority"]: each for each in built}
        built = [by_priority[priority] for priority in priorities_of]
    in_order = path.stem != "send_yaml"  # which sorts keys
    assert comparable(built, in_order=in_order) == comparable(recorded, in_order=in_order)


def test_a_chord_tells_the_store_its_size_before_its_header_is_sent() -> None:
    """The id in ``open_chord`` is the group of the members, the size their number."""
    app = PaperApp()

    a_chord(app)

    assert app.store.opened == [(app.sent[0].group, 2, 7 * 86_400.0)]


def test_a_text_chosen_for_the_arguments_is_a_property_too() -> None:
    """Recorded on Redis: ``argsrepr`` given by the caller is a header and a property."""
    app = PaperApp()
    (recorded,) = messages(next(path for path in files("send_kwargs.json") if "redis" in str(path)))

    with_kwargs(app)

    assert app.messages()[0].properties["argsrepr"] == recorded.properties["argsrepr"]
