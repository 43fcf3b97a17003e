"""Exceptions that cannot be serialized, or not be made again, in whole workers."""

from __future__ import annotations

import pytest

from tests.real.failures.conftest import Load, Servers

ERRORS = {
    "NeedsMore": "3: why",
    "HasALock": "locked",
    "Local": "nobody can import me",
    "ValueError": "a function",
}


@pytest.fixture
def servers(redis_url: str) -> Servers:
    """One broker is enough: they do not differ in what this is about."""
    return Servers(redis_url, redis_url)


@pytest.mark.parametrize(
    ("pool", "serializer"), [("prefork", "json"), ("threads", "json"), ("prefork", "pickle")]
)
def test_an_error_that_cannot_travel_fails_its_own_task(
    load: Load, pool: str, serializer: str
) -> None:
    """The client gets one of the same name and text; the pool is as it was."""
    program = load(
        result_serializer=serializer,
        accept_content=["json"],
        result_accept_content=["json", "pickle"],
    )
    fails, echo = program.module.fails, program.module.echo
    with program.worker("-P", pool, "-c", "1") as running:
        results = {which: fails.delay(which) for which in ERRORS}
        raised = {
            which: result.get(timeout=60, propagate=False) for which, result in results.items()
        }
        assert echo.delay("fine").get(timeout=60) == "fine"
        assert running.stop() == 0

    assert {which: result.state for which, result in results.items()} == dict.fromkeys(
        ERRORS, "FAILURE"
    )
    assert {which: type(error).__name__ for which, error in raised.items()} == {
        which: which for which in ERRORS
    }
    for which, text in ERRORS.items():
        assert text in str(raised[which])
        assert which in str(results[which].traceback)
        with pytest.raises(Exception, match=text):
            results[which].get(timeout=10)
    assert "process of the pool is gone" not in running.text
