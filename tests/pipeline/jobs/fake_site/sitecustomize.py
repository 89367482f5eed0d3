"""On PYTHONPATH: every Python below has the fake model, without being told."""

import sys
from pathlib import Path

# The root first: tests/ has folders of the same names as the packages.
_ROOT = Path(__file__).parents[4]
sys.path += [str(_ROOT), str(_ROOT / "tests")]

import fake_avatar  # noqa: E402

fake_avatar.install()
