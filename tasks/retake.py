"""A retake as it is asked for, checked in whole before any work: which clips are made again, what that costs, what both runs share.

tasks/retake_setup.py then makes the new run; from there on it is a run like any other.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from secrets import randbelow
from typing import TYPE_CHECKING, Any

from model import registry
from storage.disk import describe_shortage, nearest_existing, read_file_system
from storage.errors import (
    NoSpace,
    NotRetakable,
    OtherNumerics,
    OtherSpec,
    count_noun,
    describe_span,
)
from storage.names import is_run
from storage.remote.address import find_url, make_working_folder, name_run
from storage.run import Run, read_begun_spec
from storage.run_marks import title_of
from storage.seed_history import Dub, Take
from storage.spec import MOST_TAKES, Settings
from storage.spec_words import describe_spec_difference
from tasks.clip_context import warm_up_clips
from tasks.defaults import SEED_COUNT, merge_settings
from tasks.loaded_model import (
    describe_numerics_difference,
    load_avatar,
    model_options_of,
    model_traits_of,
)
from tasks.open_run import open_run
from tasks.preflight import check_folder, check_settings, disk_needed_by_clips
from tasks.request import Request, require_option
from tasks.resolved_request import ResolvedRequest
from tasks.route import clips_replayed, shared_carries
from tasks.run_folder import resolve_folder

if TYPE_CHECKING:
    from storage.spec import Spec


SOFTENED = 8
"""Latents over which the last clip that is made again is led back to the old film: 1.3 s of pocket's."""
_IN_ORDER = (
    "clips that are made again stand in their order, an old one between two stretches of them"
)
_TAKEN_OFTEN = f"a film has at most {MOST_TAKES} takes"


@dataclass(frozen=True)
class RetakeRequest:
    """What is asked for."""

    clip: int
    """The first that is made again."""
    until: int | None = None
    """The first that is the old film's again; None: to the end."""
    seed: int | None = None
    """None: drawn."""
    run: Path | None = None
    """The new run's folder; None: beside the old one, by a name that tells it."""
    redecode: bool = False
    """The old clips after `until` are decoded again, as far as the decoder's memory reaches."""
    hard_join: bool = False
    """The last clip that is made again ends where it ends, and is not led back to the old film."""
    accept_joint: bool = False
    break_lock: bool = False
    """The new run is taken from a process on another machine, which must be dead."""
    others: tuple[range, ...] = ()
    """Further clips that are made again with the same seed: stretches in order, each with an old clip before it."""
    name: str = ""
    """What the new run's folder is called by instead of the clips' numbers."""
    dub: Dub | None = None
    """What is heard in these clips instead of the old film's sound (tasks/redub.py)."""
    dub_file: Path | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Those that shall be others than the old run's, by name."""
    sources: Mapping[str, str] = field(default_factory=dict)
    """Where these came from."""


@dataclass(frozen=True)
class RetakePlan:
    """A retake that nothing stands in the way of, and what it will do; ranges of clips, empty where there are none."""

    old: Path
    root: Path
    """Of the new run."""
    begun: bool
    """It is there already: this is the same wish again."""
    spec: "Spec"
    settings: Settings
    sources: Mapping[str, str]
    accept_joint: bool
    replay: tuple[range, ...]
    """Denoised again only to come to what is made, each that the film shows compared with what is there."""
    missing: range
    """After `until`, what the old film has not come to."""
    redecode: tuple[int, ...]
    copies: bool
    """The new folder is on another file system: nothing can be linked."""
    stretches: int = 1
    """How many stretches of clips are made again, each by a take of its own."""
    dub_file: Path | None = None
    """What is dubbed over the old film's sound, where something is."""

    @property
    def takes(self) -> tuple[Take, ...]:
        """The takes of this retake, in the film's order: which clips each makes again, with which seed."""
        return self.spec.takes[-self.stretches :]

    @property
    def take(self) -> Take:
        """The first of them."""
        return self.takes[0]

    @property
    def clips(self) -> tuple[int, ...]:
        """Numbers of the clips that are made again."""
        return clips_remade(self.takes)

    @property
    def seed_before(self) -> int:
        """The seed with which the old film made the first clip that is made again."""
        old = replace(self.spec, takes=self.spec.takes[: -self.stretches])
        return old.seed_history(self.take.clip)[-1].seed


