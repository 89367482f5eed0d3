"""One connection to a live server, in a process of its own: a network library that hangs or crashes is not the film's.

    python -m pipeline.push.connection RUN/live CLIP FORMAT NAME SECONDS    with the URL on stdin, where no list of processes shows it

Sends the live film from a clip on, packets copied (sound made Opus for WebRTC), each at its time by the clock, until the playlist ends. Says on stdout the number of each clip that is
sent, and at last what failed. A packet or a connection that is not taken within so many
seconds ends it, whatever library it hangs in.
"""

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from pipeline.push.address import Carried, PushAddress, find_ffmpeg
from pipeline.push.opus_sound import CopiedPackets, OpusSound
from pipeline.push.whip import ServerFault, start_whip_relay
from pipeline.sinks.sink import describe_reason
from pipeline.upkeep.child_process import follow_parent
from storage.live_playlist import HEADER, read_playlist
from storage.media_file import MemoryFile

if TYPE_CHECKING:
    from av import Packet
    from av.container import OutputContainer

LOOK = 0.1
"""Seconds between two looks at the playlist."""
SRT_PAYLOAD = 7 * 188
"""Bytes of a message: seven packets of a transport stream, as every SRT receiver expects."""
SRT_LINGER = 1.0
"""Seconds before a connection is closed: what its buffers hold then (120 ms by default) the receiver throws away."""
WHIP_LINGER = 1.0
"""The same of a session, which the muxer's end ends: servers hold back what may be out of order."""
AWAKE = 1.0
"""Seconds without a packet after which a connection is kept awake."""
LATE = 0.5
"""Seconds behind the clock at which it is set anew: the film was made too slowly, and what follows is not hurried."""


class Clock:
    """Lets each packet go at its time."""

    def __init__(self) -> None:
        self._start: float | None = None

    def wait_until(self, seconds: float) -> None:
        """Sleep until this time of the film has come; the first time is now."""
        now = time.monotonic()
        if self._start is None or now - self._start - seconds > LATE:
            self._start = now - seconds
        time.sleep(max(0.0, self._start + seconds - now))


class LiveStream:
    """A film on its way into a connection."""

    def __init__(self, connection: "OutputContainer", seconds: int, *, opus: bool = False) -> None:
        """`seconds`: that a packet may take. `opus`: what the sound is sent as, instead of as it is."""
        self._connection, self._clock, self._seconds = connection, Clock(), seconds
        self._opus = opus
        self._tracks: list[OpusSound | CopiedPackets] = []
        self._sent = time.monotonic()

    def send_clip(self, content: bytes) -> None:
        """Send the packets of a header and a fragment, each at its time. Raises FFmpegError, OSError."""
        import av

        file = MemoryFile()
        file.content.extend(content)
        with av.open(file, "r", "mp4") as source:
            if not self._tracks:
                self._tracks = [self._add_track(stream) for stream in source.streams]
            packets = [packet for packet in source.demux() if packet.dts is not None]
            for packet in sorted(packets, key=_sent_at):
                self._clock.wait_until(float(_sent_at(packet)))
                self._send(self._tracks[packet.stream.index].convert_packet(packet))

    def send_rest(self) -> None:
        """Send what was held back. Raises FFmpegError, OSError."""
        for track in self._tracks:
            self._send(track.take_rest())

    def keep_awake(self) -> None:
        """Send some silence where the last packet was long ago and the connection ends by that. Raises FFmpegError, OSError."""
        if time.monotonic() - self._sent > AWAKE:
            for track in self._tracks:
                self._send(track.make_silence())

    def _add_track(self, stream: Any) -> "OpusSound | CopiedPackets":
        sound = self._opus and stream.type == "audio"
        return (OpusSound if sound else CopiedPackets)(self._connection, stream)

    def _send(self, packets: "Iterator[Packet[Any]]") -> None:
        self._sent = time.monotonic()
        for packet in packets:
            with limited_time(self._seconds):
                self._connection.mux(packet)


