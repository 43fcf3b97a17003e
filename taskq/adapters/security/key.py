"""The private key that signs."""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import HashAlgorithm
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from taskq.adapters.security.utils import reraise_errors, signature_padding

__all__ = ["PrivateKey"]


class PrivateKey:
    """An RSA key, as PEM."""

    def __init__(self, key: str | bytes, password: str | bytes | None = None) -> None:
        with reraise_errors("Invalid private key: {0!r}"):
            found = load_pem_private_key(_bytes(key), _bytes(password) if password else None)
            if not isinstance(found, RSAPrivateKey):
                raise ValueError(f"only RSA keys are supported, not {type(found).__name__}")  # noqa: TRY004 - as cryptography
        self._key = found

    def sign(self, data: str | bytes, digest: HashAlgorithm) -> bytes:
        """Return the signature of bytes."""
        with reraise_errors("Unable to sign data: {0!r}"):
            return self._key.sign(_bytes(data), signature_padding(digest), digest)


def _bytes(value: str | bytes) -> bytes:
    return value.encode() if isinstance(value, str) else value
