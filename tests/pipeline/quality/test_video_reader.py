"""A film's file, read: the same numbers as its arrays give, in bounded memory, and a line where it cannot be read."""

import tracemalloc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from drawn_film import CLIP, FPS, Drawn, draw_film, write_film

from pipeline.bench import degradations
from pipeline.bench.known_answers import check_case
from pipeline.bench.known_cases import Case
from pipeline.quality.thresholds import judge_film
from pipeline.quality.video_reader import FilmFile, find_film, measure_film
from storage.errors import BadFilm


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

    short, long = peak(4), peak(16)
    assert long - short < 300 * 600


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
