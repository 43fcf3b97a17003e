"""What keys and certificates share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import cryptography.exceptions
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding

from taskq.errors import SecurityError

__all__ = ["get_digest_algorithm", "reraise_errors", "signature_padding"]

# What cryptography raises of keys, certificates and signatures that are not what they should be.
_WRONG: Final = (
    cryptography.exceptions.InvalidSignature,
    cryptography.exceptions.UnsupportedAlgorithm,
    ValueError,
    TypeError,
)


def get_digest_algorithm(digest: str = "sha256") -> hashes.HashAlgorithm:
    """Return a hash by its name."""
    made: hashes.HashAlgorithm = getattr(hashes, digest.upper())()
    return made


def signature_padding(digest: hashes.HashAlgorithm) -> padding.PSS:
    """Return how a signature is padded, which both sides must agree on: as Celery does."""
    return padding.PSS(mgf=padding.MGF1(digest), salt_length=padding.PSS.MAX_LENGTH)


@contextmanager
def reraise_errors(
    msg: str = "{0!r}", errors: tuple[type[BaseException], ...] | None = None
) -> Iterator[None]:
    """Raise ``SecurityError`` where something is wrong with keys, certificates or signatures."""
    caught = errors or _WRONG
    try:
        yield
    except caught as error:
        raise SecurityError(msg.format(error)) from error
