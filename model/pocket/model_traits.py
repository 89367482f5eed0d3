"""What pocket is, in numbers: known without torch and without its weights."""

import hashlib
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from model.avatar import DeviceConfig, ModelTraits, Options
from model.estimates import MachineSpeed, MemoryEstimate, TimeEstimate
from model.latent_preview import LatentPreview
from model.pocket.canvas import SIZE
from model.pocket.curve_layout import CHANNELS, FRAMES, LAYOUT, MOUTH, SIDE, ZONES
from model.pocket.curve_preview import CurvePreview
from model.s2v.config import S2VConfig, count_tokens

WEIGHTS = Path(__file__).parent / "weights"
AVATAR_FILE = "avatar.safetensors"
WARPING_FILE = "warping.safetensors"

SAMPLE_RATE, FPS = 16_000, 25
AUDIO_MARGIN = 16 * SAMPLE_RATE // FPS + 160
"""Samples that MelEncoder.hear reads on either side: its CONTEXT_FRAMES and log_mel.MARGIN, without torch."""
AUDIO_CHANNELS, AUDIO_LAYERS = 192, 3
"""What MelEncoder gives: channels of each layer, and layers."""
TRANSFORMER = S2VConfig(
    dim=256,
    ffn_dim=512,
    num_heads=4,
    num_layers=6,
    text_dim=None,
    cond_dim=12,
    audio_dim=AUDIO_CHANNELS,
    audio_layers=AUDIO_LAYERS,
    audio_inject_layers=(0, 1, 2, 3, 4, 5),
    motion_buckets=(1, 2),
    motion_edged=False,
    rope_theta=100.0,
    motion_follows=True,
    sink_from_first_clip=False,
    sigmas="flow_match_even",
    rounding="layer",
    rounded_latents=False,
)
BLOCK_LATENTS, RING_LATENTS = 3, 12
CLIP_FRAMES, STEPS = 48, 4


def fill_options(options: Options) -> Options:
    """The options with pocket's own numbers where none were chosen."""
    return replace(
        options,
        width=options.width or SIZE,
        height=options.height or SIZE,
        clip_frames=options.clip_frames or CLIP_FRAMES,
        steps=options.steps or STEPS,
    )


def describe_model(options: Options) -> ModelTraits:
    """Pocket's traits for these options."""
    options = fill_options(options)
    return ModelTraits(
        name="pocket",
        fps=FPS,
        clip_frames=options.clip_frames,
        block_frames=BLOCK_LATENTS * FRAMES,
        frames_per_latent=FRAMES,
        latent_channels=CHANNELS,
        latent_width=SIDE,
        latent_height=SIDE * options.speakers,
        size_multiple=16,
        default_width=SIZE,
        default_height=SIZE,
        steps=options.steps,
        sample_rate=SAMPLE_RATE,
        audio_layers=AUDIO_LAYERS,
        audio_channels=AUDIO_CHANNELS,
        audio_margin=AUDIO_MARGIN,
        decoder_memory=1,
        reads_words=True,
        needs_face=True,
        latents_blend=True,
        heard_latents=find_heard(options.clip_frames // FRAMES),
        carry_bytes=carry_bytes(options),
        carry_pieces=options.speakers * (2 + options.steps * TRANSFORMER.num_layers),
        layers=TRANSFORMER.num_layers,
        heads=TRANSFORMER.num_heads,
        tokens=count_tokens(TRANSFORMER, SIDE, SIDE),
    )


def find_heard(latents: int) -> tuple[range, range, range, range]:
    """Where lips lie in so many latents: they are read from the sound, whatever the transformer says (model/pocket/viseme_head.py)."""
    rows = [row for row, zones in enumerate(ZONES) if MOUTH in zones]
    columns = [column for column, zone in enumerate(ZONES[rows[0]]) if zone == MOUTH]
    smile = LAYOUT[MOUTH]["smile"]
    return (
        range(smile, CHANNELS),
        range(latents),
        range(rows[0], rows[-1] + 1),
        range(columns[0], columns[-1] + 1),
    )


def carry_bytes(options: Options) -> int:
    """Keys and values of every ring, of the latents that the next block can still see; half of it in bf16."""
    tokens = SIDE**2 // (TRANSFORMER.patch_size[1] * TRANSFORMER.patch_size[2])
    row = 2 * TRANSFORMER.dim * 4
    seen = RING_LATENTS - BLOCK_LATENTS
    return options.speakers * options.steps * TRANSFORMER.num_layers * seen * tokens * row


def bytes_needed(options: Options, machine: DeviceConfig) -> int:  # noqa: ARG001 - as for every model
    """Nothing to speak of."""
    return 0


def read_preview(options: Options) -> LatentPreview:  # noqa: ARG001 - as for every model
    """A schematic face, drawn from the curves that the latents are."""
    return CurvePreview()


def estimate_memory(options: Options, machine: DeviceConfig, free: int | None) -> MemoryEstimate:  # noqa: ARG001 - as for every model
    """Weights and rings, in the host's memory; half of it in bf16."""
    weights = 2 * sum((WEIGHTS / name).stat().st_size for name in (AVATAR_FILE, WARPING_FILE))
    whole = RING_LATENTS / (RING_LATENTS - BLOCK_LATENTS)
    rings = int(carry_bytes(fill_options(options)) * whole)
    return MemoryEstimate({}, {"weights": weights, "rings": rings}, "in the host's memory")


def estimate_time(
    options: Options,  # noqa: ARG001
    machine: DeviceConfig,  # noqa: ARG001
    free: int,  # noqa: ARG001
    speed: MachineSpeed,  # noqa: ARG001
) -> TimeEstimate | None:
    """Only measuring tells."""
    return None


@lru_cache(maxsize=1)
def weights_digest(options: Options, *, fetch: bool = True) -> str:  # noqa: ARG001 - they are in the package
    """The SHA-256 over all that decides the weights."""
    whole = hashlib.sha256()
    for name in (AVATAR_FILE, WARPING_FILE):
        whole.update((WEIGHTS / name).read_bytes())
    return whole.hexdigest()
