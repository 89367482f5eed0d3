"""Session descriptions and the requests of STUN."""

import hashlib
import hmac
import zlib

from pipeline.push.stun import (
    IceNames,
    is_response,
    make_request,
    read_candidates,
    read_names,
    replace_candidates,
)

SESSION = "\r\n".join((
    "v=0",
    "m=audio 9 UDP/TLS/RTP/SAVPF 111",
    "a=ice-ufrag:abcd",
    "a=ice-pwd:0123456789012345678901",
    "a=candidate:1 1 udp 2130706431 192.0.2.7 50000 typ host",
    "a=candidate:1 2 udp 2130706430 192.0.2.7 50001 typ host",
    "a=candidate:2 1 TCP 2130706431 192.0.2.7 9 typ host tcptype active",
    "a=candidate:3 1 UDP 1694498815 2001:db8::1 50002 typ srflx raddr 0.0.0.0 rport 0",
    "m=video 9 UDP/TLS/RTP/SAVPF 106",
    "a=candidate:1 1 udp 2130706431 192.0.2.7 50000 typ host",
    "a=mid:1",
    "",
))  # fmt: skip


def test_a_session_is_read() -> None:
    """Names, and the addresses that take media by UDP, each once and in order."""
    assert read_names(SESSION) == IceNames("abcd", "0123456789012345678901")
    assert read_candidates(SESSION) == [("192.0.2.7", 50000), ("2001:db8::1", 50002)]


def test_its_addresses_are_replaced_by_one() -> None:
    """All of its addresses are gone but the new one, and nothing else is."""
    found = replace_candidates(SESSION, "127.0.0.1", 4000)
    assert read_candidates(found) == [("127.0.0.1", 4000)]
    kept = [line for line in SESSION.splitlines() if "candidate" not in line]
    assert [line for line in found.splitlines() if "candidate" not in line] == kept


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
