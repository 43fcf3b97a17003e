"""Signatures as data, for serializers that would write their class.

What follows a task travels beside its arguments, and is read by workers of either library: one
that has no taskq cannot make a class of ours.  Arguments are the user's, and stay what they are.
"""

from __future__ import annotations

from typing import Any, Final

from taskq.canvas.signature import Signature

__all__ = ["FOLLOWERS", "plain", "with_plain_followers"]

# Where a message, of either protocol, says what follows.
FOLLOWERS: Final = ("callbacks", "errbacks", "chain", "chord")


def plain(value: Any) -> Any:
    """Return the same tree with dicts in the place of signatures; other objects are kept."""
    if isinstance(value, Signature) or type(value) is dict:
        return {name: plain(each) for name, each in value.items()}
    if type(value) in (list, tuple):
        return type(value)(plain(each) for each in value)
    return value


def with_plain_followers(body: Any) -> Any:
    """Return the body of a message, of either protocol, whose followers are data."""
    if isinstance(body, dict):
        return body | {name: plain(body.get(name)) for name in FOLLOWERS}
    args, kwargs, embed = body
    return args, kwargs, {name: plain(each) for name, each in embed.items()}
