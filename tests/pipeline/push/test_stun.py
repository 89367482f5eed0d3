"""The requests of STUN."""

import hashlib
import hmac
import zlib

import pytest

from pipeline.push.session_description import IceNames
from pipeline.push.stun import is_request, is_response, make_request, make_response


def test_a_request_is_signed_as_the_standard_says() -> None:
    """Length, signature and sum are those of RFC 8489, each counting itself and nothing behind it."""
    packet, key = make_request(IceNames("mine", "m"), IceNames("yours", "secret"))
    assert int.from_bytes(packet[2:4]) == len(packet) - 20
    assert b"yours:mine" in packet
    signed = packet[: -8 - 24]
    signed = signed[:2] + (len(signed) - 20 + 24).to_bytes(2) + signed[4:]
    assert packet[-28:-8] == hmac.new(b"secret", signed, hashlib.sha1).digest()
    assert int.from_bytes(packet[-4:]) == zlib.crc32(packet[:-8]) ^ 0x5354554E
    assert not is_response(packet, [key])


def test_only_the_response_to_a_request_is_one() -> None:
    """A response with another key, or a packet of media, is none."""
    packet, key = make_request(IceNames("a", "b"), IceNames("c", "d"))
    response = b"\x01\x01" + packet[2:]
    assert is_response(response, [key])
    assert not is_response(response, [b"another"])
    assert not is_response(b"\x80\x6f" + packet[2:], [key])


@pytest.mark.parametrize(
    ("host", "seen"),
    [
        ("192.0.2.1", "0001a147e112a643"),
        ("2001:db8:1234:5678:11:2233:4455:6677", "0002a1470113a9faa5d3f179bc25f4b5bed2b9d9"),
    ],
)
def test_a_request_is_answered_as_the_standard_does(host: str, seen: str) -> None:
    """The address that a request came from is masked as in RFC 5769's own examples, and the answer is signed by who was asked."""
    key = bytes.fromhex("b7e7a701bc34d686fa87dfae")
    request = b"\0\1\0\0\x21\x12\xa4\x42" + key
    assert is_request(request)
    response = make_response(request, IceNames("mine", "VOkJxbRl1RmTxUk/WvJxBt"), (host, 32853))
    assert is_response(response, [key])
    assert not is_request(response)
    value = bytes.fromhex(seen)
    assert response[20:24] == b"\0\x20" + len(value).to_bytes(2)
    assert response[24 : 24 + len(value)] == value
    signed = response[:2] + (len(response) - 20 - 8).to_bytes(2) + response[4:-32]
    proof = hmac.new(b"VOkJxbRl1RmTxUk/WvJxBt", signed, hashlib.sha1).digest()
    assert response[-28:-8] == proof
