"""longtake retake: some clips again, with another seed."""

import sys
from collections.abc import Callable
from fractions import Fraction
from functools import partial
from typing import TYPE_CHECKING

from pipeline.commands.arguments import Parser
from pipeline.commands.command import (
    Command,
    Job,
    prepare_logging,
    print_renderables,
    report_film,
)
from pipeline.commands.keep_going import flags_as_words, keep_going
from storage.errors import BadInput
from tasks.timeline import clock_tenths, first_clip_after, first_clip_at, read_time

if TYPE_CHECKING:
    from pipeline.options.given_options import GivenOptions
    from pipeline.quality.worst_clips import ClipMeasure
    from pipeline.results import RetakenFilm
    from pipeline.upkeep.worst_retake import WorstRetake
    from storage.spec import Spec
    from tasks.retake import RetakePlan, RetakeRequest


VALUES, SWITCHES = ("clip", "from", "until", "worst", "seed"), ("redecode", "hard-join")
"""Flags that the command is given again with where it is kept going; so with those of `redub`."""


def prepare(command: Command) -> Job:
    """The old run, which clips, and what shall be another than there."""
    from pipeline import api
    from pipeline.monitor.progress import ProgressOptions
    from tasks.store_run import EVERYTHING

    root = command.look_at_run(EVERYTHING)
    changes = read_changed_settings(command)
    wish = read_retake_request(command, changes)
    worst = command.number("worst")
    if command.has("keep_going"):
        return keep_retake_going(command, "retake", wish, VALUES, SWITCHES)
    say_price = make_price_teller(changes)
    progress = ProgressOptions(prepare_logging(command))
    if worst is not None:
        from pipeline.upkeep.worst_retake import WorstRequest, retake_worst

        asked = WorstRequest(worst, wish)
        making = partial(retake_worst, root, asked, progress, found=_say_worst, tell=say_price)
        return Job(making, _show_worst)
    return Job(partial(api.retake, root, wish, progress=progress, tell=say_price), show_retaken)


def keep_retake_going(
    command: Command,
    verb: str,
    wish: "RetakeRequest",
    values: tuple[str, ...],
    switches: tuple[str, ...],
) -> Job:
    """The command again and again, with the new run's folder named and its own flags, of which these have values and these none."""
    from tasks.open_run import open_run
    from tasks.retake import choose_retake_folder
    from tasks.run_folder import resolve_folder

    root = command.path("run")
    target = wish.run or choose_retake_folder(open_run(resolve_folder(root)), wish)
    words = [verb, str(root), f"--run={target}"]
    given = {name: command.options[name] for name in values}
    words += [f"--{name}={value}" for name, value in given.items() if value is not None]
    words += [f"--{name}" for name in switches if command.has(name.replace("-", "_"))]
    return keep_going(command, [*words, *flags_as_words(command)], target)


def make_price_teller(changes: "GivenOptions") -> "Callable[[RetakePlan, float | None], None]":
    """What says before a retake what it takes, and what was left out of the settings."""

    def say_price(plan: "RetakePlan", seconds: float | None) -> None:
        from pipeline.monitor.screens import show_plan_of_retake

        print_renderables([*show_plan_of_retake(plan, seconds), *changes.told], sys.stderr)

    return say_price


def show_retaken(retaken: "RetakenFilm") -> int:
    """How the joins look, and where the film is."""
    from pipeline.monitor.screens import show_seams

    print_renderables(show_seams(retaken.seams), sys.stderr)
    return report_film(retaken.film)


def _say_worst(worst: "tuple[ClipMeasure, ...]") -> None:
    from pipeline.monitor.screens import show_worst_clips

    print_renderables(show_worst_clips(worst), sys.stderr)


def _show_worst(made: "WorstRetake") -> int:
    from pipeline.monitor.screens import show_measured_again

    if made.retaken is None:
        return 0
    code = show_retaken(made.retaken)
    print_renderables(show_measured_again(made.before, made.after), sys.stderr)
    return code


def read_changed_settings(command: Command) -> "GivenOptions":
    """Settings that shall be others than the old run's."""
    from pipeline.options.given_options import GivenOptions
    from pipeline.options.model_support import leave_out
    from pipeline.options.sources import add_flags
    from storage.run import Run

    changes = GivenOptions()
    add_flags(changes, command.given)
    if changes.fields:
        leave_out(changes, Run.open(command.path("run")).spec.model)
    return changes


