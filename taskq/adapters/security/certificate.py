"""The certificates of those who are believed."""

from __future__ import annotations

import glob
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import HashAlgorithm
from cryptography.x509 import load_pem_x509_certificate

from taskq.adapters.security.utils import get_digest_algorithm, reraise_errors, signature_padding
from taskq.errors import SecurityError

__all__ = ["CertStore", "Certificate", "FSCertStore"]


class Certificate:
    """An X.509 certificate of an RSA key, as PEM."""

    def __init__(self, cert: str | bytes) -> None:
        with reraise_errors("Invalid certificate: {0!r}"):
            self._cert = load_pem_x509_certificate(cert.encode() if isinstance(cert, str) else cert)
            found = self._cert.public_key()
            if not isinstance(found, RSAPublicKey):
                raise ValueError(f"only RSA keys are supported, not {type(found).__name__}")  # noqa: TRY004 - as cryptography
        self._key = found

    def has_expired(self) -> bool:
        """Whether its time is over."""
        return datetime.now(UTC) >= self._cert.not_valid_after_utc

    def get_pubkey(self) -> RSAPublicKey:
        """Return the public key."""
        return self._key

    def get_serial_number(self) -> int:
        """Return its number."""
        return self._cert.serial_number

    def get_issuer(self) -> str:
        """Return the names of who gave it out."""
        return " ".join(str(name.value) for name in self._cert.issuer)

    def get_id(self) -> str:
        """Return what a message calls it: issuer and number."""
        return f"{self.get_issuer()} {self.get_serial_number()}"

    def verify(self, data: bytes, signature: bytes, digest: HashAlgorithm | str) -> None:
        """Raise ``SecurityError`` unless the signature is of this certificate's key."""
        algorithm = get_digest_algorithm(digest) if isinstance(digest, str) else digest
        with reraise_errors("Bad signature: {0!r}"):
            self._key.verify(signature, data, signature_padding(algorithm), algorithm)


class CertStore:
    """Certificates by what messages call them."""

    def __init__(self) -> None:
        self._certs: dict[str, Certificate] = {}

    def itercerts(self) -> Iterator[Certificate]:
        """Return all of them."""
        return iter(self._certs.values())

    def __getitem__(self, id: str) -> Certificate:  # noqa: A002 - Celery's name
        try:
            return self._certs[id]
        except KeyError:
            raise SecurityError(f"Unknown certificate: {id!r}") from None

    def add_cert(self, cert: Certificate) -> None:
        """Take in one more."""
        name = cert.get_id()
        if name in self._certs:
            raise SecurityError(f"Duplicate certificate: {name!r}")
        self._certs[name] = cert


class FSCertStore(CertStore):
    """The certificates of a directory, or of the files that a pattern fits."""

    def __init__(self, path: str) -> None:
        super().__init__()
        pattern = str(Path(path) / "*") if Path(path).is_dir() else path
        for file in sorted(glob.glob(pattern)):  # noqa: PTH207 - a pattern may be absolute
            cert = Certificate(Path(file).read_bytes())
            if cert.has_expired():
                raise SecurityError(f"Expired certificate: {cert.get_id()!r} in {file}")
            self.add_cert(cert)
