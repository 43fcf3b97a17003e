"""Hides secrets: by the name under which a value stands, and inside URLs.

``sanitize_url`` is the one function for URLs; whatever is shown to people (banner, log, report,
errors, ``conf.humanize()``) goes through it.  It hides too much rather than too little.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

MASK: Final = "**"
STARS: Final = "********"

SECRET_NAME: Final = re.compile(r"API|TOKEN|KEY|SECRET|PASS|SIGNATURE|DATABASE", re.IGNORECASE)

# How deep a value is looked into; what is deeper is hidden as a whole.
DEPTH_LIMIT: Final = 20

_SCHEME: Final = r"[a-zA-Z][a-zA-Z0-9+.\-]*://"
_URL: Final = re.compile(rf"{_SCHEME}[^\s<>]*")
# Several URLs in one text: after a separator another one begins.
_BETWEEN: Final = re.compile(rf"(?<=[;,|'\"])(?=\W*{_SCHEME})")
_HOST_AND_QUERY: Final = re.compile(r"[\w.\-:,\[\]]+(?:/[^?]*)?\?[\w.\-]+=")
_SECRET_PARAMETER: Final = re.compile(
    r"([?&;][^=&;#\s]*(?:token|secret|pass|signature|api_?key|access_?key)[^=&;#\s]*=)[^&;#\s'\"]+",
    re.IGNORECASE,
)


def sanitize_url(url: Any, mask: str = MASK) -> str:
    """Return the URL, or the text with URLs in it, with its passwords masked."""
    text = url.decode("utf-8", "replace") if isinstance(url, bytes) else str(url)
    if "://" not in text:
        return text
    return _URL.sub(lambda found: _sanitize_run(found[0], mask), text)


def _sanitize_run(run: str, mask: str) -> str:
    return "".join(_sanitize_one(part, mask) for part in _BETWEEN.split(run))


def _sanitize_one(url: str, mask: str) -> str:
    scheme, _, rest = url.partition("://")
    return scheme + "://" + _SECRET_PARAMETER.sub(rf"\g<1>{mask}", _mask_userinfo(rest, mask))


def _mask_userinfo(rest: str, mask: str) -> str:
    # A password may hold unescaped "/", "?" and "@": the last "@" ends it, unless that one stands
    # in what can only be a query after what can only be a host.
    query = rest.find("?")
    end = rest.rfind("@", 0, query) if query >= 0 else -1
    if end < 0 or not _HOST_AND_QUERY.match(rest, end + 1):
        end = rest.rfind("@")
    user, colon, _ = rest[: max(end, 0)].partition(":")
    if not colon or (query >= 0 and query < len(user)):
        return rest
    return f"{user}:{mask}{rest[end:]}"


def is_secret(name: Any) -> bool:
    """Whether a value under this name is shown to nobody."""
    return isinstance(name, str) and SECRET_NAME.search(name) is not None


def censor(name: Any, value: Any, depth: int = 0) -> Any:
    """Return what may be shown of a value that stands under a name."""
    if value is None or isinstance(value, bool):
        return value
    if is_secret(name):
        return STARS
    if depth > DEPTH_LIMIT:
        return STARS
    return _censor_inside(value, depth + 1)


def _censor_inside(value: Any, depth: int) -> Any:
    if isinstance(value, str | bytes):
        return sanitize_url(value) if _has_url(value) else value
    if isinstance(value, Mapping):
        return {key: censor(key, inner, depth) for key, inner in value.items()}
    if isinstance(value, tuple) and not hasattr(value, "_fields"):
        return tuple(censor(None, inner, depth) for inner in value)
    if isinstance(value, list | set | frozenset):
        return [censor(None, inner, depth) for inner in value]
    return value


def _has_url(value: str | bytes) -> bool:
    return (b"://" if isinstance(value, bytes) else "://") in value  # type: ignore[operator]  # the two go together
