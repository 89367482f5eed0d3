"""What befalls a film on its way, so that it is known after what its watermark is still found."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from io import BytesIO
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from av import VideoFrame
    from PIL.Image import Image

Byte = NDArray[np.uint8]
FPS = 25
_TRIES = 8
Change = Callable[[Byte], Byte]


@dataclass(frozen=True)
class Attack:
    """What is done to a clip: its frames are changed or scaled, then encoded again, with a share of the bits."""

    name: str
    change: Change | None = None
    size: float = 1.0
    """What the sides are multiplied by, as ffmpeg does it."""
    bits: float = 0.0
    """Of the film's own; 0: encoded with crf 18."""
    level: float = 0.0
    """The share of clips in which the watermark must be found; 0: it is only measured."""


def resize_frames(frames: Byte, width: int, height: int) -> Byte:
    """Frames [frame, y, x, rgb] in another size."""
    from PIL import Image

    return _map_frames(
        frames, lambda image: image.resize((width, height), Image.Resampling.BICUBIC)
    )


def crop_to(share: float) -> Change:
    """The middle of the picture alone."""

    def cut(frames: Byte) -> Byte:
        rows, columns = (round(n * (1 - share) / 2) for n in frames.shape[1:3])
        kept = frames[:, rows : frames.shape[1] - rows, columns : frames.shape[2] - columns]
        return kept[:, : kept.shape[1] // 2 * 2, : kept.shape[2] // 2 * 2]

    return cut


def rotate_by(degrees: float) -> Change:
    """Turned round its middle."""
    from PIL import Image

    way = Image.Resampling.BICUBIC
    return lambda frames: _map_frames(frames, lambda image: image.rotate(degrees, way))


def remove_colours(frames: Byte) -> Byte:
    """Without colours."""
    return _map_frames(frames, lambda image: image.convert("L").convert("RGB"))


def brighten_frames(frames: Byte) -> Byte:
    """A fifth brighter, with a fifth more contrast."""
    return np.clip((frames.astype(np.float32) - 128) * 1.2 + 154, 0, 255).astype(np.uint8)


def soften_frames(frames: Byte) -> Byte:
    """Through a Gaussian of 1.5 pixels."""
    from PIL import ImageFilter

    return _map_frames(frames, lambda image: image.filter(ImageFilter.GaussianBlur(1.5)))


def add_noise(frames: Byte) -> Byte:
    """With noise of 8 levels, another in each frame."""
    noise = np.random.default_rng(5).normal(0, 8, frames.shape)
    return np.clip(frames + noise, 0, 255).astype(np.uint8)


LEVELS = (
    Attack("crf 18, as the film is", level=0.99),
    Attack("half the bit rate", bits=0.5, level=0.98),
    Attack("scaled to 75 %", size=0.75, level=0.95),
    Attack("all three", size=0.75, bits=0.5, level=0.90),
)
FURTHER = (
    Attack("a third of the bit rate", bits=1 / 3),
    Attack("a quarter of the bit rate", bits=0.25),
    Attack("scaled to 50 %", size=0.5),
    Attack("scaled to 200 %", size=2),
    Attack("stretched to 16:9", lambda frames: resize_frames(frames, 512, 288)),
    Attack("every other frame", lambda frames: frames[::2]),
    Attack("half a second", lambda frames: frames[:12]),
    Attack("one frame (a screenshot)", lambda frames: frames[20:21]),
    Attack("brighter, more contrast", brighten_frames),
    Attack("noise of 8 levels", add_noise),
    Attack("blurred by 1.5 pixels", soften_frames),
    Attack("mirrored", lambda frames: frames[:, :, ::-1]),
    Attack("grey", remove_colours),
    Attack("cropped to 98 %", crop_to(0.98)),
    Attack("cropped to 90 %", crop_to(0.9)),
    Attack("turned by half a degree", rotate_by(0.5)),
    Attack("turned by 2 degrees", rotate_by(2)),
)


def attack_film(film: bytes, attack: Attack) -> bytes:
    """A film as it is after the attack, an mp4."""
    if attack.change is None and attack.size == 1 and not attack.bits:
        return film
    frames = read_frames(film)
    if attack.change is not None:
        frames = to_frames(attack.change(decode_film(film)))
    if not attack.bits:
        return encode_film(frames, {"crf": "18"}, size=attack.size)
    return encode_within(frames, round(attack.bits * count_bytes(film)), attack.size)


def encode_within(frames: "Sequence[VideoFrame]", most: int, size: float) -> bytes:
    """Frames at the bit rate that comes nearest to so many bytes of picture, and not above them."""
    low, high, rate, best = 0.0, float("inf"), most * 8 * FPS / len(frames), b""
    for _ in range(_TRIES):
        film = encode_film(frames, {}, round(rate), size=size)
        taken = count_bytes(film)
        if taken <= most:
            best, low = film, rate
        else:
            high = rate
        if 0.92 * most <= taken <= most:
            break
        rate = (low + high) / 2 if high < float("inf") else 2 * rate
    assert best, "no rate is low enough"
    return best


def encode_film(
    frames: "Sequence[VideoFrame]", options: dict[str, str], rate: int = 0, *, size: float = 1.0
) -> bytes:
    """Frames as ffmpeg encodes them where nothing else is said: x264's preset medium, B-frames, the mean of a bit rate."""
    import av

    file = BytesIO()
    with av.open(file, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=FPS, options=options)
        sides = (frames[0].width, frames[0].height)
        stream.width, stream.height = (round(size * side / 2) * 2 for side in sides)
        stream.pix_fmt, stream.thread_count = "yuv420p", 1
        if rate:
            stream.bit_rate = rate
        for number, frame in enumerate(frames):
            small = frame.reformat(stream.width, stream.height, "yuv420p", interpolation="BICUBIC")
            small.pts, small.time_base = number, Fraction(1, FPS)
            small.pict_type = av.video.frame.PictureType.NONE
            container.mux(stream.encode(small))
        container.mux(stream.encode(None))
    return file.getvalue()


def to_frames(pixels: Byte) -> "list[VideoFrame]":
    """Pixels [frame, y, x, rgb] as libav's frames, in the colours of films."""
    from av import VideoFrame

    return [
        VideoFrame.from_ndarray(np.ascontiguousarray(each), format="rgb24").reformat(
            format="yuv420p", dst_colorspace=1, dst_color_range=1
        )
        for each in pixels
    ]


def read_frames(film: bytes) -> "list[VideoFrame]":
    """The frames of an mp4, as it has them."""
    import av

    with av.open(BytesIO(film), "r") as container:
        return list(container.decode(video=0))


def decode_film(film: bytes) -> Byte:
    """The frames [frame, y, x, rgb] of an mp4."""
    frames = [frame.to_ndarray(format="rgb24") for frame in read_frames(film)]
    return np.stack(frames).astype(np.uint8, copy=False)


def count_bytes(film: bytes) -> int:
    """The bytes of an mp4's picture."""
    import av

    with av.open(BytesIO(film), "r") as container:
        return sum(packet.size for packet in container.demux(video=0))


def _map_frames(frames: Byte, change: "Callable[[Image], Image]") -> Byte:
    from PIL import Image

    changed: Sequence[Byte] = [np.asarray(change(Image.fromarray(frame))) for frame in frames]
    return np.stack(changed)
