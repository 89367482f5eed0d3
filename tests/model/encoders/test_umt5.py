"""The prompt encoder: a prompt is cleaned, cut and padded as the reference does it, and a file that is not right is told."""

import json
import pickle
import re
import shutil
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

from model.encoders.umt5 import (
    TEXT_LEN,
    TOKENIZER_FILE,
    TextEncoder,
    build_encoder,
    clean_prompt,
    read_sizes,
    read_tokenizer,
)
from model.weights.checkpoint import TEXT, TOKENIZER
from storage.errors import ModelError, OtherWeights, WeightsDamaged, WeightsMissing

GOLDEN = Path(__file__).parents[2] / "data" / "parity" / "umt5_mapping"
WORDS = ["▁a", "▁presenter", "▁in", "▁studio", "▁", "."]
END = 1


@pytest.fixture(autouse=True)
def _one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def write_tokenizer(folder: Path, words: list[str]) -> None:
    """A small tokenizer of the published kind: unigrams, NFKC, bytes for what it does not know, an end of sequence."""
    pieces = ["<pad>", "</s>", "<unk>", *(f"<0x{i:02X}>" for i in range(256)), *words]
    scores = [(piece, -float(i)) for i, piece in enumerate(pieces)]
    tokenizer = Tokenizer(models.Unigram(scores, unk_id=2, byte_fallback=True))
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="$A </s>", special_tokens=[("</s>", END)]
    )
    tokenizer.enable_padding(length=20)
    folder.mkdir(parents=True)
    tokenizer.save(str(folder / TOKENIZER_FILE))


@pytest.fixture(scope="module")
def weights() -> dict[str, torch.Tensor]:
    tensors = load_file(GOLDEN.with_suffix(".safetensors"))
    return {k.removeprefix("weights."): v for k, v in tensors.items() if k[:8] == "weights."}


