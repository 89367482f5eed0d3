"""What steps, clip length and size change for pocket, in processor time: python -m pipeline.bench.knobs [--rounds N] [--only WORDS].

Processor seconds of the thread that works, not of the clock on the wall, so that other work on the machine falls on them as little as may be. Clips are
denoised with full rings, as in the midst of a film. On two free cores an online film goes as fast as the slower of the two; offline it pays for both.
"""

import argparse
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from model.avatar import DeviceConfig, Options
from model.loader import load_model
from model.pocket.face_boxes import FaceBoxes
from model.registry import describe_model

ASKED = Options(256, 256, 48, 4)
FULL = 12
"""A clip before which the rings are full, whatever its length."""
VARIANTS: dict[str, dict[str, Any]] = {
    "256*256, 4 steps, clips of 48": {},
    "--sample-steps 1": {"steps": 1},
    "--sample-steps 2": {"steps": 2},
    "--sample-steps 3": {"steps": 3},
    "--sample-steps 8": {"steps": 8},
    "--infer-frames 12": {"clip_frames": 12},
    "--infer-frames 24": {"clip_frames": 24},
    "--infer-frames 96": {"clip_frames": 96},
    "--size 64*64": {"width": 64, "height": 64},
    "--size 128*128": {"width": 128, "height": 128},
    "--size 192*192": {"width": 192, "height": 192},
    "--size 384*384": {"width": 384, "height": 384},
}


def measure_options(options: Options, rounds: int) -> tuple[float, float]:
    """Processor milliseconds a frame of denoising and of decoding, the best of so many rounds."""
    traits = describe_model("pocket", options)
    avatar = load_model("pocket", options, DeviceConfig())
    picture = np.full((options.height, options.width, 3), 128, np.uint8)
    inputs = avatar.encode_inputs(picture, "", place_face(options.width, options.height))
    denoiser, decoder = avatar.denoiser(inputs, 0), avatar.decoder(inputs)
    features = np.zeros((traits.audio_layers, traits.audio_channels, traits.clip_frames), "float32")
    denoiser.restore(FULL, ())
    made = denoiser.denoise(features)
    each = 1000 / traits.clip_frames
    return (
        each * best_seconds(lambda: denoiser.denoise(features), rounds),
        each * best_seconds(lambda: decoder.decode(made.latents), rounds),
    )


def place_face(width: int, height: int) -> FaceBoxes:
    """A face in the middle of a picture of this size: where it is costs nothing."""
    parts = ((0.4, 0.6, 0.2, 0.08), (0.35, 0.4, 0.1, 0.05), (0.55, 0.4, 0.1, 0.05))
    return FaceBoxes(*((x * width, y * height, w * width, h * height) for x, y, w, h in parts))


def best_seconds(work: Callable[[], object], rounds: int) -> float:
    """Processor seconds that the work takes on this thread, the best of `rounds`."""
    found = []
    for _ in range(rounds):
        begun = time.thread_time()
        work()
        found.append(time.thread_time() - begun)
    return min(found)


def main() -> None:
    """Measure each knob, and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default="", metavar="WORDS", help="Only rows with these words.")
    options = parser.parse_args()
    print("| | denoise, ms a frame | decode, ms a frame | frames a second online | offline |")
    print("|---|---|---|---|---|")
    for words in (words for words in VARIANTS if options.only in words):
        denoise, decode = measure_options(replace(ASKED, **VARIANTS[words]), options.rounds)
        cells = f"{denoise:.1f} | {decode:.1f} | {1000 / max(denoise, decode):.0f}"
        print(f"| {words} | {cells} | {1000 / (denoise + decode):.0f} |", flush=True)


if __name__ == "__main__":
    main()
