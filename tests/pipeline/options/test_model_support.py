"""What is asked of one model is fitted to the one that draws."""

from pathlib import Path

import pytest

from pipeline.options.given_options import GivenOptions
from pipeline.options.model_support import drop_unsupported
from storage.errors import BadOption


def wishes_of(source: str = "--weights", **fields: object) -> GivenOptions:
    """Wishes that came from flags."""
    return GivenOptions(fields, dict.fromkeys(fields, source))


def test_pocket_is_told_nothing_of_weights(tmp_path: Path) -> None:
    """Where pocket draws, what only large models know is left out, one line each, and the film is made all the same."""
    wishes = wishes_of(
        "--x", model="pocket", weights=str(tmp_path), offload_model=True, guidance="4.5"
    )
    drop_unsupported(wishes)
    assert wishes.fields == {"model": "pocket"}
    assert len(wishes.costly) == 3


def test_the_published_nought_of_guidance_costs_no_line() -> None:
    """The published scripts say --sample_guide_scale 0, which is what a distilled model does anyhow."""
    wishes = wishes_of(model="live-avatar", weights="a", guidance="0")
    drop_unsupported(wishes)
    assert (wishes.fields, wishes.told) == ({"model": "live-avatar", "weights": "a"}, [])


def test_weights_that_are_there_choose_live_avatar(tmp_path: Path) -> None:
    """--ckpt_dir of a published command line draws with Live Avatar where the folder is there, and says so."""
    wishes = wishes_of("--ckpt-dir", weights=str(tmp_path))
    drop_unsupported(wishes)
    assert wishes.fields["model"] == "live-avatar"
    assert "--model says otherwise" in wishes.told[-1]


@pytest.mark.parametrize("model", [None, "pocket"])
@pytest.mark.parametrize(
    "name", ["none", "ckpt/none", "ckpt/none/", "none/Wan2.2-S2V-14B/", "~/none"]
)
def test_weights_that_are_not_there_are_refused(
    model: str | None, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever draws: a folder that is named and missing is not silently done without."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "ckpt").mkdir()
    for field in ("weights", "lora"):
        wishes = wishes_of("--there", **{field: name}, **({"model": model} if model else {}))
        with pytest.raises(BadOption, match=f"--there {name} .* no such folder or file"):
            drop_unsupported(wishes)


def test_a_name_of_the_hub_is_no_folder_that_is_missing() -> None:
    """The published scripts name the LoRA so; pocket says that it does nothing with it."""
    wishes = wishes_of("--lora-path-dmd", lora="Quark-Vision/Live-Avatar")
    drop_unsupported(wishes)
    assert wishes.told == [
        "[WARN] --lora-path-dmd does nothing here: pocket draws; live-avatar always has its LoRA, the others have none"
    ]


@pytest.mark.parametrize("model", ["live-avatar", "wan-s2v"])
def test_large_models_keep_their_weights(model: str) -> None:
    """--weights reaches the models that need it."""
    wishes = wishes_of(model=model, weights="a", device="cuda")
    drop_unsupported(wishes)
    assert wishes.fields == {"model": model, "weights": "a", "device": "cuda"}
