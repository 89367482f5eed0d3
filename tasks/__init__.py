"""What must exist before what: the stages of a film as Luigi's tasks, for `luigi --module tasks LongVideo …`.

Luigi takes .2 s to load, and the table of options is wanted without it: the tasks are here where Luigi is.
"""

import sys

if "luigi" in sys.modules:
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
