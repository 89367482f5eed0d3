"""longtake redub: other words for a stretch of a film; all else stays."""

from functools import partial
from typing import TYPE_CHECKING

from pipeline.commands.arguments import Parser
from pipeline.commands.command import Command, Job, prepare_logging
from pipeline.commands.retake import (
    keep_retake_going,
    make_price_teller,
    read_changed_settings,
    read_time_option,
    show_retaken,
)

if TYPE_CHECKING:
    from pipeline.options.given_options import GivenOptions
    from tasks.retake import RetakeRequest


VALUES, SWITCHES = ("audio", "from", "until", "seed"), ("hard-join", "accept-short-audio")


def prepare(command: Command) -> Job:
    """The old run, the other sound, and where in the film it goes."""
    from pipeline import api
    from pipeline.monitor.progress import ProgressOptions
    from tasks.store_run import EVERYTHING

    command.look_at_run(EVERYTHING)
    changes = read_changed_settings(command)
    wish = read_redub_request(command, changes)
    if command.has("keep_going"):
        return keep_retake_going(command, "redub", wish, VALUES, SWITCHES)
    progress = ProgressOptions(prepare_logging(command))
    tell = make_price_teller(changes)
    retaking = partial(api.retake, command.path("run"), wish, progress=progress, tell=tell)
    return Job(retaking, show_retaken)


def read_redub_request(command: Command, changes: "GivenOptions") -> "RetakeRequest":
    """What the flags ask for: the sound is listened to, and the clips are those that show its stretch."""
    from tasks.open_run import open_run
    from tasks.redub import DubRequest, add_dub
    from tasks.retake import RetakeRequest
    from tasks.run_folder import resolve_folder

    begin = read_time_option(command, "from")
    assert begin is not None, "the parser asks for it"
    wish = RetakeRequest(
        clip=0,
        seed=command.number("seed"),
        run=command.file("new"),
        hard_join=command.has("hard_join"),
        accept_joint=command.has("accept_joint"),
        break_lock=command.has("break_lock"),
        settings=changes.fields,
        sources=changes.sources,
    )
    asked = DubRequest(
        command.path("audio"),
        begin,
        read_time_option(command, "until"),
        command.has("accept_short_audio"),
    )
    return add_dub(open_run(resolve_folder(command.path("run"))), asked, wish)


def add_arguments(parser: Parser) -> None:
    """A run, a sound and a stretch of the film."""
    parser.add_run()
    parser.usage = "longtake redub RUN --audio SOUND --from TIME [--until TIME] [--seed S] [--run NEW] [settings]"
    parser.add_argument(
        "--audio", metavar="SOUND", required=True, help="Other words; or a film with sound."
    )
    parser.add_argument(
        "--from",
        metavar="TIME",
        required=True,
        help="Where in the film they begin (0:03:12, 192.4s).",
    )
    parser.add_argument(
        "--until",
        metavar="TIME",
        help="Where the old sound goes on (where the new one ends); silence fills the rest.",
    )
    parser.add_switch("--accept-short-audio", "Take a sound that was cut off as far as it goes.")
    parser.add_number("--seed", "S", "The seed of the clips that are made again (theirs).")
    parser.add_argument(
        "--run", dest="new", metavar="NEW", help="The new run's folder (RUN-redub…, beside RUN)."
    )
    parser.add_switch(
        "--hard-join",
        "Cut behind the last clip, where else pocket's motion is led back to the old film.",
    )
    parser.add_switch(
        "--accept-joint",
        "Do it although another machine or version made the old film.",
    )
    parser.add_keep_going()
    parser.add_settings("settings of the new run, which decide no pixel")
