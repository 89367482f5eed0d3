"""Loops without a product around them, each in a process of its own: python -m pipeline.bench.loops bare|keep|alone.

bare   what the product is measured against: the same generate, decode and x264 calls in the same two threads, nothing written
keep   what users of Live Avatar have: denoise all, keep all latents and all frames in memory, write the film at the end
alone  one thing after the other on one thread, each stage timed by itself
"""

import argparse
import hashlib
import io
import json
import os
import sys
import threading
import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from model.avatar import AudioWindow, Avatar, Byte, DeviceConfig, Float, Named
from model.loader import load_model
from pipeline.bench.material import Material
from storage.film_marks import describe_source
from storage.picture import PictureView
from storage.picture_fit import measure_fit
from tasks.defaults import CRF, PRESET, choose_encoder_threads
from tasks.viewed_faces import find_in_view

if TYPE_CHECKING:
    from av import VideoFrame
    from av.container import OutputContainer
    from av.video.stream import VideoStream

    from model.pocket.face_boxes import FaceBoxes

Result = dict[str, Any]

AHEAD = 2
BT709, STUDIO_RANGE = 1, 1


class LoopFilm:
    """A film's model, inputs and sound, in memory."""

    def __init__(self, material: Material) -> None:
        from PIL import Image

        self.material = material
        self.avatar: Avatar = load_model(material.model, material.options, DeviceConfig())
        with Image.open(material.image) as picture:
            pixels = np.asarray(picture)
        self.inputs: Named = self.avatar.encode_inputs(pixels, "", self._find_face(pixels))
        self._sound = _read_sound(material.audio)

    def _find_face(self, pixels: NDArray[np.uint8]) -> "FaceBoxes | None":
        """As the product finds it, where the model needs one."""
        if not self.avatar.traits.needs_face:
            return None
        size = pixels.shape[1], pixels.shape[0]
        view = PictureView(pixels, measure_fit(size, size, "exact"))
        return find_in_view(self.material.model, view)[0].boxes

    def extract_features(self, clip: int) -> Float:
        """Audio features of a clip, from its span of sound and the margins; silence beyond both ends."""
        traits = self.avatar.traits
        samples, margin = traits.clip_frames * traits.samples_per_frame, traits.audio_margin
        start, stop = clip * samples - margin, (clip + 1) * samples + margin
        inside = self._sound[max(0, start) : stop].astype(np.float32) / 32768
        before = max(0, -start)
        span = np.zeros(stop - start, np.float32)
        span[before : before + len(inside)] = inside
        return self.avatar.extract_audio(AudioWindow(span))


def run_bare(film: LoopFilm, encoding: dict[str, str]) -> Result:
    """Stamps of a film made with the product's overlap: a denoiser that runs ahead in its thread, and everything else in this one."""
    clips = film.material.clips
    features: SimpleQueue[Float] = SimpleQueue()
    made: SimpleQueue[Float] = SimpleQueue()
    begun: list[float] = []
    thread = threading.Thread(target=_denoise_all, args=(film, features, made, begun), daemon=True)
    thread.start()
    decoder = film.avatar.decoder(film.inputs)
    heard, segments, stamps = 0, [], []
    for clip in range(clips):
        while heard < min(clip + AHEAD + 1, clips):
            features.put(film.extract_features(heard))
            heard += 1
        segments.append(encode_frames(decoder.decode(made.get()), film.avatar.traits.fps, encoding))
        stamps.append(time.time())
    thread.join()
    digests = [hashlib.sha256(segment).hexdigest() for segment in segments]
    return {"begun": begun[0], "published": stamps, "ended": stamps[-1], "digests": digests}


def _denoise_all(
    film: LoopFilm, features: "SimpleQueue[Float]", made: "SimpleQueue[Float]", begun: list[float]
) -> None:
    try:
        denoiser = film.avatar.denoiser(film.inputs, film.material.seed)
        for _ in range(film.material.clips):
            heard = features.get()
            begun.append(time.time())
            made.put(denoiser.denoise(heard).latents)
    except BaseException:  # noqa: BLE001 - whatever a model raises
        # The other thread would wait for ever.
        sys.excepthook(*sys.exc_info())
        os._exit(1)


