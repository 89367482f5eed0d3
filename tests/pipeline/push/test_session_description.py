"""Session descriptions: what is read out of them, and what is put right."""

from pipeline.push.session_description import (
    IceNames,
    name_all_sources,
    read_candidates,
    read_names,
    refuses_picture,
    replace_candidates,
    say_baseline,
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


def test_each_source_has_a_name() -> None:
    """The source of packets that are sent again gets the name of its film's; an offer that has it stays as it is."""
    lines = ["v=0", "a=ssrc-group:FID 7 8", "a=ssrc:7 cname:film", "a=ssrc:7 msid:film video"]
    offer = "".join(f"{line}\r\n" for line in lines)
    named = name_all_sources(offer)
    assert named.splitlines() == [*lines[:3], "a=ssrc:8 cname:film", lines[3]]
    assert name_all_sources(named) == named


def test_an_answer_may_refuse_the_picture() -> None:
    """A picture that the answer gives the port 0 is refused; a second offer says Baseline."""
    assert refuses_picture("v=0\r\nm=audio 9 X 111\r\nm=video 0 X 0\r\n")
    assert not refuses_picture(SESSION)
    offer = "a=fmtp:106 packetization-mode=1;profile-level-id=64001F\r\n"
    assert say_baseline(offer) == "a=fmtp:106 packetization-mode=1;profile-level-id=42e01f\r\n"
