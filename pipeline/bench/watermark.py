"""After what a watermark is found, how little it changes, what it costs, and whether it is seen where there is none: python -m pipeline.bench.watermark --clips 100 --unmarked 200 --folder runs/watermark.

The films are made in the folder where they are not there yet (by `longtake new`, without a watermark, frames kept); clips of 48 frames are marked,
encoded as the product does it, attacked, and looked at by what `longtake whose` calls. With --pictures DIR some are drawn.
"""

import argparse
import hashlib
import json
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor as Pool
from dataclasses import dataclass, field, fields
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from pipeline.bench.watermark_attacks import FURTHER, LEVELS, Attack, attack_film
from pipeline.bench.watermark_material import Byte, Clip, list_clips, list_drawn_clips
from pipeline.watermarking.detector import Stretch, find_ids
from storage.segments import EncoderConfig, encode_h264
from storage.watermark import mark_frames
from tasks.defaults import CRF, PRESET

LEAST_PSNR = 42.0
ATTACKS = (*LEVELS, *FURTHER)


@dataclass
class Tally:
    """What came of some clips after one attack."""

    attack: Attack
    right: int = 0
    wrong: int = 0
    missed: list[str] = field(default_factory=list)

    def add(self, name: str, wanted: str, found: Sequence[Stretch]) -> None:
        """Count a clip."""
        ids = {stretch.id for stretch in found}
        self.right += ids == {wanted}
        self.wrong += bool(ids - {wanted})
        if not ids:
            self.missed.append(name)

    @property
    def share(self) -> float:
        """How many of the clips hold the right id and no other, of 1."""
        return self.right / max(self.right + self.wrong + len(self.missed), 1)

    @property
    def holds(self) -> bool:
        """True where the level is met."""
        return self.share >= self.attack.level and not self.wrong

    def __str__(self) -> str:
        """A line of the table."""
        level = f"≥ {self.attack.level:.0%}" if self.attack.level else ""
        few = ", ".join(self.missed[:4])
        return f"| {self.attack.name} | {self.share:.1%} | {level} | {self.wrong} | {few} |"


@dataclass
class Costs:
    """Seconds of the processor, of all clips, and how far each clip is changed."""

    mark: float = 0.0
    encode_plain: float = 0.0
    encode_marked: float = 0.0
    bytes_plain: int = 0
    bytes_marked: int = 0
    psnr: list[float] = field(default_factory=list)
    flicker: list[tuple[float, float]] = field(default_factory=list)
    """The mean change from frame to frame, in levels: without a watermark, with it."""

    def __iadd__(self, other: "Costs") -> "Costs":
        """With those of another clip."""
        for each in fields(self):
            setattr(self, each.name, getattr(self, each.name) + getattr(other, each.name))
        return self

    def add(self, plain: Byte, marked: Byte) -> bytes:
        """Measure a clip; the film of the marked one."""
        start = time.process_time()
        film = encode_h264(plain, EncoderConfig(25, CRF, PRESET))
        middle = time.process_time()
        made = encode_h264(marked, EncoderConfig(25, CRF, PRESET))
        self.encode_plain += middle - start
        self.encode_marked += time.process_time() - middle
        self.bytes_plain, self.bytes_marked = self.bytes_plain + len(film), self.bytes_marked + len(made)  # fmt: skip
        self.psnr.append(measure_psnr(plain, marked))
        self.flicker.append((measure_flicker(plain), measure_flicker(marked)))
        return made


def measure_psnr(plain: Byte, marked: Byte) -> float:
    """The peak signal-to-noise ratio of marked frames [frame, y, x, rgb] against plain ones, in decibels."""
    error = np.square(plain.astype(np.float32) - marked).mean(dtype=np.float64)
    return float(10 * np.log10(255**2 / error))


def measure_flicker(frames: Byte) -> float:
    """The mean absolute difference of neighbouring frames [frame, y, x, rgb], in levels."""
    return float(np.abs(np.diff(frames.astype(np.int16), axis=0)).mean())


def id_of(name: str) -> str:
    """Another id for each clip."""
    return hashlib.sha256(name.encode()).hexdigest()[:12]


def find_in(film: bytes, folder: Path) -> Sequence[Stretch]:
    """What is found in a film, as `longtake whose` finds it."""
    path = folder / "film.mp4"
    path.write_bytes(film)
    return find_ids(path).found


@dataclass(frozen=True)
class Tried:
    """One clip, marked and attacked."""

    clip: str
    found: tuple[Sequence[Stretch], ...]
    """After each attack."""
    costs: Costs


