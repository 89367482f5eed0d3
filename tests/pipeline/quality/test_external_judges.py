"""Networks of others: their published layout is loaded whole or refused, and what they say is told."""

from pathlib import Path

import numpy as np
import pytest
import torch
from drawn_film import CLIP, draw_film, write_film

from pipeline.quality.external_judges import Judges, ask_judges
from pipeline.quality.mouth import Mouth
from pipeline.quality.syncnet import build_layers, compute_mfcc
from pipeline.quality.video_reader import FilmFile
from storage.errors import BadWeights

MOUTH = Mouth(0.4, 0.65, 0.62, 0.75, 0.9)


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> FilmFile:
    """Two seconds."""
    drawn = draw_film(seconds=2)
    path = write_film(drawn, tmp_path_factory.mktemp("film") / "short.mp4")
    return FilmFile(path, "short", CLIP, joints=True, picture=drawn.picture)


def test_nobody_is_asked_without_weights(film: FilmFile):
    """Without flags there is no opinion."""
    assert ask_judges(Judges(), film, MOUTH) is None


def test_syncnet_takes_its_checkpoint(film: FilmFile, tmp_path: Path):
    """Random weights in the layout of the published file: every name and shape is taken, an offset, a confidence and a distance come out."""
    state = torch.nn.ModuleDict(build_layers()).state_dict()
    assert state["netcnnlip.0.weight"].shape == (96, 3, 5, 7, 7)
    assert state["netcnnaud.18.weight"].shape == (512, 256, 5, 4)
    assert state["netfclip.3.weight"].shape == (1024, 512)
    torch.save(state, tmp_path / "syncnet.model")
    found = ask_judges(Judges(syncnet=tmp_path / "syncnet.model"), film, MOUTH)
    assert found is not None
    assert found.syncnet_offset is not None
    assert -15 <= found.syncnet_offset <= 15
    assert found.syncnet_confidence is not None
    assert found.syncnet_distance is not None
    assert found.syncnet_distance > 0


def test_mfcc_of_a_tone_lies_where_it_should():
    """A hundred a second; the energy is that of the samples; a higher tone has a lower second coefficient."""
    times = np.arange(16_000) / 16_000
    low, high = (
        compute_mfcc(np.sin(2 * np.pi * pitch * times).astype(np.float32)) for pitch in (300, 5000)
    )
    assert low.shape == (13, 99)
    assert np.isfinite(low).all()
    assert low[1].mean() > 0 > high[1].mean()
    quiet = compute_mfcc(0.1 * np.sin(2 * np.pi * 300 * times).astype(np.float32))
    assert (low[0] - quiet[0]).mean() == pytest.approx(np.log(100), abs=0.01)


@pytest.mark.parametrize("kind", ["dino", "clip"])
def test_likeness_by_a_folder_of_weights(kind: str, film: FilmFile, tmp_path: Path):
    """DINO's and CLIP's own layout, small and random: one cosine a clip, near one for a film of one face."""
    from transformers import CLIPConfig, CLIPModel, Dinov2Config, Dinov2Model

    tiny = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "image_size": 28}
    if kind == "dino":
        model = Dinov2Model(Dinov2Config(**tiny, patch_size=14))
    else:
        text = {
            "hidden_size": 16,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "vocab_size": 99,
        }
        vision = {**tiny, "patch_size": 14, "intermediate_size": 16}
        model = CLIPModel(CLIPConfig(text_config=text, vision_config=vision, projection_dim=8))
    model.save_pretrained(tmp_path)
    found = ask_judges(Judges(likeness=tmp_path), film, None)
    assert found is not None
    assert len(found.likeness) == 2
    assert all(0.5 < value <= 1.00001 for value in found.likeness)


def test_wrong_weights_are_one_line(film: FilmFile, tmp_path: Path):
    """A file of something else, a network of other names, an empty folder."""
    other = tmp_path / "other.model"
    other.write_bytes(b"nothing")
    with pytest.raises(BadWeights, match=r"other\.model"):
        ask_judges(Judges(syncnet=other), film, MOUTH)
    torch.save({"weight": torch.zeros(1)}, other)
    with pytest.raises(BadWeights, match=r"other\.model"):
        ask_judges(Judges(syncnet=other), film, MOUTH)
    (tmp_path / "empty").mkdir()
    with pytest.raises(BadWeights, match="empty"):
        ask_judges(Judges(likeness=tmp_path / "empty"), film, None)