def plan_retake(root: Path, wish: RetakeRequest) -> RetakePlan:
    """Check the whole wish, writing nothing. Raises NotRetakable, BadOption, RunLocked, OtherSpec, OtherNumerics, NoSpace, NotWritable, ModelError."""
    old = open_run(resolve_folder(root))
    target = resolve_folder(wish.run or choose_retake_folder(old, wish))
    require_option(
        target != old.root,
        "--run",
        name_run(target),
        "a retake is a new run, in a folder of its own",
    )
    spec = build_retake_spec(old, target, wish)
    check_target(target, spec)
    found = _build_plan(old, target, spec, wish)
    if not found.begun:
        with old.lock():
            check_old_run(old, found.takes)
        check_numerics(old, found)
        check_disk_space(old, found)
    return found


def _build_plan(old: Run, target: Path, spec: "Spec", wish: RetakeRequest) -> RetakePlan:
    settings, sources = retake_settings(old, target, wish)
    takes = new_takes(old.spec, spec)
    carries = shared_carries(old.spec, spec, old.carry.complete)
    return RetakePlan(
        old=old.root,
        root=target,
        begun=is_run(target),
        spec=spec,
        settings=settings,
        sources=sources,
        accept_joint=wish.accept_joint,
        replay=tuple(clips_replayed(spec, clips_remade(takes), carries)),
        missing=range(_end_of_old_film(old, takes[-1]), spec.clips),
        redecode=clips_to_redecode(old, takes),
        copies=nearest_existing(old.root).stat().st_dev != nearest_existing(target).stat().st_dev,
        stretches=len(takes),
        dub_file=wish.dub_file,
    )


def new_takes(old: "Spec", new: "Spec") -> tuple[Take, ...]:
    """The takes by which a new film differs from the old one, in the film's order."""
    return new.takes[len(old.takes) :]


def clips_remade(takes: Iterable[Take]) -> tuple[int, ...]:
    """The clips that these takes make again, in order."""
    return tuple(sorted({clip for take in takes for clip in range(take.clip, take.until)}))


def build_retake_spec(old: Run, target: Path, wish: RetakeRequest) -> "Spec":
    """The new film's: the old one's and a take for each stretch of clips. Raises BadOption."""
    begun = Run.open(target).spec if is_run(target) else read_begun_spec(target)
    there = () if begun is None else new_takes(old.spec, begun)
    seed = choose_seed(old.spec, wish, there)
    spec = old.spec
    for number, clips in enumerate(wished_stretches(old, wish)):
        take = replace(build_take(old, wish, clips), parent=spec.digest, seed=seed)
        # A version before it softened none.
        if there[number : number + 1] and not there[number].soften:
            take = replace(take, soften=0)
        spec = replace(spec, takes=(*spec.takes, take))
    require_option(len(spec.takes) <= MOST_TAKES, "--clip", wish.clip, _TAKEN_OFTEN)
    return spec


def choose_seed(old: "Spec", wish: RetakeRequest, there: tuple[Take, ...]) -> int:
    """The seed that is asked for; else the old film's for another sound, that of the retake that was begun by the same words, or one that is drawn. Raises BadOption."""
    if wish.seed is None and wish.dub is not None:
        return old.seed_history(wish.clip)[-1].seed
    if wish.seed is None:
        return there[0].seed if there else randbelow(SEED_COUNT)
    require_option(0 <= wish.seed < 1 << 63, "--seed", wish.seed, "0 or more is needed, below 2^63")
    return wish.seed


