"""Signed messages: the serializer ``auth``, and the keys and certificates behind it.

Only who has a private key can make a message, and only one whose certificate is in the store is
believed.  Nothing is encrypted.  Needs the extra ``auth``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Final

from kombu.serialization import registry

from taskq.errors import ImproperlyConfigured

__all__ = ["disable_untrusted_serializers", "setup_security"]

SERIALIZER: Final = "auth"
NEEDED: Final = ("security_key", "security_certificate", "security_cert_store")


def disable_untrusted_serializers(whitelist: Iterable[str] | None = None) -> None:
    """Let kombu read what these serializers write, and nothing else."""
    for name in set(registry.name_to_type) - set(whitelist or ()):
        registry.disable(name)
    for name in whitelist or ():
        registry.enable(name)


def setup_security(  # noqa: PLR0917 - Celery's signature
    conf: Any,
    allowed_serializers: Sequence[str] | None = None,
    key: str | None = None,
    key_password: str | bytes | None = None,
    cert: str | None = None,
    store: str | None = None,
    digest: str | None = None,
    serializer: str = "json",
) -> None:
    """Sign what is sent, and read what is signed; files are given by their paths, or by settings.

    Raises ``ImproperlyConfigured`` where messages would be sent, or read, that are not signed.
    """
    disable_untrusted_serializers(allowed_serializers)
    refuse_unsigned(conf)
    given = {
        "security_key": key or conf.security_key,
        "security_certificate": cert or conf.security_certificate,
        "security_cert_store": store or conf.security_cert_store,
    }
    lacking = [name for name in NEEDED if not given[name]]
    if lacking:
        raise ImproperlyConfigured(
            f"messages cannot be signed: {' and '.join(lacking)} must name files"
        )
    # The registry of kombu is that of the process: what is signed is signed for all its apps.
    _registration()(
        Path(given["security_key"]).read_text(encoding="utf-8"),
        key_password or conf.security_key_password,
        Path(given["security_certificate"]).read_text(encoding="utf-8"),
        given["security_cert_store"],
        digest or conf.security_digest,
        serializer,
    )
    registry._set_default_serializer(SERIALIZER)  # noqa: SLF001 - kombu's way


def refuse_unsigned(conf: Any) -> None:
    """Raise where the settings let messages through that are not signed."""
    if conf.task_serializer != SERIALIZER or list(conf.accept_content or ()) != [SERIALIZER]:
        raise ImproperlyConfigured(
            "signing has an effect only with task_serializer = 'auth' and accept_content ="
            f" ['auth']; they are {conf.task_serializer!r} and {conf.accept_content!r}"
        )


def _registration() -> Callable[..., None]:
    try:
        from taskq.adapters.security.serialization import register_auth  # noqa: PLC0415 - optional
    except ImportError as error:
        raise ImproperlyConfigured(
            "signing messages needs the library cryptography; pip install 'taskq[auth]'"
        ) from error
    return register_auth