def run_keeping(film: LoopFilm, encoding: dict[str, str], target: Path) -> Result:
    """Denoise all, decode all, write all, holding everything in memory until the end (frames as bytes, a quarter of what floats would take)."""
    clips = film.material.clips
    features = [film.extract_features(clip) for clip in range(clips)]
    denoiser = film.avatar.denoiser(film.inputs, film.material.seed)
    begun = time.time()
    latents = [denoiser.denoise(heard).latents for heard in features]
    decoder = film.avatar.decoder(film.inputs)
    frames = [decoder.decode(one) for one in latents]
    target.write_bytes(encode_frames(np.concatenate(frames), film.avatar.traits.fps, encoding))
    return {"begun": begun, "ended": time.time()}


def run_alone(film: LoopFilm, encoding: dict[str, str]) -> Result:
    """Seconds a clip of each stage by itself, without the first clip: it warms the caches."""
    denoiser = film.avatar.denoiser(film.inputs, film.material.seed)
    decoder = film.avatar.decoder(film.inputs)
    fps, laps = film.avatar.traits.fps, []
    for clip in range(film.material.clips):
        stamps = [time.perf_counter()]
        heard = film.extract_features(clip)
        stamps.append(time.perf_counter())
        latents = denoiser.denoise(heard).latents
        stamps.append(time.perf_counter())
        frames = decoder.decode(latents)
        stamps.append(time.perf_counter())
        encode_frames(frames, fps, encoding)
        stamps.append(time.perf_counter())
        laps.append(np.diff(stamps))
    seconds = np.median(laps[1:] or laps, 0)
    names = ("audio", "denoise", "decode", "encode")
    return dict(zip(names, map(float, seconds), strict=True))


def encode_frames(frames: Byte, fps: int, encoding: dict[str, str]) -> bytes:
    """Frames as H.264 in mp4, in memory: the calls and the bytes of the product's segments (a test compares them)."""
    import av

    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        container.metadata.update(describe_source(""))
        stream = _add_stream(container, frames, fps, encoding)
        for frame in _convert_to_yuv(frames, fps):
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return file.getvalue()


def _add_stream(
    container: "OutputContainer", frames: Byte, fps: int, encoding: dict[str, str]
) -> "VideoStream":
    stream = container.add_stream("libx264", rate=fps, options=encoding)
    stream.height, stream.width, stream.pix_fmt = *frames.shape[1:3], "yuv420p"
    stream.colorspace = stream.color_primaries = stream.color_trc = BT709
    stream.color_range = STUDIO_RANGE
    return stream


def _convert_to_yuv(frames: Byte, fps: int) -> Iterator["VideoFrame"]:
    from av import VideoFrame
    from av.video.reformatter import Interpolation, VideoReformatter

    exact = Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INP | Interpolation.BITEXACT
    reformatter = VideoReformatter()
    for number, pixels in enumerate(frames):
        frame = reformatter.reformat(
            VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24"),
            format="yuv420p",
            dst_colorspace=BT709,
            dst_color_range=STUDIO_RANGE,
            interpolation=Interpolation.AREA | exact,
            threads=1,
        )
        frame.pts, frame.time_base = number, Fraction(1, fps)
        yield frame


def encoding_of(width: int, height: int) -> dict[str, str]:
    """The options of libx264 that the product uses for films of this size."""
    strict = "cpu-independent=1:open-gop=0:keyint=infinite:scenecut=0:bframes=0"
    threads = {"threads": str(choose_encoder_threads(width, height) or 1), "thread_type": "frame"}
    return {"preset": PRESET, "crf": str(CRF), "x264-params": strict, **threads}


def _read_sound(path: Path) -> np.ndarray[Any, np.dtype[np.int16]]:
    import wave

    with wave.open(str(path), "rb") as file:
        return np.frombuffer(file.readframes(file.getnframes()), np.int16)


def loop_command(kind: str, material: Material, target: Path) -> list[str]:
    """The command line of a loop in a process of its own."""
    words = ("-m", "pipeline.bench.loops", kind, material.text, "--target", str(target))
    return [sys.executable, *words]


def main() -> None:
    """Run one loop and print its result as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kind", choices=("bare", "keep", "alone"))
    parser.add_argument("material", type=Material.from_text, help="what Material.text says")
    parser.add_argument("--target", type=Path, required=True)
    words = parser.parse_args()
    film = LoopFilm(words.material)
    encoding = encoding_of(words.material.options.width, words.material.options.height)
    if words.kind == "keep":
        result = run_keeping(film, encoding, words.target)
    else:
        result = {"bare": run_bare, "alone": run_alone}[words.kind](film, encoding)
    print(json.dumps(result))


if __name__ == "__main__":
    main()
