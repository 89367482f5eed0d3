"""Media between libav's WHIP muxer and a server, packet by packet: it finds the address that answers, and notices when it no longer does.

The muxer takes the first address that it is told, and goes on sending to one that nobody listens at any more.
"""

import select
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress

from pipeline.push.session_description import IceNames
from pipeline.push.stun import is_request, is_response, make_request, make_response

LOOPBACK = "127.0.0.1"
LARGEST = 65_535
"""Bytes of a packet."""
ROOM = 1 << 22
"""Bytes that may wait in the kernel: a keyframe comes at once."""
FIRST_ANSWER = 4.0
"""Seconds in which an address must answer at all."""
ASK_EVERY = 1.0
REMEMBERED = 64
"""Requests whose response is known as such; others are the muxer's."""
SILENCE = 5.0
"""Seconds without a word from the server after which it is gone; it answers every request."""

Names = tuple[IceNames, IceNames]
"""Of this side, and of the server."""


class Unreachable(Exception):  # noqa: N818 - of the server
    """No address of the server for the media answers."""


class MediaRelay:
    """A port of this machine that stands for the server's; its thread hands packets on in both directions."""

    def __init__(
        self, names: Names, candidates: list[tuple[str, int]], end: Callable[[str], None]
    ) -> None:
        """`end` is told why the server is gone, once, before the port is closed. Raises Unreachable."""
        self._names, self._end = names, end
        self._keys: deque[bytes] = deque(maxlen=REMEMBERED)
        self._outer = self._choose(candidates)
        self._inner = _open_socket(socket.AF_INET)
        self._inner.bind((LOOPBACK, 0))
        self._muxer: tuple[str, int] | None = None
        self.port = int(self._inner.getsockname()[1])
        threading.Thread(target=self._work, name="media", daemon=True).start()

    def _choose(self, candidates: list[tuple[str, int]]) -> socket.socket:
        """A socket connected to the first of these addresses that answers."""
        with ExitStack() as others:
            asked = [others.enter_context(each) for each in _connect_all(candidates)]
            end = time.monotonic() + FIRST_ANSWER
            while asked and time.monotonic() < end:
                asked = [each for each in asked if self._ask(each)]
                if (found := self._await_answer(asked, ASK_EVERY / 4)) is not None:
                    return found.dup()
        raise Unreachable

    def _await_answer(self, asked: list[socket.socket], seconds: float) -> socket.socket | None:
        """Which of these answers within so many seconds; those at which nobody listens are taken out of the list."""
        # Asked anew at each packet, a port that refuses would have the answers of the others forgotten.
        end = time.monotonic() + seconds
        while asked and (left := end - time.monotonic()) > 0:
            for each in select.select(asked, [], [], left)[0]:
                try:
                    if is_response(each.recv(LARGEST), self._keys):
                        return each
                except OSError:
                    asked.remove(each)
        return None

    def _ask(self, remote: socket.socket) -> bool:
        """Send a request; False where nobody listens."""
        request, key = make_request(*self._names)
        self._keys.append(key)
        try:
            remote.send(request)
        except OSError:
            return False
        return True

    def _work(self) -> None:
        reason = "nobody listens for the media any more"
        with suppress(OSError):
            heard = asked = time.monotonic()
            while time.monotonic() - heard < SILENCE:
                ready = select.select([self._inner, self._outer], [], [], ASK_EVERY / 4)[0]
                if self._inner in ready:
                    self._send_on()
                if self._outer in ready:
                    heard = time.monotonic()
                    self._send_back()
                if time.monotonic() - asked > ASK_EVERY:
                    asked = time.monotonic()
                    self._ask(self._outer)
            reason = f"nothing was heard of it for {SILENCE:.0f} seconds"
        self._end(reason)
        for each in (self._inner, self._outer):
            each.close()

    def _send_on(self) -> None:
        packet, self._muxer = self._inner.recvfrom(LARGEST)
        self._outer.send(packet)

    def _send_back(self) -> None:
        packet = self._outer.recv(LARGEST)
        if is_request(packet):
            # The muxer answers none once media flow, and a server's library would give it up (consent).
            self._outer.send(make_response(packet, self._names[0], self._outer.getpeername()[:2]))
        elif self._muxer is not None and not is_response(packet, self._keys):
            self._inner.sendto(packet, self._muxer)


def _connect_all(candidates: list[tuple[str, int]]) -> Iterator[socket.socket]:
    for host, port in candidates:
        with suppress(
            OSError
        ):  # a name that nobody knows, a kind of address that this machine has not
            family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)[0]
            remote = _open_socket(family)
            try:
                remote.connect(address)
            except OSError:
                remote.close()
                raise
            yield remote


def _open_socket(family: int) -> socket.socket:
    opened = socket.socket(family, socket.SOCK_DGRAM)
    for option in (socket.SO_SNDBUF, socket.SO_RCVBUF):
        opened.setsockopt(socket.SOL_SOCKET, option, ROOM)
    return opened
