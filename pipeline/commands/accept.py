"""longtake accept: try it all with the real files."""

from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.commands.command import Command, Verb, print_words, put_path
from pipeline.commands.new import add_film_flags

if TYPE_CHECKING:
    from pipeline.upkeep.accept import Check


def _run_accept(command: Command) -> int:
    from pipeline.upkeep.accept import accept_model

    said = {name: word for flag, word in command.given for name in flag.fields}
    root = Path(said.get("run") or said.get("output_dir") or "runs/accept").absolute()

    def tell(check: "Check") -> None:
        print_words(f"{'ok  ' if check.passed else 'FAIL'}  {check.what:24}  {check.found}")

    found = accept_model(command.given, root, tell)
    put_path(found.page)
    return 0 if found.passed else 1


VERB = Verb(
    "accept",
    "Three clips, a kill, a resume, the bytes compared, and a page about it; takes the flags of `new`.",
    "longtake accept --model live-avatar --weights ckpt --size 704*384",
    add_film_flags,
    _run_accept,
)