def wished_stretches(old: Run, wish: RetakeRequest) -> tuple[range, ...]:
    """The stretches of clips that are made again. Raises BadOption where one is none."""
    clips = old.spec.clips
    reason = f"the film has {count_noun(clips, 'clip')}, counted from 0"
    require_option(0 <= wish.clip < clips, "--clip", wish.clip, reason)
    stop = clips if wish.until is None else wish.until
    reason = f"the first clip that is the old film's again is needed, {describe_span(wish.clip + 1, clips)}"
    require_option(wish.clip < stop <= clips, "--until", stop, reason)
    every = (range(wish.clip, stop), *wish.others)
    for before, after in pairwise(every):
        require_option(
            before.stop < after.start < after.stop <= clips, "--clip", after.start, _IN_ORDER
        )
    return every


def build_take(old: Run, wish: RetakeRequest, clips: range) -> Take:
    """A stretch of the wish as a take of the old film, its seed left open; raises BadOption."""
    reaches = clips.stop < old.spec.clips and not old.spec.motion_latents
    reason = "no clip of the old film comes after --until whose frames the decoder's memory reaches"
    require_option(reaches or not wish.redecode, "--redecode", "asked", reason)
    softens = reaches and not (wish.hard_join or wish.redecode)
    traits = model_traits_of(old)
    soften = min(SOFTENED, traits.clip_latents) if softens and traits.latents_blend else 0
    return Take(old.spec.digest, clips.start, clips.stop, 0, wish.redecode, soften, wish.dub)


def choose_retake_folder(old: Run, wish: RetakeRequest) -> Path:
    """Beside the old run, on its store where it has one, by a name that the same wish gives again: a drawn seed is no part of it."""
    until = f"-until{wish.until}" if wish.until is not None else ""
    words = [f"{old.root.name}-{wish.name or f'clip{wish.clip}{until}'}"]
    words += [f"seed{wish.seed}"] if wish.seed is not None else []
    words += ["redecoded"] if wish.redecode else []
    words += ["hard"] if wish.hard_join else []
    name, url = "-".join(words), find_url(old.root)
    if url is None:
        return old.root.with_name(name)
    return make_working_folder(f"{url.rpartition('/')[0]}/{name}")


def check_target(target: Path, spec: "Spec") -> None:
    """Nothing else lies where the new run will; raises OtherSpec, NotARun, NotWritable."""
    if (begun := read_begun_spec(target)) is not None and begun != spec:
        raise OtherSpec(name_run(target), describe_spec_difference(begun, spec))
    check_folder(Request(target, target), target, spec)


def retake_settings(
    old: Run, target: Path, wish: RetakeRequest
) -> tuple[Settings, Mapping[str, str]]:
    """The old run's, but for those that were given and for where its film went; those of the new one, once it is there."""
    there = Run.open(target) if is_run(target) else None
    present = (
        there.settings if there else replace(old.settings, output_file=None, title=title_of(old))
    )
    told = {"takes": "longtake retake", "output_file": "default"}
    sources = there.sources if there else {**old.sources, **told}
    request = Request(old.image_path, old.audio_path, **wish.settings, sources=wish.sources)
    check_settings(request, old)
    return merge_settings(request, present, sources)


