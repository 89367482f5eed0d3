"""The sound of a live film as WebRTC wants it: Opus, 48 kHz, two channels, made of the AAC that the film has, packet by packet."""

from collections.abc import Iterator
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from storage.film_file import SOUND_RATE

if TYPE_CHECKING:
    from av import AudioFrame, AudioStream, Packet
    from av.container import OutputContainer

SILENCE = b"\xf8\xff\xfe"
"""20 ms of it, as Opus."""
OPUS_BIT_RATE = 96_000
"""For two channels: speech through a codec once more, and nothing that one hears of it."""


class OpusSound:
    """One decoder and one encoder from the first packet to the last, so that no clip begins with silence."""

    def __init__(self, connection: "OutputContainer", heard: "AudioStream") -> None:
        """`heard`: the AAC that will come."""
        import av

        self._decoder = av.CodecContext.create("aac", "r")
        self._decoder.extradata = heard.codec_context.extradata
        self._stream = connection.add_stream("libopus", rate=SOUND_RATE, layout="stereo")
        self._stream.bit_rate = OPUS_BIT_RATE
        self._samples: int | None = None
        """Of the film before the next frame."""
        self._last: Fraction | None = None
        """Seconds at which the last packet stands."""

    def convert_packet(self, packet: "Packet[Any]") -> Iterator["Packet[Any]"]:
        """What is now to be sent, 20 ms each; some is held back until the next call."""
        if self._samples is None:
            self._samples = round((packet.pts or 0) * packet.time_base * SOUND_RATE)
        for frame in self._decoder.decode(packet):
            for ready in self._stream.encode(self._place(frame)):
                self._last = (ready.pts or 0) * ready.time_base
                yield ready

    def make_silence(self) -> Iterator["Packet[Any]"]:
        """A packet that a player passes over, as it stands a sample behind the last one; libav's muxer gives a session up after thirty seconds in which it was given none."""
        from av import Packet

        if self._last is not None:
            self._last += Fraction(1, SOUND_RATE)
            packet: Packet[Any] = Packet(SILENCE)
            packet.time_base = Fraction(1, SOUND_RATE)
            packet.pts = packet.dts = round(self._last * SOUND_RATE)
            packet.stream = self._stream
            yield packet

    def take_rest(self) -> Iterator["Packet[Any]"]:
        """What was held back."""
        yield from self._stream.encode(None)

    def _place(self, frame: "AudioFrame") -> "AudioFrame":
        assert self._samples is not None
        frame.pts, frame.time_base = self._samples, Fraction(1, SOUND_RATE)
        self._samples += frame.samples
        return frame


class CopiedPackets:
    """A stream whose packets go as they are."""

    def __init__(self, connection: "OutputContainer", source: Any) -> None:
        self._stream = connection.add_stream_from_template(source)

    def convert_packet(self, packet: "Packet[Any]") -> Iterator["Packet[Any]"]:
        """The packet, for this connection."""
        packet.stream = self._stream
        yield packet

    def make_silence(self) -> Iterator["Packet[Any]"]:
        """Nothing: it needs none."""
        return iter(())

    def take_rest(self) -> Iterator["Packet[Any]"]:
        """Nothing: nothing is held back."""
        return iter(())
