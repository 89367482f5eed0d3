"""Whether a WebRTC server's address for media answers: binding requests of STUN (RFC 8489), as ICE asks with them (RFC 8445) and as consent (RFC 7675)."""

import hashlib
import hmac
import re
import secrets
import zlib
from collections.abc import Container, Iterator
from dataclasses import dataclass

REQUEST, RESPONSE, COOKIE = 0x0001, 0x0101, 0x2112A442
HEADER_BYTES, KEY_BYTES = 20, 12
USERNAME, INTEGRITY, PRIORITY, FINGERPRINT, CONTROLLING = 0x0006, 0x0008, 0x0024, 0x8028, 0x802A
INTEGRITY_BYTES, FINGERPRINT_BYTES = 24, 8
FINGERPRINT_MASK = 0x5354554E
HOST_PRIORITY = 0x6E7F1EFF
"""Of a candidate that is found by asking (RFC 8445, 5.1.2.1)."""
CANDIDATE = re.compile(r"a=candidate:\S+ 1 udp \d+ (\S+) (\d+) typ \w+.*", re.IGNORECASE)


@dataclass(frozen=True)
class IceNames:
    """What one side of a session calls itself, and the password that it is asked with."""

    name: str
    password: str


def read_names(session: str) -> IceNames:
    """The names of a session description; empty where it has none."""
    found = (re.search(rf"a=ice-{what}:(\S+)", session) for what in ("ufrag", "pwd"))
    return IceNames(*(each.group(1) if each else "" for each in found))


def read_candidates(session: str) -> list[tuple[str, int]]:
    """Hosts and ports at which a session description takes media by UDP, in its order."""
    matches = (CANDIDATE.match(line) for line in session.splitlines())
    return list(dict.fromkeys((each.group(1), int(each.group(2))) for each in matches if each))


def replace_candidates(session: str, host: str, port: int) -> str:
    """A session description that has this address in place of all of its own."""
    line = f"a=candidate:1 1 udp {HOST_PRIORITY} {host} {port} typ host"
    return "".join(f"{each}\r\n" for each in _put_instead(session.splitlines(), line))


def _put_instead(lines: list[str], line: str) -> Iterator[str]:
    put = False
    for each in lines:
        if not each.startswith("a=candidate:"):
            yield each
        elif not put:
            put = True
            yield line


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
    # Each of the two counts itself into the length, and nothing behind it.
    signed = _encode_header(key, len(attributes) + INTEGRITY_BYTES) + attributes
    proof = hmac.new(remote.password.encode(), signed, hashlib.sha1).digest()
    attributes += _encode_attribute(INTEGRITY, proof)
    summed = _encode_header(key, len(attributes) + FINGERPRINT_BYTES) + attributes
    total = zlib.crc32(summed) ^ FINGERPRINT_MASK
    return summed + _encode_attribute(FINGERPRINT, total.to_bytes(4)), key


def is_response(packet: bytes, keys: Container[bytes]) -> bool:
    """True for the response to one of the requests with these keys."""
    return (
        int.from_bytes(packet[:2]) == RESPONSE
        and int.from_bytes(packet[4:8]) == COOKIE
        and packet[8:HEADER_BYTES] in keys
    )


def _encode_header(key: bytes, size: int) -> bytes:
    return REQUEST.to_bytes(2) + size.to_bytes(2) + COOKIE.to_bytes(4) + key


def _encode_attribute(kind: int, value: bytes) -> bytes:
    return kind.to_bytes(2) + len(value).to_bytes(2) + value + bytes(-len(value) % 4)
