"""Every setting, as one typed table, and how values get into it."""

from __future__ import annotations

from taskq.conf.censor import censor, sanitize_url
from taskq.conf.configuration import Settings
from taskq.conf.kinds import Kind, Setting
from taskq.conf.settings import OLD, TABLE, canonical, nearest

__all__ = [
    "OLD",
    "TABLE",
    "Kind",
    "Setting",
    "Settings",
    "canonical",
    "censor",
    "nearest",
    "sanitize_url",
]
