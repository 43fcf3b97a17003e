"""Signed messages: what is signed by somebody known is read, and nothing else."""

from __future__ import annotations

import base64
import datetime as dt
from pathlib import Path

import kombu.serialization
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from taskq import TaskQ
from taskq.adapters.security.certificate import Certificate, CertStore, FSCertStore
from taskq.adapters.security.key import PrivateKey
from taskq.adapters.security.serialization import SecureSerializer
from taskq.errors import ImproperlyConfigured, SecurityError

BEGIN = dt.datetime(2000, 1, 1, tzinfo=dt.UTC)


def make(name: str, *, days: int = 40_000, serial: int = 7) -> tuple[str, str]:
    """Make a key and its certificate."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    who = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    cert = (
        x509.CertificateBuilder()
        .subject_name(who)
        .issuer_name(who)
        .public_key(key.public_key())
        .serial_number(serial)
        .not_valid_before(BEGIN)
        .not_valid_after(BEGIN + dt.timedelta(days=days))
        .sign(key, hashes.SHA256())
    )
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return pem.decode(), cert.public_bytes(serialization.Encoding.PEM).decode()


@pytest.fixture(scope="module")
def known() -> tuple[str, str]:
    return make("known")


@pytest.fixture(scope="module")
def stranger() -> tuple[str, str]:
    return make("stranger")


def serializer(own: tuple[str, str], *trusted: tuple[str, str]) -> SecureSerializer:
    store = CertStore()
    for _key, cert in trusted:
        store.add_cert(Certificate(cert))
    return SecureSerializer(PrivateKey(own[0]), Certificate(own[1]), store, "sha256")


def test_what_is_signed_is_read(known: tuple[str, str]) -> None:
    """A value comes back from signed text."""
    signs = serializer(known, known)

    assert signs.deserialize(signs.serialize({"a": [1, None, "é"]})) == {"a": [1, None, "é"]}


def test_five_parts_as_celery_has_them(known: tuple[str, str]) -> None:
    """In base64: who, signature, content type, encoding, body; between the bytes 0 and 1."""
    parts = base64.b64decode(serializer(known, known).serialize([1])).split(b"\x00\x01")

    assert base64.b64decode(parts[0]) == b"known 7"
    assert parts[2:] == [b"application/json", b"utf-8", b"[1]"]


def test_a_stranger_is_not_read(known: tuple[str, str], stranger: tuple[str, str]) -> None:
    """A certificate that is not in the store counts for nothing."""
    signed = serializer(stranger, stranger).serialize([1])

    with pytest.raises(SecurityError, match="Unknown certificate: 'stranger 7'"):
        serializer(known, known).deserialize(signed)


def test_a_stranger_cannot_use_a_known_name(
    known: tuple[str, str], stranger: tuple[str, str]
) -> None:
    """The name of somebody known with another key is a bad signature."""
    forged = SecureSerializer(
        PrivateKey(stranger[0]), Certificate(known[1]), CertStore()
    ).serialize([1])

    with pytest.raises(SecurityError, match="Bad signature"):
        serializer(known, known).deserialize(forged)


def test_a_changed_body_is_refused(known: tuple[str, str]) -> None:
    """One bit of the body, and the signature is no longer its."""
    signs = serializer(known, known)
    raw = bytearray(base64.b64decode(signs.serialize({"pay": 1})))
    raw[-2] ^= 1

    with pytest.raises(SecurityError, match="Bad signature"):
        signs.deserialize(base64.b64encode(raw))


@pytest.mark.parametrize("text", ["nonsense", "", base64.b64encode(b"a\x00\x01b").decode(), "é"])
def test_what_is_not_signed_is_refused(known: tuple[str, str], text: str) -> None:
    """Anything else is an error of security, whatever is wrong with it."""
    with pytest.raises(SecurityError):
        serializer(known, known).deserialize(text)


def test_a_directory_of_certificates(tmp_path: Path, known: tuple[str, str]) -> None:
    """All files of it, or those that a pattern fits; one whose time is over is an error."""
    (tmp_path / "known.pem").write_text(known[1])

    assert [each.get_id() for each in FSCertStore(str(tmp_path)).itercerts()] == ["known 7"]
    assert len(list(FSCertStore(str(tmp_path / "*.pem")).itercerts())) == 1
    (tmp_path / "old.pem").write_text(make("old", days=1)[1])
    with pytest.raises(SecurityError, match="Expired certificate"):
        FSCertStore(str(tmp_path))


def test_a_certificate_is_taken_once(known: tuple[str, str]) -> None:
    """Two with one name could not be told apart."""
    store = CertStore()
    store.add_cert(Certificate(known[1]))

    with pytest.raises(SecurityError, match="Duplicate certificate"):
        store.add_cert(Certificate(known[1]))


def test_wrong_files_are_told() -> None:
    """What is no key or no certificate is an error of security."""
    with pytest.raises(SecurityError, match="Invalid private key"):
        PrivateKey("no key")
    with pytest.raises(SecurityError, match="Invalid certificate"):
        Certificate("no certificate")


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give the serializers of this process back as they were."""
    kept = kombu.serialization.registry
    for name in ("_encoders", "_decoders", "name_to_type", "type_to_name"):
        monkeypatch.setattr(kept, name, dict(getattr(kept, name)))
    for name in ("_disabled_content_types",):
        monkeypatch.setattr(kept, name, set(getattr(kept, name)))
    for name in ("_default_encode", "_default_content_type", "_default_content_encoding"):
        monkeypatch.setattr(kept, name, getattr(kept, name))


@pytest.mark.usefixtures("registry")
def test_an_app_signs_what_it_sends(tmp_path: Path, known: tuple[str, str]) -> None:
    """After ``setup_security`` the codec of the app writes signed bodies, and reads them."""
    (tmp_path / "key.pem").write_text(known[0])
    (tmp_path / "cert.pem").write_text(known[1])
    app = TaskQ("signed", broker="memory://", set_as_current=False)
    app.conf.update(
        task_serializer="auth",
        accept_content=["auth"],
        security_key=str(tmp_path / "key.pem"),
        security_certificate=str(tmp_path / "cert.pem"),
        security_cert_store=str(tmp_path / "cert.pem"),
    )

    app.setup_security()

    codec = app.ports.codec
    encoded = codec.encode([1, 2], "auth")
    assert b"[1, 2]" in base64.b64decode(encoded.body)
    accepted = codec.accepted(app.conf.accept_content)
    decoded = codec.decode(encoded.body, encoded.content_type, encoded.content_encoding, accepted)
    assert decoded == [1, 2]
    with pytest.raises(kombu.exceptions.ContentDisallowed):
        codec.decode(b"[1, 2]", "application/json", "utf-8", accepted)
    app.close()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, "task_serializer = 'auth'"),
        ({"task_serializer": "auth"}, r"accept_content"),
        ({"task_serializer": "auth", "accept_content": ["auth", "json"]}, "accept_content"),
        ({"task_serializer": "auth", "accept_content": ["auth"]}, "security_key"),
    ],
)
@pytest.mark.usefixtures("registry")
def test_signing_that_would_have_no_effect_is_refused(
    settings: dict[str, object], message: str
) -> None:
    """Where unsigned messages would be sent or read, or there is no key, it says so."""
    app = TaskQ("unsigned", broker="memory://", set_as_current=False)
    app.conf.update(settings)

    with pytest.raises(ImproperlyConfigured, match=message):
        app.setup_security()
    app.close()
