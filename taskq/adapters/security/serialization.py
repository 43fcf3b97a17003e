"""The serializer ``auth``: another serializer's bytes, who signed them, and the signature.

On the wire, as Celery has it: in base64, five parts between the bytes 0 and 1: the certificate's
id and the signature (each in base64 again), the content type and encoding of the body, the body.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from typing import Any, Final

from cryptography.hazmat.primitives.hashes import HashAlgorithm
from kombu.serialization import dumps, loads, registry

from taskq.adapters.security.certificate import Certificate, CertStore, FSCertStore
from taskq.adapters.security.key import PrivateKey
from taskq.adapters.security.utils import get_digest_algorithm
from taskq.errors import SecurityError

__all__ = ["SecureSerializer", "register_auth"]

SEPARATOR: Final = b"\x00\x01"
PARTS: Final = 5
CONTENT_TYPE: Final = "application/data"


class SecureSerializer:
    """Signs what it writes, and reads only what somebody of the store has signed."""

    def __init__(
        self,
        key: PrivateKey | None = None,
        cert: Certificate | None = None,
        cert_store: CertStore | None = None,
        digest: str = "sha256",
        serializer: str = "json",
    ) -> None:
        self._key, self._cert, self._cert_store = key, cert, cert_store
        self._digest: HashAlgorithm = get_digest_algorithm(digest)
        self._serializer = serializer

    def serialize(self, data: Any) -> str:
        """Return a value as signed text."""
        if self._key is None or self._cert is None:
            raise SecurityError("there is no key to sign with, or no certificate of it")
        content_type, encoding, body = dumps(data, serializer=self._serializer)
        body = body.encode() if isinstance(body, str) else body
        parts = (
            b64encode(self._cert.get_id().encode()),
            b64encode(self._key.sign(body, self._digest)),
            content_type.encode(),
            encoding.encode(),
            body,
        )
        return b64encode(SEPARATOR.join(parts)).decode()

    def deserialize(self, data: str | bytes) -> Any:
        """Return the value; raises ``SecurityError`` unless it is signed by somebody we know."""
        if self._cert_store is None:
            raise SecurityError("there is no store of certificates to check signatures with")
        signer, signature, content_type, encoding, body = _taken_apart(data)
        self._cert_store[signer].verify(body, signature, self._digest)
        # What is signed is trusted, in whichever form it is.
        return loads(body, content_type, encoding, force=True)


def _taken_apart(data: str | bytes) -> tuple[str, bytes, str, str, bytes]:
    try:
        parts = b64decode(data, validate=True).split(SEPARATOR, PARTS - 1)
        signer, signature, content_type, encoding, body = parts
        return (
            b64decode(signer, validate=True).decode(),
            b64decode(signature, validate=True),
            content_type.decode(),
            encoding.decode(),
            body,
        )
    except ValueError as error:
        raise SecurityError(f"this is not a signed message: {error}") from error


def register_auth(  # noqa: PLR0917 - Celery's signature
    key: str | None = None,
    key_password: str | bytes | None = None,
    cert: str | None = None,
    store: str | None = None,
    digest: str = "sha256",
    serializer: str = "json",
) -> None:
    """Make the serializer ``auth`` known to kombu, from PEM texts and the path of a store."""
    made = SecureSerializer(
        PrivateKey(key, password=key_password) if key else None,
        Certificate(cert) if cert else None,
        FSCertStore(store) if store else None,
        digest,
        serializer,
    )
    registry.register(
        "auth",
        made.serialize,
        made.deserialize,
        content_type=CONTENT_TYPE,
        content_encoding="utf-8",
    )
