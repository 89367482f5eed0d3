"""Whether a WebRTC server's address for media answers: binding requests of STUN (RFC 8489), as ICE asks with them (RFC 8445) and as consent (RFC 7675)."""

import hashlib
import hmac
import secrets
import zlib
from collections.abc import Container
from ipaddress import ip_address

from pipeline.push.session_description import IceNames

REQUEST, RESPONSE, COOKIE = 0x0001, 0x0101, 0x2112A442
HEADER_BYTES, KEY_BYTES = 20, 12
USERNAME, INTEGRITY, PRIORITY, FINGERPRINT, CONTROLLING = 0x0006, 0x0008, 0x0024, 0x8028, 0x802A
MAPPED = 0x0020
"""The address that a request came from, masked."""
INTEGRITY_BYTES, FINGERPRINT_BYTES = 24, 8
FINGERPRINT_MASK = 0x5354554E
HOST_PRIORITY = 0x6E7F1EFF
"""Of a candidate that is found by asking (RFC 8445, 5.1.2.1)."""


def make_request(local: IceNames, remote: IceNames) -> tuple[bytes, bytes]:
    """A request to the remote side, and the key that its response has."""
    key = secrets.token_bytes(KEY_BYTES)
    attributes = b"".join(
        (
            _encode_attribute(USERNAME, f"{remote.name}:{local.name}".encode()),
            _encode_attribute(PRIORITY, HOST_PRIORITY.to_bytes(4)),
            _encode_attribute(CONTROLLING, secrets.token_bytes(8)),
        )
    )
    return _sign_message(REQUEST, key, attributes, remote.password), key


def is_request(packet: bytes) -> bool:
    """True for a request of the other side."""
    return int.from_bytes(packet[:2]) == REQUEST and int.from_bytes(packet[4:8]) == COOKIE


def make_response(request: bytes, local: IceNames, place: tuple[str, int]) -> bytes:
    """The response to a request that came from this host, as a number, and port."""
    host, port = ip_address(place[0]), place[1]
    key = request[8:HEADER_BYTES]
    mask = (COOKIE.to_bytes(4) + key)[: len(host.packed)]
    masked = bytes(one ^ two for one, two in zip(host.packed, mask, strict=True))
    family = 1 if host.version == 4 else 2
    seen = family.to_bytes(2) + (port ^ COOKIE >> 16).to_bytes(2) + masked
    return _sign_message(RESPONSE, key, _encode_attribute(MAPPED, seen), local.password)


def is_response(packet: bytes, keys: Container[bytes]) -> bool:
    """True for the response to one of the requests with these keys."""
    return (
        int.from_bytes(packet[:2]) == RESPONSE
        and int.from_bytes(packet[4:8]) == COOKIE
        and packet[8:HEADER_BYTES] in keys
    )


def _sign_message(kind: int, key: bytes, attributes: bytes, password: str) -> bytes:
    # Each of the two counts itself into the length, and nothing behind it.
    signed = _encode_header(kind, key, len(attributes) + INTEGRITY_BYTES) + attributes
    proof = hmac.new(password.encode(), signed, hashlib.sha1).digest()
    attributes += _encode_attribute(INTEGRITY, proof)
    summed = _encode_header(kind, key, len(attributes) + FINGERPRINT_BYTES) + attributes
    total = zlib.crc32(summed) ^ FINGERPRINT_MASK
    return summed + _encode_attribute(FINGERPRINT, total.to_bytes(4))


def _encode_header(kind: int, key: bytes, size: int) -> bytes:
    return kind.to_bytes(2) + size.to_bytes(2) + COOKIE.to_bytes(4) + key


def _encode_attribute(kind: int, value: bytes) -> bytes:
    return kind.to_bytes(2) + len(value).to_bytes(2) + value + bytes(-len(value) % 4)
