"""Pools by their names, what they need, and the limits that they do not keep."""

from __future__ import annotations

import subprocess
import sys
import threading
from types import SimpleNamespace
from typing import Any

import pytest

from taskq import TaskQ
from taskq.adapters.clock import SystemClock
from taskq.adapters.pools.gevent import GeventPool
from taskq.adapters.pools.prefork import PreforkPool
from taskq.adapters.pools.solo import SoloPool
from taskq.adapters.pools.threads import ThreadsPool
from taskq.errors import ImproperlyConfigured
from taskq.ports import Pool
from taskq.wiring.patching import patch_for, pool_in
from taskq.wiring.pools import find_pool, limits_not_kept, pool_maker


def make(name: str, tasks: Any = None, told: Any = None, **settings: Any) -> Pool:
    app = TaskQ("pools", set_as_current=False, changes={"broker_url": "memory://", **settings})
    row = find_pool(name)
    return pool_maker(row, clock=SystemClock(), conf=app.conf, told=told or {}, tasks=tasks or {})(
        lambda _slot: None
    )


def test_limits_are_those_of_the_command_line_before_those_of_the_settings() -> None:
    """Soft and hard, as ``inspect stats`` shows them; 0 where there is none."""
    pool = make("threads", told={"time_limit": 9.0}, task_time_limit=5.0, task_soft_time_limit=3.0)

    assert pool.describe()["timeouts"] == [3.0, 9.0]
    assert make("prefork").describe()["timeouts"] == [0, 0]


@pytest.mark.parametrize(
    ("name", "keeps"),
    [
        ("prefork", (True, True)),
        ("threads", (True, True)),
        ("asyncio", (True, True)),
        ("gevent", (True, True)),
        ("eventlet", (True, True)),
        ("solo", (False, True)),
    ],
)
def test_each_pool_says_which_limits_it_keeps(name: str, keeps: tuple[bool, bool]) -> None:
    """Hard, soft; solo keeps the soft one in the main thread alone."""
    assert make(name).keeps_limits == keeps


def test_a_limit_that_a_pool_does_not_keep_is_said_at_the_start(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Of the worker, or of tasks, which are named."""
    tasks = {
        "b": SimpleNamespace(time_limit=3, soft_time_limit=None),
        "a": SimpleNamespace(time_limit=3, soft_time_limit=1),
        "c": SimpleNamespace(time_limit=None, soft_time_limit=1),
    }
    make("solo", tasks)

    advice = "has no effect; use the pools prefork, threads or asyncio"
    assert caplog.messages == [f"SoloPool keeps no hard time limits: that of a, b {advice}"]
    caplog.clear()
    make("solo", tasks, {"time_limit": 5})
    assert caplog.messages == [f"SoloPool keeps no hard time limits: that of all tasks {advice}"]


def test_no_limit_is_complained_about_where_none_was_set(caplog: pytest.LogCaptureFixture) -> None:
    """Nor where the pool keeps them."""
    unlimited = {"a": SimpleNamespace(time_limit=None, soft_time_limit=None)}
    make("solo", unlimited)
    make("prefork", told={"time_limit": 5, "soft_time_limit": 3})

    assert caplog.messages == []


def test_beside_the_main_thread_the_solo_pool_keeps_no_limit() -> None:
    """Both are said."""
    lines: list[str] = []

    def ask() -> None:
        lines.extend(limits_not_kept(SoloPool(clock=SystemClock()), (1.0, 2.0), {}))

    thread = threading.Thread(target=ask)
    thread.start()
    thread.join()

    assert [line.split(" time")[0] for line in lines] == [
        "SoloPool keeps no soft",
        "SoloPool keeps no hard",
    ]


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("worker -P gevent -c 10", "gevent"),
        ("worker -Pgevent", "gevent"),
        ("worker --pool eventlet", "eventlet"),
        ("worker --pool=eventlet -l info", "eventlet"),
        ("worker -P threads -P gevent", "gevent"),
        ("worker --purge -p x", None),
        ("worker -P", ""),
        ("", None),
    ],
)
def test_a_command_line_names_its_pool(line: str, found: str | None) -> None:
    """In each form that the option may have."""
    assert pool_in(line.split()) == found


def test_a_pool_of_greenlets_without_patches_says_what_that_means(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """It works, but not as anybody wants."""
    assert type(make("gevent")) is GeventPool

    [line] = caplog.messages
    assert "not patched for gevent" in line
    assert "taskq worker -P gevent" in line


def test_a_library_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the line that installs it, and before anything is started."""
    monkeypatch.setitem(sys.modules, "gevent", None)

    with pytest.raises(ImproperlyConfigured, match=r"pip install 'taskq\[gevent\]'"):
        make("gevent")
    with pytest.raises(ImproperlyConfigured, match=r"pip install 'taskq\[gevent\]'"):
        patch_for("gevent")


@pytest.mark.parametrize("library", ["gevent", "eventlet"])
def test_a_process_is_patched_for_the_pool_of_its_worker_alone(library: str) -> None:
    """Once, and for no other command and no other pool."""
    script = f"""
import socket, sys
plain = socket.socket
from taskq.wiring.patching import is_patched_for, patch_as_told
patch_as_told(["-A", "proj", "purge", "-P", {library!r}], {{}})
patch_as_told(["-A", "proj", "worker", "-P", "threads"], {{"CELERY_WORKER_POOL": {library!r}}})
patch_as_told(["-A", "proj", "worker"], {{}})
assert socket.socket is plain and {library!r} not in sys.modules
patch_as_told(["-A", "proj", "worker"], {{"CELERY_WORKER_POOL": {library!r}}})
assert is_patched_for({library!r}) and socket.socket is not plain
patched = socket.socket
patch_as_told(["-A", "proj", "worker", "-P", {library!r}], {{}})
assert socket.socket is patched
"""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script], check=False, capture_output=True, text=True
    )

    assert (done.returncode, done.stderr) == (0, "")


def test_other_names_stand_for_the_same_pools() -> None:
    """``processes`` is ``prefork``; a path is a class."""
    path = "taskq.adapters.pools.threads:ThreadsPool"

    assert type(make("processes")) is PreforkPool
    assert type(make(path)) is ThreadsPool
