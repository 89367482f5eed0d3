"""Session descriptions (SDP, RFC 8866) as WHIP exchanges them: what is read out of an answer, and what is put right in an offer."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

CANDIDATE = re.compile(r"a=candidate:\S+ 1 udp \d+ (\S+) (\d+) typ \w+.*", re.IGNORECASE)
BASELINE = "42e01f"
"""Constrained Baseline, level 3.1: what every WebRTC receiver knows (RFC 7742)."""
SOURCE, GROUP = re.compile(r"a=ssrc:(\d+) cname:(\S+)"), re.compile(r"a=ssrc-group:FID (\d+) (\d+)")


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
    line = f"a=candidate:1 1 udp 2130706431 {host} {port} typ host"
    return "".join(f"{each}\r\n" for each in _put_instead(session.splitlines(), line))


def _put_instead(lines: list[str], line: str) -> Iterator[str]:
    put = False
    for each in lines:
        if not each.startswith("a=candidate:"):
            yield each
        elif not put:
            put = True
            yield line


def name_all_sources(session: str) -> str:
    """An offer whose source for packets that are sent again has a name, too: libav 8.1 gives it none, and then Chromium's library refuses all of it (RFC 5576 asks for one)."""
    known = dict(SOURCE.findall(session))
    again = {first: second for first, second in GROUP.findall(session) if second not in known}
    lines = []
    for line in session.splitlines():
        lines.append(line)
        if (named := SOURCE.match(line)) and named.group(1) in again:
            lines.append(f"a=ssrc:{again[named.group(1)]} cname:{named.group(2)}")
    return "".join(f"{line}\r\n" for line in lines)


def refuses_picture(answer: str) -> bool:
    """True for an answer that takes the sound, and of the picture nothing."""
    return re.search(r"^m=video 0 ", answer, re.MULTILINE) is not None


def say_baseline(offer: str) -> str:
    """An offer that says Constrained Baseline of its H.264, whatever it is: receivers that name no other decode them all."""
    return re.sub(r"profile-level-id=[0-9a-fA-F]{6}", f"profile-level-id={BASELINE}", offer)
