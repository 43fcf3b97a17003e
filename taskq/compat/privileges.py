"""The user and group of this process, as ``celery.platforms`` names it."""

from __future__ import annotations

import grp
import os
import pwd
from collections.abc import Sequence

from taskq.runtime import process

__all__ = [
    "initgroups",
    "maybe_drop_privileges",
    "parse_gid",
    "parse_uid",
    "setgid",
    "setgroups",
    "setuid",
]


def parse_uid(uid: str | int) -> int:
    """Return the number of a user, given it or the name; raises ``KeyError``."""
    try:
        return int(uid)
    except ValueError:
        pass
    try:
        return pwd.getpwnam(str(uid)).pw_uid
    except KeyError:
        raise KeyError(f"User does not exist: {uid}") from None


def parse_gid(gid: str | int) -> int:
    """Return the number of a group, given it or the name; raises ``KeyError``."""
    try:
        return int(gid)
    except ValueError:
        pass
    try:
        return grp.getgrnam(str(gid)).gr_gid
    except KeyError:
        raise KeyError(f"Group does not exist: {gid}") from None


def setuid(uid: str | int) -> None:
    """Be another user."""
    os.setuid(parse_uid(uid))


def setgid(gid: str | int) -> None:
    """Be of another group."""
    os.setgid(parse_gid(gid))


def setgroups(groups: Sequence[int]) -> None:
    """Be of these groups too; as many of them as the system allows."""
    most = os.sysconf("SC_NGROUPS_MAX")
    os.setgroups(list(groups)[:most] if most > 0 else list(groups))


def initgroups(uid: int, gid: int) -> None:
    """Be of the groups of a user, and of one more."""
    os.initgroups(pwd.getpwuid(uid).pw_name, gid)


def maybe_drop_privileges(uid: str | int | None = None, gid: str | int | None = None) -> None:
    """Give up the rights of this user for those of another, for good, if one is given."""
    process.become(uid, gid)