def try_clip(clip: Clip, further: bool) -> Tried:
    """Mark a clip, attack it, look; `further`: also after what no level is for."""
    costs, plain = Costs(), clip.frames
    start = time.process_time()
    marked = mark_frames(plain, id_of(clip.name))
    costs.mark = time.process_time() - start
    film = costs.add(plain, marked)
    with TemporaryDirectory() as folder:
        found = tuple(
            find_in(attack_film(film, each), Path(folder))
            for each in ATTACKS[: None if further else len(LEVELS)]
        )
    print(f"{clip.name} {costs.psnr[-1]:.1f} dB", flush=True)
    return Tried(clip.name, found, costs)


def find_alarm(clip: Clip) -> str:
    """The name of an unmarked clip in which something is found; empty where nothing is."""
    film = encode_h264(clip.frames, EncoderConfig(25, CRF, PRESET))
    with TemporaryDirectory() as folder:
        return clip.name if find_in(film, Path(folder)) else ""


def measure_attacks(clips: Sequence[Clip], further: int, pool: Pool) -> tuple[list[Tally], Costs]:
    """Try each clip; `further`: how many also go through what no level is for."""
    tallies, costs = [Tally(each) for each in ATTACKS], Costs()
    for tried in pool.map(try_clip, clips, [n < further for n in range(len(clips))]):
        costs += tried.costs
        for tally, found in zip(tallies, tried.found, strict=False):
            tally.add(tried.clip, id_of(tried.clip), found)
    return tallies, costs


def draw_pictures(clips: Iterable[Clip], folder: Path) -> None:
    """A frame of each clip without and with a watermark, as the film shows them, and the difference twentyfold."""
    from PIL import Image

    from pipeline.bench.watermark_attacks import decode_film

    folder.mkdir(parents=True, exist_ok=True)
    for clip in clips:
        plain = clip.frames
        marked = mark_frames(plain, id_of(clip.name))
        pair = [decode_film(encode_h264(each, EncoderConfig(25, CRF, PRESET)))[20] for each in (plain, marked)]  # fmt: skip
        change = marked[20].astype(np.int16) - plain[20]
        strong = np.clip(128 + 20 * change, 0, 255).astype(np.uint8)
        name = clip.name.replace("/", "-")
        Image.fromarray(np.concatenate([*pair, strong], 1)).save(folder / f"{name}.png")


def show_costs(costs: Costs) -> Iterator[str]:
    """The costs in lines."""
    clips = len(costs.psnr)
    yield f"PSNR {min(costs.psnr):.1f} dB at least, {np.median(costs.psnr):.1f} in the middle, of {clips} clips"
    plain, marked = np.mean(costs.flicker, 0)
    most = max(after - before for before, after in costs.flicker)
    yield f"from frame to frame {plain:.3f} levels without, {marked:.3f} with; {most:+.3f} at most"
    yield f"bytes {costs.bytes_marked / costs.bytes_plain - 1:+.1%}"
    each = (costs.mark, costs.encode_plain, costs.encode_marked)
    yield "a clip: {:.0f} ms to mark, {:.0f} to encode without, {:.0f} with".format(
        *(1000 * seconds / clips for seconds in each)
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, and say by the exit code whether all levels hold."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=int, default=100)
    parser.add_argument("--further", type=int, default=26, help="clips that go through every attack")  # fmt: skip
    parser.add_argument("--unmarked", type=int, default=200)
    parser.add_argument("--folder", type=Path, default=Path("runs/watermark"))
    parser.add_argument("--pictures", type=Path)
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    given = parser.parse_args(arguments)
    if given.pictures:
        draw_pictures(list_clips(given.folder, 18), given.pictures)
    half = given.unmarked // 2
    films = list_clips(given.folder, max(given.clips, half))
    unmarked = [*films[:half], *list_drawn_clips(given.unmarked - half)]
    with Pool(given.jobs, mp_context=get_context("spawn")) as pool:
        tallies, costs = measure_attacks(films[: given.clips], given.further, pool)
        looks = list(pool.map(find_alarm, unmarked))
    alarms = [name for name in looks if name]
    print("\n".join(map(str, (*tallies, *show_costs(costs)))))
    print(f"false alarms: {len(alarms)} of {len(looks)} {' '.join(alarms)}")
    good = all(t.holds for t in tallies) and not alarms and min(costs.psnr) >= LEAST_PSNR
    print(json.dumps({"holds": good}))
    return 0 if good else 1


if __name__ == "__main__":
    raise SystemExit(main())