def read_retake_request(command: Command, changes: "GivenOptions") -> "RetakeRequest":
    """What the flags ask for."""
    from tasks.retake import RetakeRequest

    worst = command.number("worst")
    clip, until = _read_clips(command) if worst is None else _leave_clips_open(command)
    return RetakeRequest(
        name="" if worst is None else f"worst{worst}",
        clip=clip,
        until=until,
        seed=command.number("seed"),
        run=command.file("new"),
        redecode=command.has("redecode"),
        hard_join=command.has("hard_join"),
        accept_joint=command.has("accept_joint"),
        break_lock=command.has("break_lock"),
        settings=changes.fields,
        sources=changes.sources,
    )


def _leave_clips_open(command: Command) -> tuple[int, None]:
    """Which clips are the worst is measured."""
    for name in ("clip", "from", "until"):
        if command.options[name] is not None:
            raise BadInput(f"--worst finds its clips itself: leave --{name} out.")
    return 0, None


def _read_clips(command: Command) -> tuple[int, int | None]:
    """The first clip that is made again, and the first that is not; told by their numbers, or by times in the film."""
    clip, begin, until = (command.options[name] for name in ("clip", "from", "until"))
    if (clip is None) == (begin is None):
        raise BadInput("One of --clip N and --from TIME says where the retake begins.")
    start = None if begin is None else _read_time(str(begin))
    first = int(str(clip)) if start is None else _find_first(command, start)
    if until is None:
        return first, None
    word = str(until)
    if word.isascii() and word.isdigit():
        return first, int(word)
    if start is not None and _read_time(word) <= start:
        raise BadInput(f"--until {until} is not behind --from {begin}.")
    return first, _find_stop(command, word, first)


def read_time_option(command: Command, name: str) -> Fraction | None:
    """An option that is a time in the film, in seconds, or is not given; raises BadInput."""
    word = command.options[name]
    return None if word is None else _read_time(str(word))


def _read_time(word: str) -> Fraction:
    """Seconds from the film's beginning."""
    try:
        return read_time(word)
    except ValueError as reason:
        raise BadInput(f"{reason}.") from None


def _find_first(command: Command, time: Fraction) -> int:
    """The clip that shows the film at a time; raises BadInput where it is over by then."""
    spec = _open_spec(command)
    if time >= (length := Fraction(spec.frames, spec.fps)):
        raise BadInput(f"--from {clock_tenths(time)} is not before the film's end, {clock_tenths(length)}.")  # fmt: skip
    return first_clip_at(time, spec.fps, spec.clip_frames)


def _find_stop(command: Command, word: str, first: int) -> int:
    """The first clip behind a time; raises BadInput where the film is over by then, or clip `first` has not begun."""
    spec, time = _open_spec(command), _read_time(word)
    length, begun = (Fraction(n, spec.fps) for n in (spec.frames, first * spec.clip_frames))
    # Half a frame is rounding, of a length that was read off a player.
    if time > length + Fraction(1, 2 * spec.fps):
        raise BadInput(f"--until {word} is behind the film's end, {clock_tenths(length)}: leave it out to go there.")  # fmt: skip
    if time <= begun:
        raise BadInput(f"--until {word} is not behind the beginning of clip {first}, {clock_tenths(begun)}.")  # fmt: skip
    return min(first_clip_after(time, spec.fps, spec.clip_frames), spec.clips)


def _open_spec(command: Command) -> "Spec":
    from storage.run import Run

    return Run.open(command.path("run")).spec


def add_arguments(parser: Parser) -> None:
    """A run, which clips of it, and what may change."""
    parser.add_run()
    parser.usage = "longtake retake RUN --clip N | --from TIME [--until M | TIME] | --worst N [--seed S] [--run NEW] [settings]"
    parser.add_number("--clip", "N", "The first clip to make again, from 0.")
    parser.add_argument(
        "--from",
        metavar="TIME",
        help="The clip that shows the film at that time (0:03:12, 192.4s) is the first.",
    )
    parser.add_argument(
        "--until",
        metavar="M|TIME",
        help="Clips N to M-1, or those until that time, are made again; then it is the old film (to the end).",
    )
    parser.add_number(
        "--worst",
        "N",
        "Instead: the N clips that miss the levels of `longtake report` by most; nothing where none does.",
    )
    parser.add_number("--seed", "S", "The seed from clip N on (drawn, and said).")
    parser.add_argument(
        "--run", dest="new", metavar="NEW", help="The new run's folder (RUN-clipN…, beside RUN)."
    )
    parser.add_switch(
        "--redecode",
        "Decode old clips after M again, as far as the new past reaches: a softer join.",
    )
    parser.add_switch(
        "--hard-join",
        "Cut at M, where else pocket's last clip before M is led back to the old film.",
    )
    parser.add_switch(
        "--accept-joint",
        "Do it although another machine or version made the old film.",
    )
    parser.add_keep_going()
    parser.add_settings("settings of the new run, which decide no pixel")
