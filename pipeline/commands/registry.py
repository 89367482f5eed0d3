"""The verbs of the command line, in the order of the first screen."""

from dataclasses import dataclass
from importlib import import_module
from types import ModuleType


@dataclass(frozen=True)
class Verb:
    """One word of ours. The file of its name has `add_arguments(parser)`, and `prepare(command)`, which gives the Job."""

    name: str
    summary: str
    example: str
    more: tuple[str, ...] = ()
    """Further examples, of its own help screen alone."""

    @property
    def module(self) -> ModuleType:
        """Its file, which is imported when the verb is asked for."""
        return import_module(f"pipeline.commands.{self.name}")


VERBS = {
    each.name: each
    for each in (
        Verb(
            "plan",
            "What a film will take: clips, memory, disk, hours; and what would fit.",
            "longtake plan face.png speech.wav --run runs/mine",
            (
                "longtake plan --batch films.csv --machines 10 --price-hour 2",
                "longtake plan face.png speech.wav --model live-avatar --weights ckpt --gpu 4090x4",
            ),
        ),
        Verb(
            "new",
            "Make a film; the same command again goes on where it stopped.",
            "longtake new face.png speech.wav --run runs/mine",
        ),
        Verb(
            "resume",
            "Go on with a run.",
            "longtake resume runs/mine",
            (
                "longtake resume s3://studio/films/tea",
                "longtake resume s3://studio/films/tea --stages decode",
            ),
        ),
        Verb(
            "batch",
            "The films of a table, a line each; the same command again makes what is missing.",
            "longtake batch films.csv --jobs 2",
            (
                "longtake batch films.csv --num-clip 2 --report films.html",
                "longtake batch films.csv --look",
                "longtake batch films.csv --runs s3://studio/films --engine luigi --address HOST:8082",
            ),
        ),
        Verb(
            "status",
            "What a run has, how fast it goes, and where each setting came from.",
            "longtake status runs/mine --watch",
        ),
        Verb(
            "mux",
            "Join the finished clips and their sound, at any time.",
            "longtake mux runs/mine --partial --output-file so-far.mp4",
        ),
        Verb(
            "inspect",
            "What is in a run: latents as pictures (PNG) and numbers, drift, NaN, outliers; --diff OTHER_RUN.",
            "longtake inspect runs/mine --clip 3 --step 2",
        ),
        Verb(
            "verify",
            "Whether a run is whole, byte by byte; what is broken, what that costs, and --repair.",
            "longtake verify runs/mine --repair",
        ),
        Verb(
            "sign",
            "A signed copy of a finished film (C2PA), beside it.",
            "longtake sign runs/mine --key key.pem --cert cert.pem",
        ),
        Verb(
            "whose",
            "Which id `--watermark` has hidden in a film (code 8: none is found).",
            "longtake whose film.mp4",
        ),
        Verb(
            "report",
            "One page about a film: lips, drift, seams, pauses, sound, and its worst moments.",
            "longtake report runs/mine runs/other",
        ),
        Verb(
            "retake",
            "Some clips again with another seed, in a new run that shares all else with the old one.",
            "longtake retake runs/mine --clip 4 --until 6",
        ),
        Verb(
            "redub",
            "Other words for a stretch of a film, in a new run that shares all else with the old one.",
            "longtake redub runs/mine --audio other.wav --from 0:03:12 --until 0:03:20",
        ),
        Verb(
            "web",
            "A page and an HTTP API for a folder of films, which go on whatever becomes of it.",
            "longtake web --port 7860 --root runs",
        ),
        Verb(
            "avatar",
            "Draw a presenter, whom a film can begin with.",
            "longtake avatar --seed 7 --style flat -o face.png",
        ),
        Verb(
            "doctor",
            "Whether a folder of weights is whole and fits its model, without loading it.",
            "longtake doctor --model live-avatar --weights ckpt",
        ),
        Verb(
            "accept",
            "Three clips, a kill, a resume, the bytes compared, and a page about it; takes the flags of `new`.",
            "longtake accept --model live-avatar --weights ckpt --size 704*384",
        ),
    )
}
