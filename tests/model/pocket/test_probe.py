"""The hash of a fixed computation is another wherever a film's bytes are others, and nowhere else."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
from torch import nn

from model import loader
from model.avatar import DeviceConfig, Options
from model.pocket.avatar import PocketAvatar
from model.sampling.probe import hash_bits

ROOT = Path(__file__).parents[3]
OPTIONS = Options(64, 64, 12, 1)
REFUSED = "refused", "refused"
FILM = """
import hashlib, sys
import numpy as np
from model import loader
from model.avatar import AudioWindow, DeviceConfig, Options
from pipeline.bench.knobs import place_face

width, height, frames, steps, threads = map(int, sys.argv[1:])
pocket = loader.load_model("pocket", Options(width, height, frames, steps), DeviceConfig(threads))
draw, traits = np.random.default_rng(1), pocket.traits
span = traits.clip_frames * traits.samples_per_frame + 2 * traits.audio_margin
picture = draw.integers(0, 256, (height, width, 3), dtype=np.uint8)
inputs = pocket.encode_inputs(picture, "", place_face(width, height))
features = pocket.extract_audio(AudioWindow(draw.normal(0, 0.1, span).astype(np.float32)))
denoiser, decoder = pocket.denoiser(inputs, 420), pocket.decoder(inputs)
film = hashlib.sha256(features.tobytes() + inputs["still"].tobytes())
for _ in range(2):
    made = denoiser.denoise(features).latents
    film.update(made.tobytes() + decoder.decode(made).tobytes())
print(film.hexdigest(), pocket.numerics["probe"], pocket.numerics["precision"])
"""


@cache
def compute(size: tuple[int, ...], **variables: str) -> tuple[str, str]:
    """Hashes of a film, and of the probe with the precision, in a process with these variables: width, height, frames, steps, threads. REFUSED where it computes no numbers."""
    words = [sys.executable, "-c", FILM, *map(str, size)]
    said = subprocess.run(
        words,
        cwd=ROOT,
        env={**os.environ, **variables},
        check=False,
        capture_output=True,
        text=True,
    )
    # On a busy machine OMP_DYNAMIC gives fewer threads than a library has shared its work out to.
    if "WrongPrecision: The machine computes wrongly" in said.stderr:
        return REFUSED
    assert said.returncode == 0, said.stderr
    film, probe = said.stdout.strip().split(" ", 1)
    return film, probe


@pytest.fixture(scope="module")
def pocket() -> PocketAvatar:
    made: PocketAvatar = loader.load_model("pocket", OPTIONS, DeviceConfig())
    return made


def test_it_is_the_same_at_every_start(pocket: PocketAvatar) -> None:
    """Of another object, after other work, and in another process."""
    again = loader.load_model("pocket", OPTIONS, DeviceConfig())
    assert again.numerics == pocket.numerics
    assert hash_bits(pocket._compute()) == pocket.numerics["probe"]
    told = f"{pocket.numerics['probe']} {pocket.numerics['precision']}"
    assert compute((64, 64, 12, 1, 1))[1] == told


PARTS: dict[str, Callable[[PocketAvatar], nn.Module]] = {
    "ear": lambda pocket: pocket._audio_encoder.blocks[0].time,
    "picture": lambda pocket: pocket._network.look_middle[0],
    "rest": lambda pocket: pocket._network.rest[0],
    "curves": lambda pocket: pocket._network.tell[0],
    "decoder": lambda pocket: pocket._network.grow,
    "modulation": lambda pocket: pocket._network.finest.modulate,
    "fields": lambda pocket: pocket._network.fields_out,
    "planes": lambda pocket: pocket._transformer.cond_encoder,
    "patches": lambda pocket: pocket._transformer.patch_embedding,
    "attention": lambda pocket: pocket._transformer.blocks[0].self_attn.q,
    "motion": lambda pocket: pocket._transformer.frame_packer.proj_2x,
    "injector": lambda pocket: pocket._transformer.audio_injector.injector[0].v,
    "head": lambda pocket: pocket._transformer.head.head,
}


def test_every_part_is_asked(pocket: PocketAvatar) -> None:
    """One layer that computes otherwise gives another hash."""
    before = pocket.numerics["probe"]
    for name, part in PARTS.items():
        layer = part(pocket)
        held = layer.weight.data
        layer.weight.data = held * 1.01
        assert hash_bits(pocket._compute()) != before, name
        layer.weight.data = held
    assert hash_bits(pocket._compute()) == before


def test_it_takes_no_time(pocket: PocketAvatar) -> None:
    """At the film's own size a fraction of a second of the processor: .08 s where nothing else runs."""
    whole: PocketAvatar = loader.load_model("pocket", Options(), DeviceConfig())
    began = time.process_time()
    hash_bits(whole._compute())
    assert time.process_time() - began < 0.4


def test_other_kernels_are_found(pocket: PocketAvatar) -> None:
    """With the plainest kernels of torch the film is another, and so is the hash."""
    size = (64, 64, 12, 1, 1)
    film, probe = compute(size, ATEN_CPU_CAPABILITY="default")
    assert probe.split()[0] != pocket.numerics["probe"]
    assert film != compute(size)[0]


VARIABLES = {
    "ATEN_CPU_CAPABILITY": ("default", "avx2"),
    "DNNL_DEFAULT_FPMATH_MODE": ("BF16",),
    "ONEDNN_DEFAULT_FPMATH_MODE": ("BF16", "ANY"),
    "ONEDNN_MAX_CPU_ISA": ("SSE41", "AVX2", "AVX512_CORE", "AVX512_CORE_VNNI", "AVX512_CORE_BF16"),
    "ONEDNN_CPU_ISA_HINTS": ("PREFER_YMM",),
    "MKL_CBWR": ("COMPATIBLE", "AVX2", "AVX512", "AUTO,STRICT"),
    "MKL_ENABLE_INSTRUCTIONS": ("SSE4_2", "AVX2", "AVX512"),
    "MKL_NUM_THREADS": ("2",),
    "OMP_NUM_THREADS": ("1", "4"),
    "OMP_DYNAMIC": ("TRUE",),
    "NPY_DISABLE_CPU_FEATURES": ("X86_V3 X86_V4 AVX512_ICL AVX512_SPR",),
    "GLIBC_TUNABLES": ("glibc.cpu.hwcaps=-AVX2,-FMA,-AVX512F",),
}


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize(("width", "height"), [(64, 64), (96, 160), (256, 256), (384, 216)])
def test_whatever_changes_a_film_changes_it(width: int, height: int, threads: int) -> None:
    """For every variable that is known to choose kernels: where the film's bytes are others, the hash is; where they are not, it mostly is not either."""
    size = (width, height // 16 * 16, 12, 2, threads)
    film, probe = compute(size)
    rows = [(name, value) for name, values in VARIABLES.items() for value in values]
    came = {row: compute(size, **{row[0]: row[1]}) for row in rows}
    missed = [row for row, (other, hashed) in came.items() if other != film and hashed == probe]
    idle = [row for row, (other, hashed) in came.items() if other == film and hashed != probe]
    print(f"{width}x{height}, {threads} threads: missed {missed}, told for nothing {idle}")
    changed = [row for row, (other, _) in came.items() if other != film]
    assert not missed
    assert len(changed) >= len(idle)
