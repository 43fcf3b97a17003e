"""Celery's module of pools, as programs ask it."""

from __future__ import annotations

import pytest

from taskq.adapters.pools.prefork import PreforkPool
from taskq.adapters.pools.solo import SoloPool
from taskq.adapters.pools.threads import ThreadsPool
from taskq.compat import concurrency
from taskq.compat.celery import resolve

CELERYS = {"prefork", "eventlet", "gevent", "solo", "processes", "threads", "custom"}


def test_the_module_has_celerys_names_of_pools() -> None:
    """All of Celery's, and ours."""
    assert set(concurrency.get_available_pool_names()) == {*CELERYS, "asyncio"}
    assert resolve("celery.concurrency").ALIASES is concurrency.ALIASES


@pytest.mark.parametrize(
    ("name", "pool"), [("prefork", PreforkPool), ("processes", PreforkPool), ("solo", SoloPool)]
)
def test_a_name_stands_for_a_class(name: str, pool: type) -> None:
    """A class stands for itself."""
    assert concurrency.get_implementation(name) is pool
    assert concurrency.get_implementation(pool) is pool


def test_a_pool_of_the_user_s_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """``custom`` is what the environment says."""
    monkeypatch.setenv("CELERY_CUSTOM_WORKER_POOL", "taskq.adapters.pools.threads:ThreadsPool")

    assert concurrency.get_implementation("custom") is ThreadsPool
