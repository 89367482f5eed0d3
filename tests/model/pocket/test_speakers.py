"""Several speakers as far as the model goes: whose pixel is whose, whose piece of a carry, whose seed."""

from collections.abc import Iterable, Iterator

import numpy as np
import torch
from numpy.typing import NDArray

from model.avatar import Denoised, Options
from model.pocket.canvas import choose_region
from model.pocket.decoder import FilmPicture
from model.pocket.speakers import (  # fmt: skip
    SpeakersDenoiser,
    count_speakers,
    inputs_of,
    seed_of,
    share_picture,
    stack_inputs,
)
from tests.model.pocket.test_canvas import face
from tests.model.pocket.test_decoder import as_bytes, make_fields, smooth_picture

SIZE = (256, 512)
BOXES = np.array([face(130, 128, 30), face(380, 120, 40)], np.float32)


def test_motion_ends_at_the_border_between_two_faces() -> None:
    """A pixel is moved by one face at most, wholly near it and not at all at the border, which lies nearer to the smaller one."""
    shares = share_picture(SIZE, BOXES)
    assert ((shares > 0).sum(0) <= 1).all()
    assert shares[0, 128, 130] == shares[1, 120, 380] == 1
    border = int(torch.argmin(shares.sum(0)[128]))
    assert 225 < border < 255
    assert shares.sum(0)[128, border - 12 : border + 12].diff().abs().max() < 0.15


def test_three_faces_share_a_picture() -> None:
    """Each has the pixels around it."""
    boxes = np.array([face(x, 128, 30) for x in (100, 250, 400)], np.float32)
    shares = share_picture(SIZE, boxes)
    assert [int(shares[:, 128, x].argmax()) for x in (100, 250, 400)] == [0, 1, 2]
    assert ((shares > 0).sum(0) <= 1).all()


def test_a_face_moves_nothing_of_another() -> None:
    """Beyond its part the picture stays as it is, though the whole film lies on its canvas."""
    picture = smooth_picture(*SIZE)
    film = FilmPicture(picture, choose_region(Options(512, 256), BOXES[0].tolist()))
    film.share(share_picture(SIZE, BOXES)[0])
    moved = np.abs(as_bytes(film.move(make_fields((9.0, 5.0), 0.5))) - picture.astype(int)).max(-1)
    assert moved[:, 260:].max() <= 3
    assert moved[100:150, 110:150].max() > 40


def test_each_speaker_has_its_own_inputs() -> None:
    """What is stacked comes apart again; what all have in common is there once."""
    own = [
        {"picture": np.zeros((2, 2, 3)), "acts": np.ones(9), "boxes": np.full((3, 4), n), "teeth": np.full(1, n), "still": np.full((2, 1, 4, 4), n)}
        for n in (1.0, 2.0)
    ]  # fmt: skip
    both = stack_inputs(own)
    assert [count_speakers(each) for each in (own[0], both)] == [1, 2]
    for number, mine in enumerate(own):
        found = inputs_of(both, number)
        assert all(np.array_equal(found[name], mine[name]) for name in mine)


def test_a_speaker_s_seed_follows_a_retake() -> None:
    """The first has the film's seed, so that its film of its own is the same; the others one more each, clip by clip."""
    assert [seed_of(420, n) for n in range(3)] == [420, 421, 422]
    retaken = seed_of(lambda clip: 7 if clip == 3 else 420, 1)
    assert callable(retaken)
    assert [retaken(clip) for clip in (2, 3)] == [421, 8]


class Counter:
    """A denoiser that counts, from its own start."""

    def __init__(self, start: float) -> None:
        self.next_clip, self._total = 0, start

    def denoise(self, audio: NDArray[np.float32]) -> Denoised:
        self.next_clip += 1
        self._total += float(audio.sum())
        latents = np.full((2, 3, 4, 4), self._total, np.float32)
        return Denoised(latents, latents[None])

    def carry(self) -> Iterator[tuple[str, NDArray[np.generic]]]:
        yield "sink", np.zeros(1)
        yield "ring.0.0", np.full(1, self._total)

    def restore(self, clip: int, carry: Iterable[tuple[str, NDArray[np.generic]]]) -> None:
        self.next_clip, pieces = clip, dict(carry)
        self._total = float(pieces["ring.0.0"][0]) if pieces else 0.0


def test_a_carry_gives_each_speaker_its_own_pieces() -> None:
    """Restored, several go on as they would have; their latents lie below each other."""
    heard = np.arange(3, dtype=np.float32).reshape(3, 1, 1, 1)
    film = SpeakersDenoiser([Counter(10.0 * n) for n in range(3)])
    film.denoise(heard)
    carry = list(film.carry())
    expected = film.denoise(heard)
    other = SpeakersDenoiser([Counter(99.0) for _ in range(3)])
    other.restore(1, iter(carry))
    found = other.denoise(heard)
    assert other.next_clip == 2
    assert found.latents.shape == (2, 3, 12, 4)
    assert np.array_equal(found.latents, expected.latents)
    assert found.latents[0, 0, ::4, 0].tolist() == [0, 12, 24]
    other.restore(0, ())
    assert other.denoise(heard).latents[0, 0, ::4, 0].tolist() == [0, 1, 2]
