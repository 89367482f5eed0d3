"""A whole film in forked children, for what is done hundreds of times: imports are paid once.

python tests/faults/forks.py points PICTURE SOUND FOLDER STRIDE [ORDER]   killed before each STRIDE-th step that the disk sees, then made to its end
python tests/faults/forks.py repairs PICTURE SOUND FOLDER STRIDE DAMAGE,…   its repair killed so, of each of these kinds of damage, then done
python tests/faults/forks.py cuts   PICTURE SOUND FOLDER STRIDE SEED ORDER   the same steps, but with what was not synced dropped (unsynced.py)

Forks, so it runs apart from the tests' own process. Prints one line of JSON.
"""

import json
import logging
import os
import shutil
import signal
import sys
import traceback
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import Any

TESTS = Path(__file__).parents[1]
# The root first: tests/ has folders of the same names as the packages.
sys.path[:1] = [str(TESTS.parent), str(TESTS), str(TESTS / "faults")]

import fake_avatar  # noqa: E402
import structlog  # noqa: E402
from films import Tree, differing, tree  # noqa: E402
from repairs import DAMAGES, check_whole  # noqa: E402
from unsynced import Disk  # noqa: E402

import storage.zarr_store  # noqa: E402, F401 - once, before the forks
from pipeline.upkeep.seam import measure_seams  # noqa: E402
from pipeline.upkeep.verify import repair_run  # noqa: E402
from storage import publish  # noqa: E402
from storage.run import Run  # noqa: E402
from tasks.events import listen_to_events  # noqa: E402
from tasks.film import make_film  # noqa: E402
from tasks.request import Request  # noqa: E402
from tasks.resolve import freeze_run  # noqa: E402
from tasks.retake import RetakeRequest, plan_retake  # noqa: E402
from tasks.retake_setup import begin_retake  # noqa: E402

# Every kind of writing: carries that go, steps and frames that are pruned, a cut last clip.
ORDERS: dict[str, dict[str, Any]] = {
    "online": {"carry_every": 1, "keep_frames": "2", "keep_steps": "1"},
    "offline": {"carry_every": 2, "offline": True, "ahead": 1},
    "motion": {"carry_every": 2},
    "retake": {"carry_every": 1},
    "repair": {"carry_every": 2},
}


@dataclass(frozen=True)
class Asked:
    """A film, always in the same folder: a record of what was pruned names it."""

    image: Path
    audio: Path
    root: Path
    order: str

    @property
    def older(self) -> Path:
        """The film that a retake is taken from."""
        return self.root.with_name("older")

    def make_older(self, said: Path) -> None:
        """That film, before anything is tried."""
        if self.order == "retake":
            assert child(self.make, said) == 0, said.read_text(encoding="utf-8")
            shutil.rmtree(self.root)

    def make(self) -> None:
        """Make it, or what is missing of it."""
        if self.order == "motion":
            os.environ["FAKE_MOTION"] = "3"
        request = Request(
            self.image,
            self.audio,
            run=self.root,
            infer_frames=12,
            retry_delay=0.0,
            **ORDERS[self.order],
        )
        if self.order != "retake":
            make_film(freeze_run(request), request.part)
            return
        # The film that it is taken from is made once and stays.
        if not (self.older / "video.mp4").exists():
            older = replace(request, run=self.older)
            make_film(freeze_run(older), older.part)
        run = begin_retake(
            plan_retake(self.older, RetakeRequest(1, until=3, seed=7, run=self.root))
        )
        make_film(run)
        with run.lock():
            measure_seams(run)


def child(act: Callable[[], None], said: Path) -> int:
    """Act in a forked child, whose words go to a file; how it ended."""
    pid = os.fork()
    if pid:
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    out = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(out, 1)
    os.dup2(out, 2)
    code = 1
    try:
        act()
        code = 0
    except BaseException:  # noqa: BLE001 - it ends here
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        os._exit(code)


