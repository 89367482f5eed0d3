"""Where a number stands, in the words of a film."""

import pytest

from pipeline.inspection.location import Location, locate_index
from storage.run import Run


@pytest.mark.parametrize(
    ("stage", "index", "wanted"),
    [
        ("steps", (1, 4, 5, 0, 2), Location("steps", 7, 1, 1, 4, (1, 4, 5, 0, 2))),
        ("latents", (4, 11, 0, 2), Location("latents", 7, 3, 3, 4, (4, 11, 0, 2))),
        ("audio", (1, 2, 25), Location("audio", 7, 2, None, 2, (1, 2, 25))),
        ("frames", (47, 1, 2, 0), Location("frames", 7, 3, None, 0, (47, 1, 2, 0))),
    ],
)
def test_an_index_is_a_place(run: Run, stage: str, index: tuple[int, ...], wanted: Location):
    """Blocks are three latents or twelve frames; latents stand after the last step."""
    assert locate_index(run.spec, stage, 7, index) == wanted


def test_a_place_reads_as_a_sentence():
    """Only what is known is told."""
    whole = Location("steps", 17, 2, 3, 5, (3, 5, 7, 3, 1))
    assert str(whole) == "clip 17, block 2, step 3, channel 5 of steps, at [3, 5, 7, 3, 1]"
    assert str(Location("soundtrack")) == "soundtrack"
