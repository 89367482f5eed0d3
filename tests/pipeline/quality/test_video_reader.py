"""A film's file, read: the same numbers as its arrays give, in bounded memory, and a line where it cannot be read."""

import tracemalloc
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from drawn_film import CLIP, FPS, RATE, Drawn, draw_film, write_film
from drawn_presenter import SIDE, blend, draw_presenter

from model.pocket.face_boxes import FaceBoxes
from pipeline.bench import degradations
from pipeline.bench.known_answers import check_case
from pipeline.bench.known_cases import Case
from pipeline.quality.thresholds import judge_film
from pipeline.quality.video_reader import FilmFile, find_boxes, find_film, measure_film
from storage.errors import BadFilm
from storage.speaker import Speaker


@pytest.fixture(scope="module")
def film(drawn: Drawn, tmp_path_factory: pytest.TempPathFactory) -> FilmFile:
    """The drawn film as a file, with its picture."""
    path = write_film(drawn, tmp_path_factory.mktemp("film") / "drawn.mp4")
    return FilmFile(path, "drawn", CLIP, joints=True, picture=drawn.picture)


def test_a_file_is_measured_as_its_arrays_are(film: FilmFile):
    """Through an encoder and back: in time, and no alarm."""
    found = judge_film(measure_film(film), "drawn")
    assert not found.missed
    assert (found.frames, found.fps, found.clips) == (500, FPS, 21)
    assert found.sync is not None
    assert found.sync.offset == 0


@pytest.mark.parametrize(
    ("harm", "level"),
    [
        (degradations.delay_sound(0.16), "lips: frames late"),
        (degradations.freeze_frame(80, 25), "longest frozen stretch, s"),
        (degradations.repeat_clip(6, 2, CLIP), "clips shown again"),
    ],
)
def test_harms_of_a_file_are_found(
    harm: degradations.Degradation, level: str, film: FilmFile, tmp_path: Path
):
    """The way of the known answers: written once more with the harm in it, read again, found."""
    case = Case("", harm, lambda found: ("", level in {each.what for each in found.missed}))
    assert check_case(film, case, None, tmp_path).right


def test_memory_does_not_grow_with_the_film(tmp_path: Path):
    """Four times as many frames take no more than their numbers, a few hundred bytes each."""

    def peak(seconds: float) -> int:
        drawn = draw_film(seed=1, seconds=seconds)
        path = write_film(drawn, tmp_path / f"{seconds}.mp4")
        del drawn
        tracemalloc.start()
        try:
            measure_film(FilmFile(path, "x", CLIP, joints=True))
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    short, long = peak(2), peak(8)
    assert long - short < 150 * 600


