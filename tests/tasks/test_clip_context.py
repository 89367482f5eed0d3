"""What a clip takes from others, and how early its sound is heard."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from storage.run import Run
from tasks.audio import ExtractAudio
from tasks.clip_context import count_heard_ahead

Begin = Callable[..., Run]
LAUNCHED = {"RANK": "0", "WORLD_SIZE": "8", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "29500"}


@pytest.mark.parametrize(
    ("ahead", "gpus", "env", "device", "clips"),
    [
        (2, "", {}, "NVIDIA H200", 3),
        (2, "", {}, "cpu", 2),
        (2, "4", {}, "cpu", 3),
        (2, "8", {}, "NVIDIA H200", 4),
        (2, "", LAUNCHED, "cpu", 4),
        (0, "8", {}, "NVIDIA H200", 0),
    ],
)
def test_sound_is_heard_before_its_clip_is_begun(
    begin: Begin, monkeypatch: pytest.MonkeyPatch, *, ahead: int, gpus: str, env: dict[str, str], device: str, clips: int
) -> None:  # fmt: skip
    """As far ahead as the denoiser runs, and the clip behind that, which it begins meanwhile; eight ranks begin two of four blocks, one processor none."""
    run = begin(10.0, ahead=ahead)
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    spec = replace(run.spec, steps=4, clip_frames=48, block_frames=12)
    facts = {"settings": replace(run.settings, gpus=gpus), "fingerprint": {"device": device}}
    other = type("Opened", (), {"spec": spec, **facts})
    assert count_heard_ahead(other) == clips
    follows = type("Opened", (), {"spec": replace(spec, motion_latents=19, steps=40), **facts})
    assert count_heard_ahead(follows) == ahead
    monkeypatch.setattr(ExtractAudio, "opened_run", other)
    assert ExtractAudio(folder=str(run.root), clip=5).due == 5 - clips
