"""The relay between the muxer and a server's address for media."""

import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress

import pytest

from pipeline.push import media_relay
from pipeline.push.media_relay import MediaRelay, Unreachable
from pipeline.push.session_description import IceNames
from pipeline.push.stun import is_response, make_request
from tests.live_server import free_port
from tests.waiting import LONG, wait_until

NAMES = (IceNames("mine", "m"), IceNames("yours", "secret"))


class Peer:
    """A server's port: answers requests as long as it is to, and repeats all else."""

    def __init__(self) -> None:
        self.answers = True
        self.heard: list[bytes] = []
        self.socket = socket.socket(type=socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.address = ("127.0.0.1", int(self.socket.getsockname()[1]))
        threading.Thread(target=self._work, daemon=True).start()

    def _work(self) -> None:
        with suppress(OSError):
            while (heard := self.socket.recvfrom(2048))[1]:
                packet, place = heard
                self.heard.append(packet)
                if packet[0] >= 0x14:
                    self.socket.sendto(packet, place)
                elif self.answers and packet[:2] == b"\0\1":
                    self.socket.sendto(b"\1\1" + packet[2:], place)

    def end(self) -> None:
        with suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()


@pytest.fixture
def peer(monkeypatch: pytest.MonkeyPatch) -> Iterator[Peer]:
    monkeypatch.setattr(media_relay, "FIRST_ANSWER", LONG)
    monkeypatch.setattr(media_relay, "ASK_EVERY", 0.1)
    monkeypatch.setattr(media_relay, "SILENCE", 2.0)
    there = Peer()
    yield there
    there.end()


@contextmanager
def relayed(peer: Peer, *before: tuple[str, int]) -> Iterator[tuple[MediaRelay, list[str]]]:
    """A relay to a peer, behind other addresses; ended with its thread."""
    reasons: list[str] = []
    relay = MediaRelay(NAMES, [*before, peer.address], reasons.append)
    try:
        yield relay, reasons
    finally:
        peer.answers = False
        wait_until(lambda: reasons and relay._inner.fileno() == -1)


def test_packets_go_both_ways_and_requests_stay(peer: Peer) -> None:
    """What the muxer sends arrives and what comes back reaches it, but for the answers to the relay's own requests."""
    with relayed(peer) as (relay, reasons), closing(socket.socket(type=socket.SOCK_DGRAM)) as muxer:
        muxer.connect(("127.0.0.1", relay.port))
        for packet in (b"\x80media", b"\x16\xfe\xfdhand", b"\x80end"):
            muxer.send(packet)
            assert muxer.recv(2048) == packet
        assert reasons == []


def test_a_server_is_answered_when_it_asks(peer: Peer) -> None:
    """A request of the server, which asks whether this side still consents, is answered, and the muxer sees nothing of it."""
    with relayed(peer) as (relay, _), closing(socket.socket(type=socket.SOCK_DGRAM)) as muxer:
        muxer.connect(("127.0.0.1", relay.port))
        muxer.send(b"\x80media")
        assert muxer.recv(2048) == b"\x80media"
        request, key = make_request(*reversed(NAMES))
        peer.socket.sendto(request, relay._outer.getsockname())
        wait_until(lambda: any(is_response(each, [key]) for each in peer.heard))
        muxer.send(b"\x80more")
        assert muxer.recv(2048) == b"\x80more"


def test_the_address_that_answers_is_taken(peer: Peer) -> None:
    """Addresses at which nobody listens, whose name nobody knows or of a kind that is not here are passed over."""
    others = [("127.0.0.1", free_port(socket.SOCK_DGRAM)), ("nobody.invalid", 9), ("100::1", 9)]
    with relayed(peer, *others) as (relay, _):
        assert relay._outer.getpeername() == peer.address


def test_no_address_answers(peer: Peer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where none answers in time there is no relay."""
    monkeypatch.setattr(media_relay, "FIRST_ANSWER", 0.6)
    peer.answers = False
    with pytest.raises(Unreachable):
        MediaRelay(NAMES, [peer.address], print)
    with pytest.raises(Unreachable):
        MediaRelay(NAMES, [("127.0.0.1", free_port(socket.SOCK_DGRAM))], print)


def test_a_server_that_goes_silent_is_gone(peer: Peer) -> None:
    """A port that takes packets and answers no more closes the muxer's port, which is told so by its own next packet."""
    with relayed(peer) as (relay, reasons), closing(socket.socket(type=socket.SOCK_DGRAM)) as muxer:
        muxer.connect(("127.0.0.1", relay.port))
        peer.answers = False
        wait_until(lambda: reasons)
        assert "nothing was heard" in reasons[0]
        wait_until(lambda: relay._inner.fileno() == -1)
        muxer.send(b"\x80")
        with pytest.raises(ConnectionRefusedError):
            muxer.recv(2048)


def test_a_server_that_is_killed_is_gone(peer: Peer) -> None:
    """A port that is closed is noticed at once."""
    with relayed(peer) as (_, reasons):
        peer.end()
        wait_until(lambda: reasons)
        assert "nobody listens" in reasons[0]
