"""What ``docs/reference/settings.md`` says, made of the table; a test compares the two."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from types import ModuleType
from typing import Any, Final

from taskq.conf.kinds import Setting
from taskq.conf.settings import GROUPS

INTRODUCTION: Final = """\
# Settings

Written out of the table in `taskq/conf`. Change it there, then run
`python -c "import taskq.conf.reference as r; print(r.page())" > docs/reference/settings.md`.

Settings are given as attributes and items of `app.conf`, by `app.conf.update(...)`, and by
`app.config_from_object(...)`: a module, an object or a mapping, or the name of one, also
`"django.conf:settings"` with `namespace="CELERY"`. What wins, from strong to weak: the environment
variables below, what is assigned, what the constructor of the app is given, the source of
`config_from_object`, `add_defaults`, the defaults of this page.

The upper-case names of old are honoured; names of old and names of today in one source are an
error. A name that begins like one of these and is none is warned of, with the nearest name that
there is. A value that cannot be meant is an error that names the setting, the value and the source.

| environment variable | setting |
|---|---|
| `TASKQ_BROKER_URL`, `CELERY_BROKER_URL` | `broker_url` |
| `TASKQ_BROKER_READ_URL`, `CELERY_BROKER_READ_URL` | `broker_read_url` |
| `TASKQ_BROKER_WRITE_URL`, `CELERY_BROKER_WRITE_URL` | `broker_write_url` |
| `TASKQ_RESULT_BACKEND`, `CELERY_RESULT_BACKEND` | `result_backend` |

An app that is given no configuration reads the module that `TASKQ_CONFIG_MODULE` or
`CELERY_CONFIG_MODULE` names. A program that makes no app at all gets one when it first uses
`current_app`; that one reads the same, else the module `celeryconfig` if there is one.

`conf.humanize()` and `conf.table()` show what is set, with stars for values whose name contains
API, TOKEN, KEY, SECRET, PASS, SIGNATURE or DATABASE, and for passwords in URLs.
"""


def page() -> str:
    """Return the text of the page."""
    return "\n".join([INTRODUCTION, *(_group(group) for group in GROUPS)]).rstrip()


def _group(group: ModuleType) -> str:
    title = str(group.__doc__).rstrip(".")
    return "\n".join([f"## {title}\n", *_rows(group.ROWS)])


def _rows(rows: tuple[Setting, ...]) -> Iterator[str]:
    yield "| setting | type | default | meaning | old name |"
    yield "|---|---|---|---|---|"
    for row in rows:
        old = ", ".join(f"`{name}`" for name in row.old_names)
        cells = (f"`{row.name}`", row.kind.expected, _default(row.default), row.help, old)
        yield f"| {' | '.join(cells)} |"
    yield ""


def _default(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, timedelta):
        return f"{value.total_seconds():.0f} s"
    return f"`{value!r}`"
