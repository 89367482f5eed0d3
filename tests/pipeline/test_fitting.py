"""What is asked of one model is fitted to the one that draws."""

from pathlib import Path

import pytest

from pipeline.fitting import fit
from pipeline.settings import Wishes


def wishes_of(source: str = "--weights", **fields: object) -> Wishes:
    """Wishes that came from flags."""
    return Wishes(fields, dict.fromkeys(fields, source))


def test_pocket_is_told_nothing_of_weights() -> None:
    """Where pocket draws, what only large models know is left out, one line each, and the film is made all the same."""
    wishes = wishes_of("--x", model="pocket", weights="a", offload_model=True, guidance="4.5")
    fit(wishes)
    assert wishes.fields == {"model": "pocket"}
    assert len(wishes.notices) == 3


def test_the_published_nought_of_guidance_costs_no_line() -> None:
    """The published scripts say --sample_guide_scale 0, which is what a distilled model does anyhow."""
    wishes = wishes_of(model="live-avatar", weights="a", guidance="0")
    fit(wishes)
    assert (wishes.fields, wishes.notices) == ({"model": "live-avatar", "weights": "a"}, [])


def test_weights_that_are_there_choose_live_avatar(tmp_path: Path) -> None:
    """--ckpt_dir of a published command line draws with Live Avatar where the folder is there, and says so."""
    wishes = wishes_of("--ckpt-dir", weights=str(tmp_path))
    fit(wishes)
    assert wishes.fields["model"] == "live-avatar"
    assert "--model says otherwise" in wishes.notices[0]


def test_weights_of_another_machine_do_not(tmp_path: Path) -> None:
    """A published command line with a folder that is not here is drawn by pocket, with one line."""
    wishes = wishes_of("--ckpt-dir", weights=str(tmp_path / "none"))
    fit(wishes)
    assert wishes.fields == {}
    assert wishes.notices == [
        "--ckpt-dir does nothing here: the weights of pocket are in the package"
    ]


@pytest.mark.parametrize("model", ["live-avatar", "wan-s2v"])
def test_large_models_keep_their_weights(model: str) -> None:
    """--weights reaches the models that need it."""
    wishes = wishes_of(model=model, weights="a", device="cuda")
    fit(wishes)
    assert wishes.fields == {"model": model, "weights": "a", "device": "cuda"}
