"""The schematic face says every curve once."""

import subprocess
import sys
from pathlib import Path

import numpy as np

from model.motion_columns import MOTION
from model.pocket.curve_layout import (
    CHANNELS,
    CURVES,
    EYES,
    HEAD,
    LAYOUT,
    MOUTH,
    RELATIVE,
    RESTED,
    SIDE,
    ZONES,
    list_zone_slots,
)

ROOT = Path(__file__).parents[3]


def test_every_column_is_told_in_one_zone() -> None:
    """Each zone has CHANNELS coefficients, each token one zone, and each curve is either relative or rested."""
    names = [name for zone in LAYOUT for name in zone]
    assert sorted(names) == sorted(MOTION) == sorted(RELATIVE + RESTED)
    assert list(CURVES) == list(MOTION)
    assert [len(list_zone_slots(zone)) for zone in (HEAD, EYES, MOUTH)] == [CHANNELS] * 3
    zones = np.array(ZONES)
    assert zones.shape == (SIDE, SIDE)
    tokens = zones.reshape(SIDE // 2, 2, SIDE // 2, 2)
    assert (tokens == tokens[:, :1, :, :1]).all()
    assert {HEAD, EYES, MOUTH} == set(zones.flatten().tolist())


def test_a_slot_begins_at_its_curves_mean() -> None:
    """The first coefficient of a span of four is twice the mean, the others are about zero."""
    first, second = list_zone_slots(MOUTH)[4:6]
    assert (first.curve, first.coefficient, first.mean) == (
        "aperture",
        0,
        2 * CURVES["aperture"].mean,
    )
    assert (second.curve, second.coefficient, second.mean) == ("aperture", 1, 0)
    assert second.spread == CURVES["aperture"].spread[1]


def test_the_layout_needs_no_torch() -> None:
    """In a process of its own."""
    code = "import sys, model.pocket.curve_layout; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
