"""Out of memory: answered by settings alone, and at the end by the command of a smaller film."""

from dataclasses import replace
from pathlib import Path
from shlex import join
from typing import TYPE_CHECKING

from tasks.film_sizes import format_size, smaller_sizes

if TYPE_CHECKING:
    from storage.run import Run
    from tasks.session import Session

SMALLER = 0.75
"""How many of the pixels a smaller film has at the most."""


def reduce_memory(session: "Session") -> str | None:
    """Take less memory, by one setting; which, in words. None where there is nothing left to give up.

    Never by size or steps: the film stays the one that was asked for.
    """
    run, settings = session.run, session.run.settings
    if settings.ahead and not run.spec.motion_latents:
        session.denoise_ahead.stop_looking_ahead()
        change = "ahead"
        now = replace(settings, ahead=0)
    elif settings.offload_model is not True and session.is_on_gpu:
        change = "offload_model"
        now = replace(settings, offload_model=True)
    else:
        return None
    run.update_settings(now, {**run.sources, change: "out of memory"})
    session.unload(whole=change == "offload_model")
    return f"{change} {getattr(now, change)}"


def smaller_film_command(run: "Run", unit: int) -> str:
    """The command of the same film with fewer pixels."""
    spec, settings = run.spec, run.settings
    asked = (spec.width, spec.height)
    sizes = list(smaller_sizes(asked, unit))
    fits = [size for size in sizes if size[0] * size[1] <= SMALLER * asked[0] * asked[1]]
    if not sizes:
        return "there is none, the film is of the smallest size"
    size = (fits or sizes[-1:])[0]
    name = Path(f"{run.root}-{format_size(size).replace('*', 'x')}")
    options = {
        "model": spec.model,
        "weights": settings.weights,
        "lora-path-dmd": settings.lora,
        "prompt": spec.prompt,
        "negative-prompt": spec.negative_prompt,
        "pose-video": str(run.input_paths.get("pose", "")),
        "size": format_size(size),
        "num-clip": str(spec.clips),
        "infer-frames": str(spec.clip_frames),
        "sample-steps": str(spec.steps),
        "base-seed": str(spec.seed),
        "run": str(name),
    }
    flags = [part for flag, word in options.items() if word for part in (f"--{flag}", word)]
    return join(["longtake", "new", str(run.image_path), str(run.audio_path), *flags])
