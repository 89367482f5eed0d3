"""A key and a certificate that cannot sign are named in one line, before any work."""

import sys
from pathlib import Path

import pytest

from pipeline.signing.credentials import CERTIFICATE, KEY, read_credentials
from storage.errors import BadCertificate, BadInput

from .conftest import MakePair


@pytest.mark.parametrize(
    ("key", "algorithm"),
    [("P-256", "es256"), ("P-384", "es384"), ("Ed25519", "ed25519"), ("RSA-2048", "ps256")],
)
def test_algorithm_is_the_keys(pair_of: MakePair, key: str, algorithm: str):
    """It is read off the key; the paths or what they hold may come from the environment, and flags win over it."""
    pair = pair_of("signer", key)
    named = {KEY: str(pair.key), CERTIFICATE: str(pair.cert)}
    assert read_credentials(None, None, named).algorithm == algorithm
    contents = {KEY: pair.key.read_text(), CERTIFICATE: pair.cert.read_text()}
    assert read_credentials(None, None, contents) == read_credentials(pair.key, pair.cert, {})
    wrong = {KEY: "nowhere", CERTIFICATE: "nowhere"}
    assert read_credentials(pair.key, pair.cert, wrong).algorithm == algorithm


def test_key_is_not_shown(pair_of: MakePair):
    """Neither in a log nor in a fault's text."""
    pair = pair_of("signer")
    assert "PRIVATE" not in repr(read_credentials(pair.key, pair.cert, {}))


def test_what_cannot_sign_is_refused(pair_of: MakePair, tmp_path: Path):
    """Expired, not yet, another's, locked, for web servers, of a kind that C2PA does not know, no PEM, no file, not named."""
    good, other = pair_of("good"), pair_of("other")
    old, young = pair_of("old", since=-90, until=-1), pair_of("young", since=2)
    web = pair_of("web", usage="1.3.6.1.5.5.7.3.1")
    odd = pair_of("odd", "K-256")
    short = pair_of("short", "RSA-1024")
    locked = pair_of("locked", password=b"secret")
    (tmp_path / "empty.pem").write_bytes(b"")
    for key, cert, said in (
        (old.key, old.cert, "has expired on"),
        (young.key, young.cert, "holds from"),
        (other.key, good.cert, "of another key"),
        (web.key, web.cert, "not for signing documents"),
        (odd.key, odd.cert, "no key of this kind"),
        (short.key, short.cert, "no key of this kind"),
        (locked.key, locked.cert, "locked with a password"),
        (tmp_path / "empty.pem", good.cert, "holds no private key"),
        (good.cert, good.cert, "holds no private key"),
        (good.key, good.key, "holds no certificate"),
        (tmp_path / "none.pem", good.cert, "cannot be read"),
        (None, good.cert, "it is not given"),
        (good.key, None, "it is not given"),
    ):
        with pytest.raises(BadCertificate, match=said):
            read_credentials(key, cert, {})


def test_missing_package_is_named(monkeypatch: pytest.MonkeyPatch):
    """With the way to install it."""
    monkeypatch.setitem(sys.modules, "c2pa", None)
    with pytest.raises(BadInput, match=r"pip install '\.\[c2pa\]'"):
        read_credentials(None, None, {})
