"""The files of a job become words of the command line, and nothing that a client writes names a file of the server."""

from pathlib import Path

import pytest

from pipeline.jobs.input_words import take_places, words_of_inputs
from storage.errors import BadInput

FACE, TEA, OTHER = Path("/jobs/picture.png"), Path("/jobs/sound.wav"), Path("/jobs/sound2.wav")
PLACES = ("face:2", "310,80,60,40")


def test_a_film_of_one_has_a_picture_a_sound_and_perhaps_a_script():
    """What is not given is no word."""
    assert words_of_inputs(FACE, TEA, {}, ()) == [f"--image={FACE}", f"--audio={TEA}"]
    script = {"script": Path("/jobs/script.toml"), "pose-video": Path("/jobs/pose-video.mp4")}
    assert words_of_inputs(FACE, TEA, script, ())[2:] == ["--script=/jobs/script.toml", "--pose-video=/jobs/pose-video.mp4"]  # fmt: skip


def test_speakers_have_a_sound_each_or_turns_of_one():
    """The first one's sound is the film's."""
    own = words_of_inputs(FACE, TEA, {"sound2": OTHER}, PLACES)
    assert own[2:] == [f"--speaker={TEA}@face:2", f"--speaker={OTHER}@310,80,60,40"]
    shared = words_of_inputs(FACE, TEA, {"turns": Path("/jobs/turns.csv")}, PLACES)
    assert shared[2:] == ["--turns=/jobs/turns.csv", "--speaker=@face:2", "--speaker=@310,80,60,40"]


@pytest.mark.parametrize(
    ("extras", "speakers", "words"),
    [
        ({"sound2": OTHER}, ("face:1", "/etc/passwd"), "speaker2 is no place"),
        ({"sound2": OTHER}, ("face:1", "face:2@/etc/passwd"), "speaker2 is no place"),
        ({"sound2": OTHER}, ("face:1", "1,2,3,4;/etc/x@face:1"), "speaker2 is no place"),
        ({"sound2": OTHER}, ("face:1", "mask2.png"), "speaker2 is no place"),
        ({"sound2": OTHER}, ("", "face:2"), "speaker1 is no place"),
        ({}, PLACES, "speaker2 has no sound: a file sound2 is needed, or turns"),
        ({"sound2": OTHER}, ("face:1",), "sound2 is nobody's"),
        ({"sound2": OTHER, "turns": TEA}, PLACES, "with turns all share one sound"),
        ({"sound5": OTHER}, (), "no file 'sound5'"),
        ({}, PLACES * 3, "At most 4"),
    ],
)
def test_what_does_not_go_together_is_one_line(extras: dict, speakers: tuple, words: str):
    """Above all what names a file in a place."""
    with pytest.raises(BadInput) as error:
        words_of_inputs(FACE, TEA, extras, speakers)
    assert words in str(error.value)
    assert "\n" not in str(error.value)


def test_places_are_taken_out_of_a_form():
    """What is empty behind the last is none; before it, it stays, to be refused."""
    fields = {"speaker1": "face:1", "speaker2": " face:2 ", "speaker3": "", "size": "a"}
    assert take_places(fields) == ("face:1", "face:2")
    assert fields == {"size": "a"}
    assert take_places({"speaker2": "face:2"}) == ("", "face:2")
    assert take_places({}) == ()
