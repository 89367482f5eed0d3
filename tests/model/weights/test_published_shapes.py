"""The table of names and shapes against the modules themselves."""

from math import prod

import pytest
from accelerate import init_empty_weights

from model.s2v.config import S2VConfig
from model.s2v.transformer import S2VTransformer
from model.tools.make_checkpoint import TINY
from model.weights import published_shapes


@pytest.mark.parametrize(
    "told",
    [
        published_shapes.PUBLISHED,
        TINY.transformer,
        {**TINY.transformer, "cond_dim": 0, "enable_framepack": False},
        {**TINY.transformer, "num_audio_token": 2, "audio_inject_layers": [1]},
    ],
    ids=["published", "tiny", "without pose and past", "other sound"],
)
def test_the_table_is_the_transformer(told: dict):
    """S2VTransformer has these names and shapes, all and no others, in every configuration."""
    config = published_shapes.build_config(told)
    with init_empty_weights():
        module = S2VTransformer(S2VConfig(**config))
    assert published_shapes.transformer_shapes(config) == {
        name: tuple(weight.shape) for name, weight in module.state_dict().items()
    }


def test_the_published_count():
    """1260 tensors and 16 295 755 609 numbers; 896 tensors of LoRA."""
    whole = published_shapes.transformer_shapes(
        published_shapes.build_config(published_shapes.PUBLISHED)
    )
    assert len(whole) == 1260
    assert sum(map(prod, whole.values())) == 16_295_755_609
    assert len(published_shapes.lora_shapes(whole, published_shapes.RANK)) == 896


def test_what_config_json_leaves_out_is_as_published():
    """The published file does not say text_dim or patch_size."""
    config = published_shapes.build_config(
        {name: published_shapes.PUBLISHED[name] for name in published_shapes.REQUIRED_KEYS}
    )
    assert config["text_dim"] == 4096
    assert config["patch_size"] == (1, 2, 2)


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({"dim": None}, "dim is None"),
        ({"num_heads": 7}, "not divisible"),
        ({"model_type": "t2v"}, "model_type is 't2v' and not 's2v'"),
        ({"enable_motioner": True}, "enable_motioner is True"),
        ({"audio_inject_layers": [0, 9]}, r"names \[9\] of 3 layers"),
        ({"audio_inject_layers": "all"}, "audio_inject_layers is 'all'"),
    ],
)
def test_other_configurations_are_refused(said: dict, why: str):
    """A switch that the transformer does not have, and sizes that cannot be, are named."""
    with pytest.raises(ValueError, match=why):
        published_shapes.build_config({**TINY.transformer, **said})


def test_all_that_is_wrong_is_said():
    """Two faults, one message."""
    with pytest.raises(ValueError, match=r"it does not say dim.*it does not say num_layers"):
        published_shapes.build_config({"ffn_dim": 8, "num_heads": 1})
