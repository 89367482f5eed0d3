"""The code of a watermark: ids come back out of noise, and noise is no id."""

import numpy as np
import pytest
from numpy.typing import NDArray

from storage.watermark_code import SIGNS, bound_chance, decode_signs, encode_id, measure_ratio

IDS = ["000000000000", "ffffffffffff", "41434d450000", "0123456789ab"]


def received(id_: str, ratio: float, seed: int) -> NDArray[np.float64]:
    """Signs in noise, with this ratio in the mean."""
    mean = ratio / SIGNS**0.5
    noise = np.random.default_rng(seed).normal(size=SIGNS)
    return encode_id(id_) * mean + noise * (1 - mean**2) ** 0.5


@pytest.mark.parametrize("id_", IDS)
def test_an_id_comes_back(id_: str):
    """Out of its own signs, and of signs of which three in ten are wrong."""
    signs = encode_id(id_)
    assert set(signs) == {-1.0, 1.0}
    wrong = np.random.default_rng(1).permutation(SIGNS) < 0.3 * SIGNS
    for soft in (signs, np.where(wrong, -signs, signs)):
        reading = decode_signs(soft)
        assert reading is not None
        assert (reading.id, reading.is_sure) == (id_, True)


def test_ids_come_back_out_of_noise():
    """At a ratio of 13, which half the bit rate and three quarters of the size leave, 20 of 20 times."""
    for seed in range(20):
        reading = decode_signs(received(IDS[seed % 4], 13, seed))
        assert reading is not None
        assert reading.id == IDS[seed % 4]


def test_noise_is_no_id():
    """It seldom has a CRC, and never leans to an id far enough to be sure."""
    for seed in range(20):
        reading = decode_signs(received(IDS[0], 0, seed))
        assert reading is None or not reading.is_sure
    assert decode_signs(np.zeros(SIGNS)) is None


def test_chance_is_bounded_by_the_ratio():
    """The bound for one id holds of many draws; for 2**48 ids it is so much larger, and never above 1."""
    rng = np.random.default_rng(2)
    soft = rng.normal(size=SIGNS)
    ratios = [measure_ratio(soft * rng.choice([-1, 1], SIGNS), IDS[2]) for _ in range(3000)]
    for ratio in (1.0, 2.0, 3.0):
        assert np.mean(np.array(ratios) >= ratio) <= bound_chance(ratio, 0)
    assert bound_chance(12, 48) == pytest.approx(2**48 * bound_chance(12, 0))
    assert bound_chance(2, 48) == 1
