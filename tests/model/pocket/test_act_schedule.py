"""Which acts pocket's presenter is asked for at which block."""

import numpy as np

from model.pocket.act_schedule import ActSchedule, ask_acts, encode_changes
from model.pocket.acts import ACTS, GAINS
from model.prompt_schedule import PromptChange

HAPPY, SAD = "She is happy.", "She is very sad."


def schedule(*changes: PromptChange, prompt: str = "") -> ActSchedule:
    return ActSchedule.from_inputs({"acts": ask_acts(prompt), **encode_changes(changes)})


def change(block: int, fade: int, prompt: str) -> PromptChange:
    return PromptChange(block, fade, 100, 100, prompt)


def test_a_film_without_changes_has_one_row_and_no_more_inputs() -> None:
    """So that its encoded inputs are those of films before there were schedules."""
    assert encode_changes(()) == {}
    plain = schedule(prompt=HAPPY)
    assert np.array_equal(plain.acts_at(0), ask_acts(HAPPY))
    assert np.array_equal(plain.acts_at(10**6), ask_acts(HAPPY))


def test_the_acts_of_a_block_do_not_depend_on_which_were_asked_before() -> None:
    """Asked in any order, and by another schedule of the same inputs, they are the same bits; a block is between its neighbours while it fades."""
    plan = schedule(change(3, 2, HAPPY), change(4, 3, SAD), change(9, 0, ""), prompt="She nods.")
    rows = [plan.acts_at(block) for block in range(12)]
    again = schedule(change(3, 2, HAPPY), change(4, 3, SAD), change(9, 0, ""), prompt="She nods.")
    assert all(np.array_equal(again.acts_at(n), rows[n]) for n in reversed(range(12)))
    assert all(row.dtype == np.float32 for row in rows)
    sad = [float(row[ACTS.index("sad")]) for row in rows]
    assert sad[3] == 0 < sad[4] < sad[5] < sad[6] < sad[7] == sad[8] > sad[9] == 0
    assert rows[4][ACTS.index("happy")] > rows[3][ACTS.index("happy")] > 0
    assert not rows[9].any()


def test_strengths_scale_expressions_and_gestures_apart_and_end_at_very() -> None:
    """Twice a bare word is `very`, which training knows, and no more; the gaze stays what it is."""
    words = "She is happy, nods and looks to the left."
    bare, told = ask_acts(words), schedule(PromptChange(0, 0, 200, 50, words)).acts_at(0)
    at = {name: n for n, name in enumerate(ACTS)}
    assert told[at["happy"]] == np.float32(GAINS["happy"])
    assert np.isclose(told[at["nod"]], bare[at["nod"]] / 2)
    assert told[at["gaze_x"]] == bare[at["gaze_x"]] < 0