def steps_of(asked: Asked, said: Path) -> tuple[Tree, list[str]]:
    """The unbroken film's files, and each step that was taken on the way: its kind, and where."""
    seen = asked.root.parent / "seen"

    def work() -> None:
        file = os.open(seen, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        publish.kill_point = lambda step, path: (
            os.write(file, f"{step} {path.relative_to(asked.root.parent)}\n".encode()),
            None,
        )[1]
        asked.make()

    assert child(work, said) == 0, said.read_text(encoding="utf-8")
    return tree(asked.root), seen.read_text().splitlines()


def points(asked: Asked, stride: int) -> dict[str, Any]:
    """Killed before every `stride`-th step, then made to its end."""
    said = asked.root.parent / "said"
    asked.make_older(said)
    expected, steps = steps_of(asked, said)
    found: Counter[str] = Counter()
    for step in range(0, len(steps), stride):
        shutil.rmtree(asked.root)
        found["tried"] += 1
        found["killed"] += child(lambda step=step: _until(asked, step), said) == -signal.SIGKILL
        found[_ended(asked, said, expected, f"step {step}, {steps[step]}")] += 1
    return {**found, "steps": len(steps), "kinds": sorted({line.split()[0] for line in steps})}


def repairs(asked: Asked, stride: int, kinds: list[str]) -> dict[str, Any]:
    """Of each kind of damage: the repair killed before every `stride`-th step; what `verify` says then, and whether another one ends it."""
    said, whole = asked.root.parent / "said", asked.root.parent / "whole"
    assert child(asked.make, said) == 0, said.read_text()
    expected, found = tree(asked.root), Counter[str]()
    asked.root.rename(whole)
    for kind in kinds:
        for step in count(0, stride):
            shutil.rmtree(asked.root, ignore_errors=True)
            shutil.copytree(whole, asked.root)
            DAMAGES[kind](asked.root)
            killed = child(lambda step=step: _repair(asked.root, step), said) == -signal.SIGKILL
            name = f"{kind}, step {step}"
            found[_healed(asked.root, said, expected, name)] += 1
            found["killed"] += killed
            if not killed:
                break
        found["kinds"] += 1
    return dict(found)


def _healed(root: Path, said: Path, expected: Tree, name: str) -> str:
    """What came, in a word, of a repair that may have been killed: said to be whole and is not, or not healed by another, or other bytes."""
    before = [each for each in _otherwise(root, expected) if ".partial" not in each]
    says_whole = child(lambda: check_whole(root), said) == 0
    if says_whole and before:
        print(f"{name}: said to be whole: {before}")
        return "unsaid"
    if child(lambda: _repair(root), said) or child(lambda: check_whole(root), said):
        print(f"{name}: not healed: {said.read_text(encoding='utf-8')[-2000:]}")
        return "by_hand"
    if other := _otherwise(root, expected):
        print(f"{name}: {other}")
        return "differing"
    return "same"


def _otherwise(root: Path, expected: Tree) -> list[str]:
    """What differs, but for what stood in the way and was set aside."""
    return [each for each in differing(tree(root), expected) if ".aside" not in each]


def _repair(root: Path, last: int | None = None) -> None:
    """`verify --repair`; killed before a step."""
    if last is not None:
        publish.kill_point = _killing(last)
    repair_run(Run.open(root))


def _ended(asked: Asked, said: Path, expected: Any, name: str) -> str:
    """Make it to its end: what came of that, in a word; what is not well is told."""
    if child(asked.make, said):
        print(f"{name}: not resumed: {said.read_text(encoding='utf-8')[-2000:]}")
        return "by_hand"
    if other := differing(tree(asked.root), expected):
        print(f"{name}: {other}")
        return "differing"
    return "same"


def _until(asked: Asked, step: int) -> None:
    publish.kill_point = _killing(step)
    asked.make()


def _killing(step: int) -> publish.KillPoint:
    left = [step]

    def tick(_name: str, _path: Path) -> None:
        left[0] -= 1
        if left[0] < 0:
            os.kill(os.getpid(), signal.SIGKILL)

    return tick


def cuts(asked: Asked, stride: int, seed: int) -> dict[str, Any]:
    """At every `stride`-th step a disk as a power cut may leave it; each is then made to its end."""
    said, states = asked.root.parent / "said", asked.root.parent / "states"
    asked.make_older(said)
    expected, steps = steps_of(asked, said)
    shutil.rmtree(asked.root)
    assert child(lambda: _record(asked, states, stride, seed), said) == 0, said.read_text()
    found: Counter[str] = Counter(steps=len(steps))
    for state in sorted(states.iterdir()):
        shutil.rmtree(asked.root, ignore_errors=True)
        (state / "film").rename(asked.root)
        told = json.loads((state / "told.json").read_text())
        found["tried"] += 1
        found["told"] += len(told)
        # Asked in a child: opening heals and Zarr starts threads, which must not be forked.
        if child(lambda told=told: _keep(asked.root, told), said):
            found["lost"] += 1
            print(f"{state.name}: {said.read_text()[-2000:]}")
        found[_ended(asked, said, expected, state.name)] += 1
    return dict(found)


def _record(asked: Asked, states: Path, stride: int, seed: int) -> None:
    """Make the film once; a state of the disk is written out at every `stride`-th step."""
    disk, told, taken = Disk(asked.root.parent, asked.root.name, seed), [], [0]
    disk.settle(asked.older)

    def step(kind: str, path: Path) -> None:
        with disk.lock:
            if taken[0] % stride == 0 and path.is_relative_to(asked.root):
                state = states / f"{taken[0]:05d}.{kind}"
                state.mkdir(parents=True)
                disk.drop(state / asked.root.name)
                (state / "told.json").write_text(json.dumps(told))
            taken[0] += 1

    def listener(event: str, facts: dict[str, Any]) -> None:
        if event == "stage_seconds":
            told.append((facts["stage"], facts["clip"]))

    publish.kill_point = step
    if "FAULT_NO_SYNC" not in os.environ:
        os.fsync = disk.fsync
    with listen_to_events(listener):
        asked.make()


def _keep(root: Path, told: list[tuple[str, int | None]]) -> None:
    """Everything that was called done is there, whole."""
    if not told and not (root / "run.json").exists():
        return
    check_told(Run.open(root), told)


def check_told(run: Run, told: list[tuple[str, int | None]]) -> None:
    """Raise unless all that was called done is vouched for, and as it was vouched for."""
    from storage.digest import hash_file

    files = {"soundtrack": run.soundtrack_path, "video": run.video_path}
    for stage, clip in told:
        facts = run.records.read(stage, clip)
        assert facts is not None, f"the record of {stage} {clip} is lost"
        if stage in {"latents", "audio"}:
            getattr(run, stage).read(clip)
        elif stage == "inputs":
            run.inputs.read_all()
            run.sound.read(0, run.sound.samples)
        else:
            path = files[stage] if clip is None else run.segment_path(clip)
            assert hash_file(path) == facts["sha256"], f"{path} is torn"


def main(verb: str, *words: str) -> None:
    """Do it and print what came of it."""
    fake_avatar.install()
    structlog.configure(logger_factory=structlog.ReturnLoggerFactory())
    logging.getLogger("luigi-interface").setLevel(logging.CRITICAL)
    image, audio, folder = (Path(word) for word in words[:3])
    stride = int(words[3])
    if verb == "repairs":
        found = repairs(Asked(image, audio, folder / "film", "repair"), stride, words[4].split(","))
    elif verb == "points":
        found = points(Asked(image, audio, folder / "film", words[4]), stride)
    else:
        found = cuts(Asked(image, audio, folder / "film", words[5]), stride, int(words[4]))
    print(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
