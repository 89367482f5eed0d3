"""The published models, in numbers: those of the folder of weights, or the published ones where there is no folder. Without torch."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from model.avatar import FP8, DeviceConfig, ModelTraits, Options
from model.estimates import MachineSpeed, MemoryEstimate, TimeEstimate
from model.latent_preview import LatentPreview
from model.s2v.config import S2VConfig, count_tokens
from model.vae import preview
from model.vae.wan_layout import STATISTICS, VAELayout, decoder_memory
from model.wan.gpu_memory import (
    MemoryInput,
    MemoryNeed,
    OffloadPlan,
    choose_offload,
    compute_need,
    least_bytes,
)
from model.wan.gpu_time import ClipWork, MeasuredClip, estimate_seconds
from model.wan.latent_colours import published_preview
from model.weights import checkpoint, checks, published_shapes
from model.weights.checkpoint import WeightsLocation
from storage.errors import BadInput, BadOption

SAMPLE_RATE = 16_000
AUDIO_MARGIN = 4 * SAMPLE_RATE
FRAMES_PER_LATENT, PIXELS_PER_LATENT, MOTION_LATENTS, RING_LATENTS = 4, 8, 19, 12
PROMPT_TOKENS = 512
"""States of a prompt that are stored, whatever its length."""
SIZE_MULTIPLE = 16
WIDTH, HEIGHT = 704, 384
VAE = VAELayout(
    published_shapes.VAE_WIDTHS,
    len(STATISTICS[0]),
    published_shapes.VAE_BLOCKS,
    published_shapes.VAE_HALVES_TIME,
)
"""What decides how far the decoder looks back."""


@dataclass(frozen=True)
class PublishedModel:
    """What tells one published model from the other."""

    name: str
    fps: int
    clip_frames: int
    block_frames: int
    steps: int
    motion_latents: int
    """Latents that a clip takes from the decoded one before it."""
    guidance: str = ""
    least_frames: int = 1
    """A clip is no shorter."""
    lora: bool = False
    vae_in_float: bool = False
    """The VAE computes in float32 on any device."""
    measured: MeasuredClip = field(default_factory=MeasuredClip)
    """How long its clips took on one H200."""
    switches: dict[str, Any] = field(default_factory=dict)
    """Fields of S2VTransformer's configuration that config.json does not know."""

    def locate_weights(self, options: Options, *, fetch: bool = False) -> WeightsLocation:
        """Where its weights lie; what the hub has of them may be fetched. Raises BadInput, WeightsMissing."""
        if not options.weights:
            raise BadInput(f"{self.name} needs the folder of its weights: --weights DIR.")
        lora = (options.lora or None) if self.lora else ""
        return checkpoint.locate_weights(options.weights, lora, fetch=fetch)

    def config(self, options: Options) -> dict[str, Any]:
        """The transformer's configuration: the folder's, or the published one where no folder is named or there any more."""
        # A name of the hub says nothing before it is fetched.
        named = options.weights if Path(options.weights).is_dir() else ""
        place = checkpoint.locate_weights(named, "") if named else None
        there = place is not None and (place.folder / checkpoint.CONFIG).is_file()
        return (
            place.config
            if place and there
            else published_shapes.build_config(published_shapes.PUBLISHED)
        )

    def weights_digest(self, options: Options, *, fetch: bool = True) -> str:
        """What stands for all its weights; every part is checked first. `fetch` allows to download what the hub has. Raises BadInput, WeightsMissing, WeightsDamaged, OtherWeights, OtherLora."""
        return _checked_digest(self.locate_weights(options, fetch=fetch))

    def describe_model(self, options: Options) -> ModelTraits:
        """Its traits for these options. Raises WeightsDamaged, OtherWeights, BadOption."""
        config = self.config(options)
        frames = options.clip_frames or self.clip_frames
        if frames < self.least_frames:
            reason = f"a clip of {self.name} takes {self.least_frames - 3} frames from the one before it: take {self.clip_frames}"
            raise BadOption("--infer-frames", frames, reason)
        width, height = options.width or WIDTH, options.height or HEIGHT
        needed = self.needed(options)
        return ModelTraits(
            name=self.name,
            fps=self.fps,
            clip_frames=frames,
            block_frames=self.block_frames,
            frames_per_latent=FRAMES_PER_LATENT,
            latent_channels=config["in_dim"],
            latent_width=width // PIXELS_PER_LATENT,
            latent_height=height // PIXELS_PER_LATENT,
            size_multiple=SIZE_MULTIPLE,
            default_width=WIDTH,
            default_height=HEIGHT,
            steps=options.steps or self.steps,
            sample_rate=SAMPLE_RATE,
            audio_layers=config["audio_layers"],
            audio_channels=config["audio_dim"],
            audio_margin=AUDIO_MARGIN,
            decoder_memory=decoder_memory(VAE),
            takes_pose=True,
            motion_latents=self.motion_latents,
            guidance=self._guidance(options),
            hears_whole=options.whole_audio,
            precision=options.precision,
            carry_bytes=needed.kv_caches,
            carry_pieces=2 + needed.kv_caches // needed.layer_kv_cache if needed.kv_caches else 0,
            layers=config["num_layers"],
            heads=config["num_heads"],
            tokens=count_tokens(
                S2VConfig(**{**config, **self.switches}),
                height // PIXELS_PER_LATENT,
                width // PIXELS_PER_LATENT,
            ),
            encoded_bytes=encoded_bytes(config, (width, height), guided=bool(self.guidance)),
        )

    def needed(self, options: Options) -> MemoryNeed:
        """What its parts take of a card for a film of these options."""
        ring = 0 if self.motion_latents else RING_LATENTS
        frames = self.block_frames if ring else options.clip_frames or self.clip_frames
        film = MemoryInput(
            options.width or WIDTH,
            options.height or HEIGHT,
            options.steps or self.steps,
            frames // FRAMES_PER_LATENT,
            ring,
            options.precision == FP8,
            options.speakers,
        )
        return compute_need(self.config(options), film)

    def needed_by(self, options: Options, machine: DeviceConfig) -> MemoryNeed:
        """What its parts take of one rank's card; of the one card where it is not shared out."""
        needed = self.needed(options)
        if machine.shard is None:
            return needed
        return needed.of_shard(machine.shard, options.steps or self.steps)

    def bytes_needed(self, options: Options, machine: DeviceConfig) -> int:
        """Device memory without which a film cannot be made; on a CPU only where a limit was set."""
        if machine.device == "cpu" and machine.memory is None:
            return 0
        return least_bytes(self.needed_by(options, machine), machine.offload)

    def read_preview(self, options: Options) -> LatentPreview:
        """One that was fitted to the VAE of these weights and lies with them, or the published figures."""
        root = Path(options.weights)
        places = (root / preview.FILE, root / checkpoint.FOLDER / preview.FILE)
        fitted = next((p for p in places if options.weights and p.is_file()), None)
        return preview.read_preview(fitted) if fitted else published_preview()

    def estimate_memory(
        self, options: Options, machine: DeviceConfig, free: int | None
    ) -> MemoryEstimate:
        """What a film (or a rank's shard of it) takes, placed as a card with so much free memory has it; in float32 on the host where there is none."""
        needed = self.needed_by(options, machine)
        if free is None:
            taken = {name: 2 * size for name, size in needed.parts(OffloadPlan()).items()}
            taken.pop("CUDA")
            return MemoryEstimate({}, taken, "in the host's memory")
        plan = choose_offload(needed, free, machine.offload)
        return MemoryEstimate(
            needed.parts(plan), needed.host(plan), plan.description, needed.text_encoder
        )

    def estimate_time(
        self, options: Options, machine: DeviceConfig, free: int, speed: MachineSpeed
    ) -> TimeEstimate | None:
        """How long a card takes for a film (or a rank's shard of it), from what one H200 took."""
        needed = self.needed_by(options, machine)
        plan, traits = choose_offload(needed, free, machine.offload), self.describe_model(options)
        shape = ClipWork(
            self.config(options),
            options.width or WIDTH,
            options.height or HEIGHT,
            traits.clip_latents,
            0 if self.motion_latents else self.block_frames // FRAMES_PER_LATENT,
            traits.steps * (2 if traits.guidance not in {"", "0", "1"} else 1),
            options.precision == FP8,
            machine.shard.parts if machine.shard else 1,
            joined=plan.joins and needed.wave > 0,
            graphed=not plan.waits and needed.graphs > 0,
        )
        shard, share = machine.shard, 1.0
        if shard is not None:
            share = len(shard.places) / (traits.steps * traits.layers)
            if shard.branch is not None:
                share /= 2
        passes = shape.passes if shard is None else shape.blocks * len(shard.steps)
        fetched = needed.fetched(plan, shape.blocks, passes)
        return estimate_seconds(shape, self.measured, speed, fetched, share)

    def _guidance(self, options: Options) -> str:
        if options.guidance and not self.guidance:
            reason = f"{self.name} was distilled without guidance: leave it out"
            raise BadOption("--sample-guide-scale", options.guidance, reason)
        return options.guidance or self.guidance


def encoded_bytes(config: Mapping[str, Any], size: tuple[int, int], *, guided: bool) -> int:
    """Bytes of picture and motion as latents, and of the states of the prompt (guided: and of what is not wanted), in float32."""
    width, height = (side // PIXELS_PER_LATENT for side in size)
    latents = 1 + MOTION_LATENTS
    prompts = (1 + guided) * PROMPT_TOKENS * (config["text_dim"] or 0)
    return 4 * (config["in_dim"] * width * height * latents + int(prompts))


@lru_cache(maxsize=2)
def _checked_digest(place: WeightsLocation) -> str:
    checks.require_sound(checks.check_weights(place))
    return checkpoint.hash_weights(place)