def clips_to_redecode(old: Run, takes: Iterable[Take]) -> tuple[int, ...]:
    """The old clips into whose frames a new past reaches, where they are decoded again."""
    reach = -(-model_traits_of(old).decoder_memory // old.spec.clip_latents)
    spans = (range(take.until, take.until + reach) for take in takes if take.redecode)
    again = {clip for span in spans for clip in span if clip < old.spec.clips}
    return tuple(sorted(again.difference(clips_remade(takes))))


def remembered_latents(old: Run, take: Take) -> int:
    """How many of the old film's latents before `until` the new film needs: for the decoder's memory, and to be led back to them."""
    return max(model_traits_of(old).decoder_memory, take.soften)


def check_old_run(old: Run, takes: tuple[Take, ...]) -> None:
    """All that the new run is made of is there and is what its records vouch for; raises NotRetakable. Reads the latents that are needed."""
    take, last = takes[0], takes[-1]
    for path, flaw, _ in old.find_input_flaws():
        raise NotRetakable(take.clip, name_run(old.root), f"inputs/{path.name} {flaw}")
    if not (old.inputs.complete() and all(sound.complete() for sound in old.sounds.values())):
        words = "its inputs are not encoded yet; `longtake resume` goes on with it"
        raise NotRetakable(take.clip, name_run(old.root), words)
    reach = _end_of_old_film(old, last)
    if reach == last.until < old.spec.clips:
        words = f"clip {reach}, with which it is to go on, was not made yet"
        raise NotRetakable(take.clip, name_run(old.root), words)
    for name, clip in _arrays_needed(old, takes, reach):
        _check_array(old, take, name, clip)


def _arrays_needed(old: Run, takes: tuple[Take, ...], reach: int) -> Iterator[tuple[str, int]]:
    """Arrays and clips: those that stay, and what the decoder or the next clip takes of the old ones before each join."""
    motion = bool(old.spec.motion_latents)
    joins = [take for take in takes if take.until < old.spec.clips]
    seen = {
        clip
        for take in joins
        if not motion
        for clip in warm_up_clips(old.spec, take.until, remembered_latents(old, take))
    }
    stay = set(range(reach)).difference(clips_remade(takes))
    yield from (("latents", clip) for clip in sorted(stay | seen))
    if motion:
        ends = {
            clip - 1 for take in takes for clip in (take.clip, take.until if take in joins else 0)
        }
        ends |= {reach - 1} if joins else set()
        yield from (("motion", clip) for clip in sorted(ends) if clip >= 0)


def _check_array(old: Run, take: Take, name: str, clip: int) -> None:
    array = getattr(old, name)
    state = (old.records.read(name, clip) or {}).get("state")
    repair = f"; `longtake verify {name_run(old.root)} --repair` makes it again"
    told = {
        "done": array.flaw(clip, thorough=True) if state == "done" else None,
        "pruned": "was pruned",
        "doubted": f"was damaged and is not made again yet{repair}",
        None: "is not made yet, or its record is lost; `longtake resume` makes it",
    }[state]
    if told is not None:
        more = repair if state == "done" else ""
        raise NotRetakable(
            take.clip, name_run(old.root), f"{name} of clip {clip}, which it needs, {told}{more}"
        )


def _end_of_old_film(old: Run, take: Take) -> int:
    """One past the last clip after `until` that the old film has come to, without a gap."""
    tail = range(take.until, old.spec.clips)
    return next((clip for clip in tail if old.records.read("latents", clip) is None), tail.stop)


def check_numerics(old: Run, found: RetakePlan) -> None:
    """Raise NotRetakable where the weights are others, OtherNumerics where the machine gives other bits. Loads the model."""
    spec, settings, begun = old.spec, found.settings, old.fingerprint
    # The name of the weights comes out of the old run, which may be anybody's: by its word alone nothing is downloaded.
    if (
        registry.weights_digest(spec.model, model_options_of(spec, settings), fetch=False)
        != spec.weights
    ):
        where = settings.weights or "this version of longtake"
        words = f"the weights of {where} are not those that it was made with"
        raise NotRetakable(found.take.clip, name_run(old.root), words)
    loaded = load_avatar(spec, settings, int(begun.get("threads", 1)))
    if (other := describe_numerics_difference(begun, loaded.numerics)) and not found.accept_joint:
        raise OtherNumerics(name_run(old.root), other)


def check_disk_space(old: Run, found: RetakePlan) -> None:
    """What is made fits on the disk, and the film; all of it, where nothing can be linked. Raises NoSpace."""
    spec = found.spec
    made = len(found.clips) + len(found.missing) + len(found.redecode)
    clips = spec.clips if found.copies else made
    request = Request(old.image_path, old.audio_path)
    settled = (model_traits_of(old), found.settings, found.sources)
    whole = ResolvedRequest(request, spec, found.root, *settled, Fraction(spec.frames, spec.fps))
    needed, _, _ = disk_needed_by_clips(whole, clips)
    if needed > read_file_system(nearest_existing(found.root)).free:
        raise NoSpace(describe_shortage(found.root, needed))
