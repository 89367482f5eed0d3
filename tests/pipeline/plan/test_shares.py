"""A film on several cards, planned: who has what, what the fullest takes, how quick the slowest is. By the published model's own sizes: no weights are needed."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from model import registry
from pipeline.plan.planner import PlanOptions, plan_film
from pipeline.plan.screen import describe_sharing
from storage.errors import BadOption
from tasks.request import Request

PUBLISHED = {
    name: getattr(registry, name) for name in ("describe_model", "estimate_memory", "estimate_time")
}
"""What the fake model of this folder's tests takes the place of."""


@pytest.fixture(autouse=True)
def _published(_fenced: None, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, function in PUBLISHED.items():
        monkeypatch.setattr(registry, name, function)


@pytest.fixture
def asked(face: Path, speech: Path, tmp_path: Path) -> Callable[..., Request]:
    """A request for a film of nine seconds."""

    def ask(**fields: object) -> Request:
        return Request(face, speech, run=tmp_path / "run", **fields)  # type: ignore[arg-type]

    return ask


def test_cards_that_share_a_film(asked: Callable[..., Request]) -> None:
    """Who has what, and why; the fullest card decides whether it fits, and the slowest the pace; what one alone would do is told beside it."""
    request = asked(model="live-avatar", width=704, height=384, precision="fp8")
    found = plan_film(request, PlanOptions(gpu="4090x4"))[1]
    assert found.machine == "4 × RTX 4090"
    assert found.fits
    assert found.shared is not None
    assert found.shared.parallel == "layers"
    assert [(each.layers, each.steps) for each in found.shared.ranks] == [
        (7, 4),
        (11, 4),
        (11, 4),
        (11, 4),
    ]
    assert found.device is not None
    assert found.device.needed == found.shared.ranks[0].needed > found.shared.ranks[1].needed
    one = plan_film(request, PlanOptions(gpu="4090"))[1]
    assert one.shared is None
    assert one.time.frames_a_second < found.time.frames_a_second  # type: ignore[operator]
    assert f"{one.time.frames_a_second:.2g} frames a second" in found.shared.alone
    assert found.host.parts["program"] == 4 * one.host.parts["program"]
    line = describe_sharing(found.shared)
    assert line.startswith("--gpus 4 --parallel layers: with all layers a rank takes 33.3 GB")
    facts = json.loads(found.as_json())
    assert [each["rank"] for each in facts["shared"]["ranks"]] == [0, 1, 2, 3]


def test_as_many_cards_as_asked_share_it_as_asked(asked: Callable[..., Request]) -> None:
    """--gpus and --parallel are those of the film; more cards than the machine has are refused."""
    request = asked(model="live-avatar", width=704, height=384, precision="fp8")
    how = PlanOptions(gpu="l40sx4")
    found = plan_film(replace(request, gpus="2", parallel="layers"), how)[1]
    assert found.shared is not None
    assert [each.layers for each in found.shared.ranks] == [18, 22]
    assert found.shared.reason == "as asked"
    assert plan_film(replace(request, gpus="1"), how)[1].shared is None
    by_heads = plan_film(replace(request, gpus="2", parallel="heads"), how)[1].shared
    assert by_heads is not None
    assert [(each.layers, each.steps, each.heads) for each in by_heads.ranks] == [(40, 4, 20)] * 2
    with pytest.raises(BadOption, match="--gpus 5 cannot be used: the machine of --gpu l40sx4 has"):
        plan_film(replace(request, gpus="5"), how)
    with pytest.raises(BadOption, match="there are 4 denoising steps"):
        plan_film(replace(request, parallel="steps"), PlanOptions(gpu="l40sx5"))
