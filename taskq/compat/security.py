"""``celery.security``: signed messages, for the current app."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from taskq.adapters.security import disable_untrusted_serializers
from taskq.current import app_or_default

__all__ = ["disable_untrusted_serializers", "setup_security"]


def setup_security(  # noqa: PLR0917 - Celery's signature
    allowed_serializers: Sequence[str] | None = None,
    key: str | None = None,
    key_password: str | bytes | None = None,
    cert: str | None = None,
    store: str | None = None,
    digest: str | None = None,
    serializer: str = "json",
    app: Any = None,
) -> None:
    """Sign what this process sends, and read only what somebody known has signed."""
    app_or_default(app).setup_security(
        allowed_serializers, key, key_password, cert, store, digest, serializer
    )
