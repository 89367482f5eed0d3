"""How zarr ends with the process."""

import subprocess
import sys
from pathlib import Path

from tests.waiting import LONG

BUSY = """
import sys, time
from pathlib import Path
import numpy as np
from zarr.core import sync
from storage.array_layout import ArrayLayout
from storage.zarr_store import create_array
create_array(Path(sys.argv[1]), ArrayLayout((1, 4), (1, 4), "float32"))[0] = 1
sync.loop[0].call_soon_threadsafe(time.sleep, 1)
"""


def test_a_busy_machine_gets_no_traceback_at_the_end(tmp_path: Path) -> None:
    """Zarr gives its loop .2 s to end, and closes it although it runs."""
    words = [sys.executable, "-c", BUSY, str(tmp_path / "array")]
    done = subprocess.run(words, check=False, capture_output=True, timeout=LONG)
    assert (done.returncode, done.stderr) == (0, b"")
