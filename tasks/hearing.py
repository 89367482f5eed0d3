"""What the model hears of a clip: features of its span of the film's sound, or of what that was before something was dubbed over it."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from model.avatar import AudioWindow
from tasks.timeline import sound_span

if TYPE_CHECKING:
    from model.avatar import Avatar, Float
    from storage.run import Run


def extract_features(
    run: "Run", avatar: "Avatar", inputs: Mapping[str, Any], clip: int, sound: int
) -> "Float":
    """The features of a clip [layer, channel, frame], of several speakers [speaker, layer, channel, frame], from its span of a sound (Spec.sound_of gives its number) and the model's margin. Raises NotMade, Damaged."""
    import numpy as np

    spec, heard, traits = run.spec, run.sounds[sound], avatar.traits
    margin = heard.samples if traits.hears_whole else traits.audio_margin
    span = sound_span(clip, spec.clip_frames, spec.samples_per_frame, spec.audio_lead)
    windows = heard.read_speakers(span.start - margin, span.stop + margin)
    moments = np.atleast_2d(inputs["sound_moments"])
    each = [
        avatar.extract_audio(
            AudioWindow(window, span.start, heard.samples, float(mean), float(variance))
        )
        for window, (mean, variance) in zip(windows, moments, strict=True)
    ]
    return np.stack(each) if spec.speakers else each[0]


def hear_clip(
    run: "Run", avatar: "Avatar", inputs: Mapping[str, Any], clip: int, sound: int
) -> "Float":
    """The features of a clip: those that are published where the film shows it with this sound, else made again. Raises NotMade, Damaged."""
    if sound == run.spec.sound_of(clip) and run.audio.complete(clip):
        return run.audio.read(clip)
    return extract_features(run, avatar, inputs, clip, sound)
