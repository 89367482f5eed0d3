"""What is told of memory."""

import subprocess
import sys

CODE = "from tasks.host_memory import host_bytes_peak; print(host_bytes_peak())"


def test_the_peak_is_this_program_s() -> None:
    """Not that of the one that started it, however large."""
    large = bytearray(400 << 20)
    large[:: 1 << 12] = b"x" * len(large[:: 1 << 12])
    told = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True)
    assert 4 << 20 < int(told.stdout) < 200 << 20
