"""The table of settings: its rows, its names of old, and its page in the reference."""

from __future__ import annotations

from pathlib import Path

import pytest

from taskq.conf import OLD, TABLE, Setting, canonical, nearest
from taskq.conf.reference import page
from taskq.conf.settings import GROUPS

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "settings.md"


def test_no_setting_stands_in_two_groups() -> None:
    """Each setting has exactly one row."""
    assert sum(len(group.ROWS) for group in GROUPS) == len(TABLE)


def test_no_old_name_means_two_settings() -> None:
    """Each name of old belongs to one setting, and none is a setting of today."""
    claimed = [old for row in TABLE.values() for old in row.old_names]

    assert len(claimed) == len(set(claimed)) == len(OLD)
    assert not set(OLD) & set(TABLE)


@pytest.mark.parametrize("row", TABLE.values(), ids=lambda row: row.name)
def test_each_default_is_of_its_own_kind(row: Setting) -> None:
    """A default is accepted by the kind of its row, unchanged, and has a line of help."""
    assert row.kind.accept(row.default) == row.default
    assert row.help.endswith(".")
    assert row.help[0].isupper() or not row.help[0].isalpha()


def test_a_default_that_can_be_changed_in_place_is_never_shared() -> None:
    """Two askers of a mapping default get two mappings."""
    row = TABLE["beat_schedule"]

    assert row.fresh_default() is not row.fresh_default()


def test_names_of_old_lead_to_names_of_today() -> None:
    """An upper-case name means the setting that took its place; any other name means itself."""
    assert canonical("CELERYD_CONCURRENCY") == "worker_concurrency"
    assert canonical("CELERY_ENABLE_UTC") == canonical("ENABLE_UTC") == "enable_utc"
    assert canonical("worker_concurrency") == "worker_concurrency"
    assert canonical("MY_OWN") == "MY_OWN"


def test_a_near_miss_is_recognised() -> None:
    """A name that is almost a setting, of today or of old, leads to it; a strange one to none."""
    assert nearest("task_ack_late") == "task_acks_late"
    assert nearest("CELERY_ACK_LATE") == "task_acks_late"
    assert nearest("zzz") is None


def test_the_reference_says_what_the_table_says() -> None:
    """docs/reference/settings.md is the table, word for word."""
    assert PAGE.read_text(encoding="utf-8") == page() + "\n", (
        "docs/reference/settings.md is not what the table says;"
        " its second paragraph says how to write it again"
    )
