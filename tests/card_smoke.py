"""What is run on a card before an issue with training or kernels is called mended: make card-smoke, or python tests/card_smoke.py [ROW …]; --list names the rows.

Each stage of the training, tiny but compiled, and the tests of what only a card computes. A row takes what those before it left, so that all run in
one folder. Prints one table; `--cpu` tries the list itself where there is no card.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
SMOKE = "--smoke --minutes .05"
ROWS = {
    "kernels": "-m pytest -q tests/model/ops/test_fused_triton.py tests/model/kv/test_quantized_kv_triton.py tests/model/vae/test_wan_decoder_triton.py tests/model/vae/test_conv3d_hopper.py tests/model/sampling/test_layer_graphs.py tests/model/sampling/test_joined_blocks.py",
    "dataset": "-m model.pocket.training.dataset --hours .02 --seed 3 --out {0}/sound.npz",
    "warping": f"-m model.pocket.training.train_warping {SMOKE} --out {{0}}/warping",
    "hearing": "-m model.pocket.training.train_hearing --batch 4 --minutes .05 --sound {0}/sound.npz --rare {0}/sound.npz --out {0}/zero",
    "avatar": f"-m model.pocket.training.train_avatar {SMOKE} --sound {{0}}/sound.npz {{0}}/sound.npz --init {{0}}/zero/avatar.safetensors --out {{0}}/one",
    "further": f"-m model.pocket.training.train_avatar {SMOKE} --sound {{0}}/sound.npz --init {{0}}/one/avatar.safetensors --out {{0}}/two",
    "weights": "-m model.tools.make_checkpoint --out {0}/large",
    "ranks": "-m pytest -q -m slow tests/faults/test_ranks_on_cards.py",
    "layers": "-m model.tools.make_checkpoint --out {0}/layers --size 14b --text-size tiny --layers 8",
    "errors": "-m model.tools.precision_errors --weights {0}/layers --clips 3",
    "film": "-m pipeline new examples/mila.png examples/harbour.wav --model live-avatar --weights {0}/large --size 64*64 --num-clip 2 --run {0}/run",
}


def run(name: str, folder: str) -> tuple[int, float]:
    """A row's exit code and seconds; what it says goes to the terminal."""
    words = ROWS[name].format(folder).split()
    began = time.monotonic()
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    ended = subprocess.run(
        [sys.executable, *words], cwd=ROOT, env={**os.environ, "PYTHONPATH": path}, check=False
    )
    return ended.returncode, time.monotonic() - began


def main() -> int:
    """Run the rows, one after the other; 1 if any failed, 2 without a card."""
    import torch

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rows", nargs="*", metavar="ROW")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--cpu", action="store_true")
    parser.add_argument(
        "--folder", help="where the rows leave what they made; else a temporary one"
    )
    asked = parser.parse_args()
    if unknown := sorted({*asked.rows} - {*ROWS}):
        parser.error(f"no row {unknown[0]!r}: there are {', '.join(ROWS)}")
    if asked.list:
        print("\n".join(f"{name:8} python {words}" for name, words in ROWS.items()))
        return 0
    if not (asked.cpu or torch.cuda.is_available()):
        print("No card that torch can use: --cpu tries the list without one.")
        return 2
    with tempfile.TemporaryDirectory() as temporary:
        folder = asked.folder or temporary
        came = {name: run(name, folder) for name in asked.rows or ROWS}
    where = torch.cuda.get_device_name() if torch.cuda.is_available() else "CPU"
    print(f"torch {torch.__version__}, {where}")
    for name, (code, seconds) in came.items():
        print(f"{name:8} {'passed' if code == 0 else f'FAILED ({code})':12} {seconds:6.1f} s")
    return int(any(code for code, _ in came.values()))


if __name__ == "__main__":
    sys.exit(main())
