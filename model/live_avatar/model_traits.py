"""LiveAvatar, in numbers: known without torch and without its weights."""

from model.wan.model_traits import PublishedModel

KIND = PublishedModel(
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

describe_model, weights_digest = KIND.describe_model, KIND.weights_digest
bytes_needed, read_preview = KIND.bytes_needed, KIND.read_preview
estimate_memory, estimate_time = KIND.estimate_memory, KIND.estimate_time