@pytest.fixture(scope="module")
def published(weights, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder like the published one, small and with random weights."""
    folder = tmp_path_factory.mktemp("text")
    torch.save(weights, folder / TEXT)
    write_tokenizer(folder / TOKENIZER, WORDS)
    return folder


@pytest.fixture(scope="module")
def encoder(published: Path) -> TextEncoder:
    return TextEncoder.read(published, torch.float32)


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ("  A presenter\n\tin a   studio. ", "A presenter in a studio."),
        ("tea &amp; cake", "tea & cake"),
        ("tea &amp;amp; cake", "tea & cake"),
        ("tea &amp;lt;b&amp;gt;", "tea <b>"),
        ("&nbsp;a&nbsp;&nbsp;b", "a b"),
        ("", ""),
        ("画面", "画面"),
    ],
)
def test_a_prompt_is_cleaned(given: str, read: str):
    """Entities are undone twice, runs of white space (also the one that an entity stood for) are one space, and none is at the ends."""
    assert clean_prompt(given) == read


def test_text_is_repaired_where_ftfy_is(monkeypatch: pytest.MonkeyPatch):
    """With ftfy text of a wrong encoding is put right; without it the prompt is taken as it stands."""
    pytest.importorskip("ftfy")
    assert clean_prompt("cafÃ©，“a”") == 'café,"a"'
    monkeypatch.setitem(sys.modules, "ftfy", None)
    assert clean_prompt("cafÃ©，“a”") == "cafÃ©，“a”"


def test_the_tokenizer_does_what_its_file_says(published: Path):
    """Ids end with the end of sequence and are not padded; what no word covers becomes its bytes, as before transformers 5."""
    tokenizer = read_tokenizer(published / TOKENIZER)
    word = {word: 259 + i for i, word in enumerate(WORDS)}
    ids = tokenizer.encode("a presenter in a studio.").ids
    assert ids == [
        *(word[f"▁{each}"] for each in ["a", "presenter", "in", "a", "studio"]),
        word["."],
        END,
    ]
    rare = [3 + byte for byte in "鿕".encode()]
    assert tokenizer.encode("鿕").ids == [word["▁"], *rare, END]
    assert tokenizer.encode("").ids == [END]


def test_states_end_where_the_prompt_ends(encoder: TextEncoder):
    """The array has text_len rows; those after the prompt's last token are zeros, and a space more changes nothing."""
    made = encoder.encode_text("a presenter in a studio.")
    assert made.shape == (TEXT_LEN, encoder.model.sizes.dim)
    assert made.dtype == np.float32
    assert made[:7].any(1).all()
    assert not made[7:].any()
    assert (encoder.encode_text("  a presenter \n in a studio. ") == made).all()


def test_a_long_prompt_keeps_its_end_of_sequence(encoder: TextEncoder, published: Path):
    """What is longer than text_len tokens is cut before the end of sequence, which stays."""
    prompt = "a studio " * TEXT_LEN
    ids = read_tokenizer(published / TOKENIZER).encode(prompt).ids
    assert len(ids) == TEXT_LEN
    assert ids[-1] == END
    assert encoder.encode_text(prompt).any(1).all()


def make_stock(weights: Mapping[str, torch.Tensor]) -> Any:
    """transformers' UMT5EncoderModel with these weights, which it calls otherwise."""
    from transformers import UMT5Config, UMT5EncoderModel

    sizes, names = read_sizes(weights), {
        "token_embedding": "shared",
        "norm": "encoder.final_layer_norm",
        "norm1": "layer.0.layer_norm",
        "norm2": "layer.1.layer_norm",
        "pos_embedding.embedding": "layer.0.SelfAttention.relative_attention_bias",
        "ffn.gate.0": "layer.1.DenseReluDense.wi_0",
        "ffn.fc1": "layer.1.DenseReluDense.wi_1",
        "ffn.fc2": "layer.1.DenseReluDense.wo",
        **{f"attn.{each}": f"layer.0.SelfAttention.{each}" for each in "qkvo"},
    }  # fmt: skip

    def rename(name: str) -> str:
        block, part = re.fullmatch(r"(?:blocks\.(\d+)\.)?(.+)\.weight", name).groups()  # type: ignore[union-attr]
        return f"encoder.block.{block}.{names[part]}.weight" if block else f"{names[part]}.weight"

    model = UMT5EncoderModel(
        UMT5Config(
            vocab_size=sizes.words,
            d_model=sizes.dim,
            d_kv=sizes.inner // sizes.heads,
            d_ff=sizes.ffn_dim,
            num_heads=sizes.heads,
            num_layers=sizes.layers,
            relative_attention_num_buckets=sizes.buckets,
        )
    ).eval()
    state = {rename(name): held.clone() for name, held in weights.items()}
    model.load_state_dict(state | {"encoder.embed_tokens.weight": state["shared.weight"]})
    return model


def test_states_are_those_of_stock(encoder: TextEncoder, weights: dict[str, torch.Tensor]):
    """Of a prompt of three tokens and of the longest: also where distances are longer than any that has a bucket of its own. The reference pads and masks first, which gives the same."""
    stock = make_stock(weights)
    for prompt in ("a.", "a presenter in a studio. " * 99):
        ids = torch.tensor(encoder.tokenize(prompt)[:TEXT_LEN])
        padded = torch.zeros(1, TEXT_LEN, dtype=torch.long)
        padded[0, : len(ids)] = ids
        mask = (torch.arange(TEXT_LEN) < len(ids)).long()[None]
        with torch.inference_mode():
            whole = stock(input_ids=padded, attention_mask=mask).last_hidden_state[0]
        assert torch.allclose(encoder.states(ids), whole[: len(ids)], atol=1e-5)
    assert len(ids) == TEXT_LEN


def test_no_tensor_is_copied(weights: dict[str, torch.Tensor]):
    """The module holds the very tensors of the file, none of them twice."""
    model = build_encoder(weights, TEXT)
    named = dict(model.named_parameters())
    assert {held.data_ptr() for held in named.values()} == {t.data_ptr() for t in weights.values()}
    assert not [name for name, held in named.items() if held.is_meta or held.requires_grad]


def test_the_published_precision_is_near(encoder: TextEncoder, published: Path):
    """In bfloat16, as published, the states are float32 arrays near those of float32."""
    prompt = "a presenter in a studio."
    made = TextEncoder.read(published, torch.bfloat16).encode_text(prompt)
    truth = encoder.encode_text(prompt)
    assert made.dtype == np.float32
    assert 1e-4 < np.linalg.norm(made - truth) / np.linalg.norm(truth) < 0.05


@pytest.fixture
def folder(published: Path, tmp_path: Path) -> Path:
    """A copy, to be spoilt."""
    return Path(shutil.copytree(published, tmp_path / "there"))


def cut(file: Path) -> None:
    data = file.read_bytes()
    file.write_bytes(data[: len(data) * 2 // 3])


def repacked(file: Path) -> None:
    """An archive that lacks what torch writes beside the tensors."""
    with zipfile.ZipFile(file) as whole:
        records = {name: whole.read(name) for name in whole.namelist()}
    with zipfile.ZipFile(file, "w") as part:
        for name, data in records.items():
            if not name.endswith("/version"):
                part.writestr(name, data)


class Mischief:
    """What a pickle can do when it is opened."""

    def __reduce__(self) -> Any:
        return exec, ("raise SystemExit('run')",)


def armed(file: Path) -> None:
    torch.save({"token_embedding.weight": Mischief()}, file)


def pickled(file: Path) -> None:
    file.write_bytes(pickle.dumps({"token_embedding.weight": [0.0]}))


def edited(file: Path, **change: torch.Tensor | None) -> None:
    state = torch.load(file, weights_only=True) | {
        k.replace("__", "."): v for k, v in change.items()
    }
    torch.save({name: held for name, held in state.items() if held is not None}, file)


def lacking(file: Path) -> None:
    edited(file, blocks__1__attn__q__weight=None)


def empty(file: Path) -> None:
    torch.save({}, file)


def longer(file: Path) -> None:
    edited(file, decoder__weight=torch.zeros(1))


def narrower(file: Path) -> None:
    edited(file, norm__weight=torch.zeros(3))


@pytest.mark.parametrize(
    ("spoil", "name", "kind", "said"),
    [
        (Path.unlink, TEXT, WeightsMissing, TEXT),
        (cut, TEXT, WeightsDamaged, TEXT),
        (repacked, TEXT, WeightsDamaged, TEXT),
        (armed, TEXT, WeightsDamaged, TEXT),
        (pickled, TEXT, WeightsDamaged, TEXT),
        (lacking, TEXT, OtherWeights, "blocks.1.attn.q.weight is missing"),
        (empty, TEXT, OtherWeights, "token_embedding.weight is missing"),
        (longer, TEXT, OtherWeights, "decoder.weight is unknown"),
        (narrower, TEXT, OtherWeights, "norm.weight is [3] and not"),
        (Path.unlink, f"{TOKENIZER}/{TOKENIZER_FILE}", WeightsMissing, TOKENIZER_FILE),
        (cut, f"{TOKENIZER}/{TOKENIZER_FILE}", WeightsDamaged, TOKENIZER_FILE),
    ],
)
def test_a_file_that_is_not_right_is_told(spoil, name, kind, said, folder):
    """Missing, torn, armed and another model's files each raise their own error, which names the file; nothing in them is run."""
    spoil(folder / name)
    with pytest.raises(ModelError) as raised:
        TextEncoder.read(folder, torch.float32)
    assert type(raised.value) is kind
    assert said in str(raised.value)
    assert str(folder) in str(raised.value)


def test_a_tokenizer_of_another_model_is_told(published: Path, tmp_path: Path):
    """One that knows more words than the encoder has would ask for rows that are not there."""
    shutil.copy(published / TEXT, tmp_path)
    write_tokenizer(tmp_path / TOKENIZER, [f"▁{i}" for i in range(100)])
    with pytest.raises(OtherWeights, match="359 words, the encoder 300"):
        TextEncoder.read(tmp_path, torch.float32)


def test_the_golden_sizes_are_read_from_the_tensors(weights: dict[str, torch.Tensor]):
    """No configuration is needed: the shapes tell it."""
    told = json.loads(GOLDEN.with_suffix(".json").read_text())["config"]
    sizes = build_encoder(weights, TEXT).sizes
    assert (sizes.words, sizes.dim, sizes.inner) == (told["vocab"], told["dim"], told["dim_attn"])
    assert (sizes.heads, sizes.layers) == (told["num_heads"], told["num_layers"])
