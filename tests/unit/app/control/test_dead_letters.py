"""``app.dead_letters``: what the broker keeps of what was given up."""

from __future__ import annotations

import pytest

from taskq.app.dead_letters import PAGE, NoDeadLettersError
from taskq.ports import DeadLetter
from tests.unit.app.office import KeepingApp, OfficeApp


def letter(number: int) -> DeadLetter:
    return DeadLetter(str(number), None, "celery", "", "celery", "poison", "w1@host", 1.0)


@pytest.fixture
def full(app: KeepingApp) -> KeepingApp:
    app.office.letters = [letter(number) for number in range(PAGE + 5)]
    return app


def test_they_are_listed_and_counted(full: KeepingApp) -> None:
    """A page at a time, or all."""
    letters = full.dead_letters

    assert [one.letter_id for one in letters.list(2, offset=1)] == ["1", "2"]
    assert letters.count() == len(letters) == PAGE + 5
    assert [one.letter_id for one in letters] == [str(number) for number in range(PAGE + 5)]


def test_one_that_comes_meanwhile_hides_none(full: KeepingApp) -> None:
    """It shifts those behind it; none is told twice."""
    seen: list[str] = []
    for one in full.dead_letters:
        if not seen:
            full.office.letters.insert(0, letter(9999))
        seen.append(one.letter_id)

    assert seen == [str(number) for number in range(PAGE + 5)]


def test_one_can_be_looked_at(full: KeepingApp) -> None:
    """None where it is not there."""
    assert full.dead_letters.show("3") == letter(3)
    assert full.dead_letters.show("x") is None


def test_they_are_sent_again_or_thrown_away(full: KeepingApp) -> None:
    """Some, or all."""
    letters = full.dead_letters
    replayed = letters.replay("1", "2"), letters.replay(all=True)
    purged = letters.purge("1", "2"), letters.purge(all=True)

    assert full.office.replayed == [("1", "2"), None]
    assert replayed == (PAGE + 5, PAGE + 5)
    assert purged == (2, PAGE + 3)


def test_all_must_be_said(full: KeepingApp) -> None:
    """An empty list of ids is not all of them."""
    with pytest.raises(ValueError, match="say all=True"):
        full.dead_letters.purge()
    with pytest.raises(ValueError, match="not both"):
        full.dead_letters.purge("1", all=True)


def test_a_broker_that_keeps_none_says_so() -> None:
    """And which do."""
    with (
        OfficeApp("plain", set_as_current=False) as plain,
        pytest.raises(NoDeadLettersError, match=r"office://.*keeps no dead letters"),
    ):
        plain.dead_letters.count()
