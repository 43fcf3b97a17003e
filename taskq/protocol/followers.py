"""What a message says will follow it: refused where it cannot be that.

A stranger may have written it, and the worker itself looks at it when a body cannot.  Called for
each message that names anything; most name nothing, and cost a glance.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from taskq.errors import InvalidTaskError

LISTS: Final = ("callbacks", "errbacks", "chain")
ONE: Final = "chord"
# Members of a group are numbered; what is no number of that size (one that a sorted set of Redis
# keeps exactly) would stop whoever counts.
MOST_INDEX: Final = 2**53
# Signatures in signatures: far deeper than anybody's workflow, and safe for a stack.
MOST_DEEP: Final = 200


def check_followers(group: Any, index: Any, embed: Any) -> None:
    """Raise ``InvalidTaskError`` that says which part is not what it should be."""
    if group is not None and type(group) is not str:
        raise InvalidTaskError(f"its group is {_kind(group)}, not an id")
    if index is not None and not is_index(index):
        raise InvalidTaskError(f"its group_index is {_kind(index)}, not a place in a group")
    if not embed:
        return
    if not isinstance(embed, dict):
        raise InvalidTaskError(f"what follows it is {_kind(embed)}, not a mapping")
    for name in LISTS:
        if given := embed.get(name):
            _check_list(given, name, 0)
    if given := embed.get(ONE):
        _check_signature(given, ONE, 0)


def _check_list(given: Any, where: str, depth: int) -> None:
    # One alone is written without a list by some.
    if isinstance(given, Mapping):
        given = [given]
    if not isinstance(given, list | tuple):
        raise InvalidTaskError(f"its {where} is {_kind(given)}, not a list of signatures")
    for each in given:
        _check_signature(each, where, depth)


def _check_signature(given: Any, where: str, depth: int) -> None:
    if depth > MOST_DEEP:
        raise InvalidTaskError(f"its {where} is nested more than {MOST_DEEP} deep")
    if not isinstance(given, Mapping) or not isinstance(given.get("task"), str):
        raise InvalidTaskError(f"its {where} has {_kind(given)} that names no task")
    for name, wanted in (("args", list | tuple), ("kwargs", Mapping), ("options", Mapping)):
        value = given.get(name)
        if value is not None and not isinstance(value, wanted):
            raise InvalidTaskError(f"its {where} has a signature whose {name} is {_kind(value)}")
    _check_options(given.get("options") or {}, where, depth + 1)


def _check_options(options: Mapping[str, Any], where: str, depth: int) -> None:
    for name in ("task_id", "group_id", "root_id", "parent_id"):
        value = options.get(name)
        if value is not None and not isinstance(value, str):
            raise InvalidTaskError(f"its {where} has a {name} that is {_kind(value)}, not an id")
    index = options.get("group_index")
    if index is not None and not is_index(index):
        raise InvalidTaskError(
            f"its {where} has a group_index that is {_kind(index)}, not a place in a group"
        )
    for name in ("link", "link_error", "chain"):
        if given := options.get(name):
            _check_list(given, f"{where}.{name}", depth)
    if given := options.get(ONE):
        _check_signature(given, f"{where}.{ONE}", depth)


def is_index(value: Any) -> bool:
    """Whether that can be the place of a member in its group."""
    return type(value) is int and 0 <= value < MOST_INDEX


def _kind(value: Any) -> str:
    return f"{type(value).__name__} {value!r:.40}"
