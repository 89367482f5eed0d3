"""What must exist before what: the stages of a film as Luigi's tasks, for `luigi --module tasks LongVideo …`."""

from tasks.audio import ExtractAudio
from tasks.clip import DecodeClip, DenoiseClip
from tasks.film import EncodeSoundtrack, LongVideo, MuxVideo
from tasks.inputs import EncodeInputs

__all__ = [
    "DecodeClip",
    "DenoiseClip",
    "EncodeInputs",
    "EncodeSoundtrack",
    "ExtractAudio",
    "LongVideo",
    "MuxVideo",
]
