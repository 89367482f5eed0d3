"""The key and the certificate that a film is signed with: read and checked in whole before any work."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from storage.errors import BadCertificate, BadInput

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
    from cryptography.x509 import Certificate

KEY, CERTIFICATE = "LONGTAKE_C2PA_KEY", "LONGTAKE_C2PA_CERT"
"""Of the environment: paths, as --key and --cert have them, or the PEM itself."""
_PEM = "-----BEGIN"
_CURVES = {"secp256r1": "es256", "secp384r1": "es384", "secp521r1": "es512"}
_SHORTEST_RSA = 2048
_PURPOSES = {
    "1.3.6.1.5.5.7.3.4",  # e-mail protection
    "1.3.6.1.5.5.7.3.36",  # document signing
    "1.3.6.1.4.1.62558.2.1",  # C2PA claim signing
}
_LARGEST = 1 << 20


@dataclass(frozen=True)
class Credentials:
    """What signs."""

    key: bytes = field(repr=False)
    """PEM."""
    chain: bytes
    """PEM of the certificate, and of those that vouch for it."""
    algorithm: str
    """As C2PA calls it: es256, ps256, ed25519 …"""


def require_library() -> None:
    """Raise BadInput unless films can be signed and signatures read here."""
    try:
        import c2pa
        import cryptography
    except ImportError:
        raise BadInput(
            "Signing needs the package c2pa-python (in longtake's folder: pip install '.[c2pa]')."
        ) from None
    assert c2pa, cryptography


def read_credentials(
    key: Path | None, certificate: Path | None, environment: Mapping[str, str]
) -> Credentials:
    """The key and the certificate of these files, or those of the environment; raises BadCertificate, BadInput."""
    require_library()
    keys = _find_given("--key", key, KEY, environment)
    certificates = _find_given("--cert", certificate, CERTIFICATE, environment)
    private = _load_key(keys)
    _check_certificate(_load_certificate(certificates), private, certificates.name)
    return Credentials(
        keys.content, certificates.content, _choose_algorithm(private, certificates.name)
    )


@dataclass(frozen=True)
class _Given:
    """What was given, and what it is called in an error."""

    name: str
    content: bytes = field(repr=False)


def _find_given(
    flag: str, path: Path | None, variable: str, environment: Mapping[str, str]
) -> _Given:
    word = environment.get(variable, "")
    if path is None and word.startswith(_PEM):
        return _Given(variable, word.encode())
    if path is None and not word:
        raise BadCertificate(flag, f"it is not given; name a file in PEM, here or in {variable}")
    path = path or Path(word)
    try:
        with path.open("rb") as file:
            return _Given(str(path), file.read(_LARGEST))
    except OSError as error:
        raise BadCertificate(path, f"it cannot be read ({error.strerror})") from error


def _load_key(given: _Given) -> "PrivateKeyTypes":
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        return load_pem_private_key(given.content, None)
    except TypeError:
        raise BadCertificate(given.name, "the key is locked with a password") from None
    except Exception as error:
        raise BadCertificate(given.name, "it holds no private key in PEM") from error


def _load_certificate(given: _Given) -> "Certificate":
    from cryptography.x509 import load_pem_x509_certificates

    try:
        return load_pem_x509_certificates(given.content)[0]
    except Exception as error:
        raise BadCertificate(given.name, "it holds no certificate in PEM") from error


def _check_certificate(leaf: "Certificate", private: "PrivateKeyTypes", name: str) -> None:
    """Raise BadCertificate where it has expired, is another key's, or is for something else."""
    now, until, since = datetime.now(UTC), leaf.not_valid_after_utc, leaf.not_valid_before_utc
    if now > until:
        raise BadCertificate(name, f"the certificate has expired on {until:%Y-%m-%d}")
    if now < since:
        raise BadCertificate(name, f"the certificate holds from {since:%Y-%m-%d} on")
    if leaf.public_key() != private.public_key():
        raise BadCertificate(name, "the certificate is of another key than the one that is given")
    if not _is_for_signing(leaf):
        reason = "the certificate is not for signing documents (its extended key usage)"
        raise BadCertificate(name, reason)


def _is_for_signing(leaf: "Certificate") -> bool:
    from cryptography.x509 import ExtendedKeyUsage, ExtensionNotFound

    try:
        usage = leaf.extensions.get_extension_for_class(ExtendedKeyUsage).value
    except (ExtensionNotFound, ValueError):
        return False
    return any(each.dotted_string in _PURPOSES for each in usage)


def _choose_algorithm(private: "PrivateKeyTypes", name: str) -> str:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

    match private:
        case EllipticCurvePrivateKey() if private.curve.name in _CURVES:
            return _CURVES[private.curve.name]
        case RSAPrivateKey() if private.key_size >= _SHORTEST_RSA:
            return "ps256"
        case Ed25519PrivateKey():
            return "ed25519"
    needed = "P-256, P-384, P-521, Ed25519, or RSA of 2048 bits"
    raise BadCertificate(name, f"C2PA knows no key of this kind; {needed} is needed")
