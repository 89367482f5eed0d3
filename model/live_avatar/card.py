"""LiveAvatar, in numbers: known without torch and without its weights."""

from model.wan.card import Kind

KIND = Kind(
    name="live-avatar",
    fps=25,
    clip_frames=48,
    block_frames=12,
    steps=4,
    motion_latents=0,
    lora=True,
    # The published program rounds tokens after each block; in float32 they are a third nearer to the truth (docs/LOG.md).
    switches={
        "sink_from_first_clip": True,
        "sigmas": "flow_match_shift_twice",
        "rounding": "never",
    },
)

describe, weights_digest = KIND.describe, KIND.weights_digest
bytes_needed, preview = KIND.bytes_needed, KIND.preview
memory, labour = KIND.memory, KIND.labour
