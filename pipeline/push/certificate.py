"""A certificate for one connection by WebRTC: a P-256 key, and what vouches for it by its own signature alone.

The peer is told its fingerprint beforehand and knows it by that; who signed it matters to nobody. libav 8.1 would make one on the curve P-224, which no
browser's library takes (RFC 8827 asks for P-256), and Python's own library makes none. Constant time is not asked for: a key signs itself, once.
"""

import base64
import hashlib
import secrets
from datetime import UTC, datetime, timedelta

P = 2**256 - 2**224 + 2**192 + 2**96 - 1
"""The field of the curve P-256 (FIPS 186-5), y² = x³ - 3x + B."""
N = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
"""How many points G makes."""
G = (
    0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296,
    0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5,
)
Point = tuple[int, int] | None
"""Of the curve; None is the one at infinity."""

SIGNED_BY = bytes.fromhex("06082a8648ce3d040302")
"""ecdsa-with-SHA256, as an object identifier in DER, as the next two are."""
KEY_KIND = bytes.fromhex("06072a8648ce3d020106082a8648ce3d030107")
"""ecPublicKey, prime256v1."""
COMMON_NAME = bytes.fromhex("0603550403")
INTEGER, BITS, OCTETS, TEXT, TIME, SEQUENCE, SET = 0x02, 0x03, 0x04, 0x0C, 0x17, 0x30, 0x31
PUBLIC_KEY = 0xA1
VERSION_3 = bytes.fromhex("a003020102")
VALID = timedelta(days=30)
"""To both sides of now: clocks differ, and a film may take weeks."""


def make_certificate() -> tuple[str, str]:
    """A new certificate and its private key, both as PEM."""
    secret = secrets.randbelow(N - 1) + 1
    point = multiply_point(secret, G)
    assert point is not None, "no number below N gives infinity"
    public = b"\x04" + _to_bytes(point[0]) + _to_bytes(point[1])
    described = _encode_statement(public)
    signed = (
        described,
        _encode_value(SEQUENCE, SIGNED_BY),
        _encode_bits(_sign_content(secret, described)),
    )
    # With the public key, which is optional: GnuTLS wants it.
    both = (
        _encode_value(OCTETS, _to_bytes(secret)),
        _encode_value(PUBLIC_KEY, _encode_bits(public)),
    )
    inner = _encode_value(SEQUENCE, _encode_number(1), *both)
    key = (_encode_number(0), _encode_value(SEQUENCE, KEY_KIND), _encode_value(OCTETS, inner))
    return (
        _write_pem("CERTIFICATE", _encode_value(SEQUENCE, *signed)),
        _write_pem("PRIVATE KEY", _encode_value(SEQUENCE, *key)),
    )


def add_points(one: Point, two: Point) -> Point:
    """The sum of two points of the curve."""
    if one is None or two is None:
        return one or two
    if one[0] == two[0]:
        if (one[1] + two[1]) % P == 0:
            return None
        slope = (3 * one[0] ** 2 - 3) * pow(2 * one[1], -1, P) % P
    else:
        slope = (two[1] - one[1]) * pow(two[0] - one[0], -1, P) % P
    x = (slope**2 - one[0] - two[0]) % P
    return x, (slope * (one[0] - x) - one[1]) % P


def multiply_point(times: int, point: Point) -> Point:
    """A point added to itself so many times."""
    total: Point = None
    while times:
        if times & 1:
            total = add_points(total, point)
        point, times = add_points(point, point), times >> 1
    return total


def _sign_content(secret: int, content: bytes) -> bytes:
    """The ECDSA signature of some bytes, in DER."""
    digest = int.from_bytes(hashlib.sha256(content).digest())
    once = secrets.randbelow(N - 1) + 1
    point = multiply_point(once, G)
    assert point is not None
    first = point[0] % N
    second = pow(once, -1, N) * (digest + first * secret) % N
    return _encode_value(SEQUENCE, _encode_number(first), _encode_number(second))


def _encode_statement(public: bytes) -> bytes:
    """What is signed (TBSCertificate of RFC 5280): of this public key, whose name says nothing."""
    name = _encode_value(SEQUENCE, COMMON_NAME, _encode_value(TEXT, b"longtake"))
    owner = _encode_value(SEQUENCE, _encode_value(SET, name))
    now = datetime.now(UTC)
    times = (f"{time:%y%m%d%H%M%SZ}".encode() for time in (now - VALID, now + VALID))
    return _encode_value(
        SEQUENCE,
        VERSION_3,
        _encode_number(secrets.randbits(63) + 1),
        _encode_value(SEQUENCE, SIGNED_BY),
        owner,
        _encode_value(SEQUENCE, *(_encode_value(TIME, time) for time in times)),
        owner,
        _encode_value(SEQUENCE, _encode_value(SEQUENCE, KEY_KIND), _encode_bits(public)),
    )


def _encode_value(tag: int, *parts: bytes) -> bytes:
    """A value in DER: its tag, its length, and itself."""
    body = b"".join(parts)
    size = len(body).to_bytes((len(body).bit_length() + 7) // 8 or 1)
    head = size if len(body) < 128 else bytes([0x80 | len(size)]) + size
    return bytes([tag]) + head + body


def _encode_number(number: int) -> bytes:
    return _encode_value(INTEGER, number.to_bytes(number.bit_length() // 8 + 1))


def _encode_bits(content: bytes) -> bytes:
    return _encode_value(BITS, b"\0" + content)


def _to_bytes(number: int) -> bytes:
    return number.to_bytes(32)


def _write_pem(kind: str, content: bytes) -> str:
    lines = base64.encodebytes(content).decode()
    return f"-----BEGIN {kind}-----\n{lines}-----END {kind}-----\n"