def _sent_at(packet: "Packet[Any]") -> Fraction:
    return (packet.dts or 0) * packet.time_base


def follow_clips(folder: Path, first: int) -> Iterator[tuple[int, Path] | None]:
    """Clips of a live film from one on, with their fragments, as they come, and None at each look that found none; ends with the playlist."""
    clip = first
    while True:
        names, whole = read_playlist(folder)
        for name in names[clip:]:
            yield clip, folder / name
            clip += 1
        if whole:
            return
        yield None
        time.sleep(LOOK)


@contextmanager
def limited_time(seconds: int) -> Iterator[None]:
    """End the process where the block takes longer: the signal's own deed, as Python may not get to run."""
    signal.alarm(seconds)
    yield
    signal.alarm(0)


@contextmanager
def open_connection(server: PushAddress, seconds: int) -> Iterator["OutputContainer"]:
    """A connection to write a film into, which may take so long to be made. Raises FFmpegError, OSError."""
    import av

    with ExitStack() as stack:
        target: Any = server.url
        options = {"flush_packets": "1"}
        if server.through_ffmpeg:
            target = stack.enter_context(_start_ffmpeg(server.url))
        if server.format == "whip":
            muxer = stack.enter_context(start_whip_relay(server.url, seconds))
            target, options = muxer.url, muxer.options
        with limited_time(seconds):
            connection = av.open(target, "w", format=server.format, options=options)
        yield connection
        # A server may close its side first when a session ends; by then all is sent.
        kinds = (OSError,) if server.format == "whip" else ()
        time.sleep(WHIP_LINGER if server.format == "whip" else 0)
        with limited_time(seconds), suppress(*kinds):
            connection.close()


@contextmanager
def _start_ffmpeg(url: str) -> Iterator[Any]:
    """What is written into this goes to the URL as it is, in whole packets of the transport stream."""
    program = find_ffmpeg()
    assert program is not None, "it was there when the address was read"
    taken = ["-f", "data", "-raw_packet_size", str(SRT_PAYLOAD), "-i", "-"]
    command = [
        program,
        "-loglevel",
        "quiet",
        *taken,
        "-map",
        "0",
        "-c",
        "copy",
        "-flush_packets",
        "1",
        "-f",
        "data",
        url,
    ]
    pipe, nowhere = subprocess.PIPE, subprocess.DEVNULL
    with subprocess.Popen(command, bufsize=0, stdin=pipe, stdout=nowhere) as process:
        yield process.stdin
        time.sleep(SRT_LINGER)


def main(words: list[str]) -> int:
    """Push a film; 0 when all of it is sent, else 1."""
    follow_parent()
    folder, clip, form, name = Path(words[0]), int(words[1]), words[2], words[3]
    seconds = int(words[4])
    url = sys.stdin.readline().strip()
    server = PushAddress(url, name, cast("Carried", form))
    try:
        _push_film(server, folder, clip, seconds)
    except ServerFault as fault:
        _tell(f"failed {fault}")
        return 1
    except Exception as fault:  # noqa: BLE001 - whatever a network or a library raises
        _tell(f"failed {describe_reason(fault)}")
        return 1
    return 0


def _push_film(server: PushAddress, folder: Path, first: int, seconds: int) -> None:
    clips = follow_clips(folder, first)
    if (begin := next((each for each in clips if each is not None), None)) is None:
        return
    # Not before there is something to send: a server does not wait for long.
    with open_connection(server, seconds) as connection:
        stream = LiveStream(connection, seconds, opus=server.format == "whip")
        for each in chain([begin], clips):
            if each is None:
                stream.keep_awake()
                continue
            clip, fragment = each
            stream.send_clip((folder / HEADER).read_bytes() + fragment.read_bytes())
            _tell(str(clip))
        stream.send_rest()


def _tell(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
