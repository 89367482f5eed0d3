"""Keys and certificates of nobody, made for one test; without the extra c2pa these tests are skipped."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from cryptography.x509 import Certificate, Name


@dataclass(frozen=True)
class Pair:
    """The files of a key and of its certificate."""

    key: Path
    cert: Path

    @property
    def words(self) -> list[str]:
        """As flags."""
        return [f"--key={self.key}", f"--cert={self.cert}"]


MakePair = Callable[..., Pair]


@dataclass(frozen=True)
class Wanted:
    """What a certificate is to be like."""

    since: int = -1
    """Days from now."""
    until: int = 30
    usage: str = "1.3.6.1.5.5.7.3.4"
    """E-mail protection."""


@pytest.fixture
def pair_of(tmp_path: Path) -> MakePair:
    """A key and a certificate that an authority of the test's own vouches for; `key`: by its kind."""
    pytest.importorskip("c2pa", reason="the extra c2pa is not installed")
    from cryptography.hazmat.primitives import serialization

    pem, kind = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8

    def make(name: str, key: str = "P-256", password: bytes = b"", **wanted: Any) -> Pair:
        authority, private = make_key("P-256"), make_key(key)
        leaf = certify(name, private.public_key(), authority, Wanted(**wanted))
        root = certify("authority", authority.public_key(), authority, Wanted(-9000, 9000))
        pair = Pair(tmp_path / f"{name}.key.pem", tmp_path / f"{name}.cert.pem")
        pair.cert.write_bytes(leaf.public_bytes(pem) + root.public_bytes(pem))
        none = serialization.NoEncryption()
        lock = serialization.BestAvailableEncryption(password) if password else none
        pair.key.write_bytes(private.private_bytes(pem, kind, lock))
        return pair

    return make


def make_key(kind: str) -> Any:
    """A private key of a kind by its usual name."""
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

    curves = {"P-256": ec.SECP256R1(), "P-384": ec.SECP384R1(), "K-256": ec.SECP256K1()}
    if kind in curves:
        return ec.generate_private_key(curves[kind])
    if kind == "Ed25519":
        return ed25519.Ed25519PrivateKey.generate()
    return rsa.generate_private_key(65537, int(kind.removeprefix("RSA-")))


def certify(name: str, key: Any, authority: Any, wanted: Wanted) -> "Certificate":
    """A certificate as C2PA asks for it; that of the authority where its key is the one that it signs with."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes

    own = authority.public_key() == key
    since, until = (datetime.now(UTC) + timedelta(days=each) for each in (wanted.since, wanted.until))  # fmt: skip
    builder = x509.CertificateBuilder(_name("authority"), _name(name), key, 7, since, until)
    extensions: list[tuple[Any, bool]] = [
        (x509.BasicConstraints(own, None), True),
        (x509.KeyUsage(not own, False, False, False, False, own, own, False, False), True),
        (x509.SubjectKeyIdentifier.from_public_key(key), False),
        (x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.public_key()), False),
    ]
    if not own:
        extensions.append((x509.ExtendedKeyUsage([x509.ObjectIdentifier(wanted.usage)]), False))
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical)
    return builder.sign(authority, hashes.SHA256())


def _name(words: str) -> "Name":
    from cryptography.x509 import Name, NameAttribute, NameOID

    pairs = {NameOID.ORGANIZATION_NAME: "Test", NameOID.COMMON_NAME: words}
    return Name([NameAttribute(*each) for each in pairs.items()])