def test_a_silent_film_and_one_of_another_shape_are_measured(tmp_path: Path):
    """No sound is no fault; what needs sound is said not to be measured."""
    import av

    path = tmp_path / "wide.mp4"
    with av.open(str(path), "w") as out:
        video = out.add_stream("libx264", rate=16)
        video.width, video.height, video.pix_fmt = 320, 96, "yuv420p"
        for number in range(40):
            frame = np.full((96, 320, 3), 40, np.uint8)
            frame[20:60, 4 * number : 4 * number + 60] = 200
            out.mux(video.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        out.mux(video.encode(None))
    film = find_film(path)
    found = judge_film(measure_film(film), film.name)
    assert (found.frames, found.fps, found.sound, found.seams) == (40, 16, None, None)
    assert not {level.what for level in found.levels if level.met} & {"lips: frames late"}


@pytest.mark.parametrize("content", [b"", b"no film at all" * 99])
def test_what_is_no_film_is_one_line(content: bytes, tmp_path: Path):
    """The file is named."""
    path = tmp_path / "x.mp4"
    path.write_bytes(content)
    with pytest.raises(BadFilm, match=r"x\.mp4"):
        measure_film(find_film(path))


def test_the_first_frame_stands_for_a_picture_that_is_not_given(film: FilmFile):
    """Colour and likeness are against the film's own beginning then, and say so."""
    found = judge_film(measure_film(replace(film, picture=None)), "drawn")
    assert found.drift.reference == "its own beginning"
    assert found.drift.clips[0].likeness == pytest.approx(1, abs=0.01)
    assert not found.missed


@pytest.fixture(scope="module")
def melting(tmp_path_factory: pytest.TempPathFactory) -> FilmFile:
    """Eight seconds of a drawn presenter who moves and blinks; from second 4 on an eye is gone."""
    person = draw_presenter(800_003)
    poses = [{"dx": 0.04, "tilt": 0.05}, {"dx": -0.03, "blink": 1.0}, {"dy": 0.03, "aperture": 0.5}]
    before = person.draw(poses)
    x, y, wide, high = person.boxes[2]
    skin = np.broadcast_to(person.picture[int(y + 1.5 * high), int(x)], person.picture.shape)
    after = np.stack([blend(each, skin, (x + wide / 2, y + high / 2, 25, 20)) for each in before])
    turn = np.arange(100) // 5 % len(poses)
    frames = np.concatenate([before[turn], after[turn]])
    still = Drawn(frames, np.zeros((1, 8 * RATE), np.float32), person.picture)
    path = write_film(still, tmp_path_factory.mktemp("melting") / "film.mp4")
    return FilmFile(path, "film", CLIP, joints=True, picture=person.picture, boxes=person.boxes)


def test_a_film_whose_eye_goes_misses_its_level_and_says_which_and_when(melting: FilmFile):
    """Through an encoder; the part, the second, and the command are in the line."""
    found = judge_film(measure_film(melting), "film")
    assert "face: its worst part, of what it was in the first second" in {each.what for each in found.missed}  # fmt: skip
    assert found.identity is not None
    (eye,) = found.identity.melted
    assert (eye.region, eye.lost) == ("right eye", pytest.approx(4, abs=2 * CLIP / FPS))
    assert found.melting is not None
    assert found.melting.startswith(f"The face melts: the right eye from {eye.lost:.0f} s on. ")
    assert f"longtake retake RUN --clip {round((eye.lost or 0) * FPS / CLIP)}" in found.melting


def test_without_boxes_or_in_another_size_no_face_is_measured(melting: FilmFile):
    """The levels say that it was not; nothing is missed for that."""
    other = replace(melting, picture=np.ascontiguousarray(melting.picture[::2, ::2]))  # type: ignore[index]
    for film in (replace(melting, boxes=None), other):
        found = judge_film(measure_film(film), "film")
        assert (found.identity, found.melting) == (None, None)
        assert {each.met for each in found.levels if each.what.startswith("face")} == {None}


def test_lips_of_several_speakers_whose_mouths_nobody_knows_are_not_measured(film: FilmFile):
    """No mouth follows the mix of all: nothing is said of lips, and so no level is missed by them."""
    run = SimpleNamespace(spec=SimpleNamespace(speakers=(Speaker(), Speaker())))
    found = judge_film(measure_film(replace(film, run=run)), "drawn")  # type: ignore[arg-type]
    assert found.sync is None
    assert not found.missed


def test_boxes_come_of_the_run_and_of_pockets_older_runs_from_the_picture():
    """In the film's pixels, where the picture was twice as large; a run of another model that keeps none has none, and its films are judged as they were."""
    person = draw_presenter(800_003)
    whole = (2 * SIDE, 2 * SIDE)

    def find(model: str, boxes: str, *speakers: Speaker) -> np.ndarray | None:
        fitted = {"width": SIDE, "height": SIDE, "crop": "cover"}
        spec = SimpleNamespace(model=model, face_boxes=boxes, speakers=speakers, **fitted)
        return find_boxes(spec, person.picture, whole)  # type: ignore[arg-type]

    known = find("live-avatar", str(FaceBoxes.from_array(2 * person.boxes)))
    assert known == pytest.approx(person.boxes, abs=0.1)
    assert find("wan-s2v", "") is None
    told = Speaker(face_boxes=str(FaceBoxes.from_array(2 * person.boxes)))
    assert find("pocket", "", told, Speaker()) == pytest.approx(person.boxes, abs=0.1)
    found = find("pocket", "")
    assert found is not None
    middles = found[:, :2] + found[:, 2:] / 2
    assert np.abs(middles - person.boxes[:, :2] - person.boxes[:, 2:] / 2).max() < 12
