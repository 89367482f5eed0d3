"""What a card's driver says, and that nothing is said where there is none. On a card: python -m model.tools.gpu."""

import subprocess
import sys
from collections import namedtuple
from pathlib import Path

import pytest

from model.device import nvml

ROOT = Path(__file__).parents[3]
WITHOUT = "import sys; sys.modules['pynvml'] = None; "
"""What Python does with a package that is not installed: importing it raises ImportError."""


@pytest.fixture
def _bare() -> None:
    """The library, and no driver behind it."""
    pynvml = pytest.importorskip("pynvml")
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return
    pytest.skip("this machine has a driver")


@pytest.mark.usefixtures("_bare")
def test_without_a_driver_there_is_no_reading():
    """The library's own fault is no fault of ours; who asks for the cards hears its name."""
    import pynvml

    assert nvml.read_gpu("GPU-0000") is None
    with pytest.raises(pynvml.NVMLError_LibraryNotFound):
        nvml.list_gpus()


@pytest.mark.usefixtures("_bare")
def test_the_tool_says_why_there_is_nothing_to_ask():
    """One line, and code 1."""
    said = python("from model.tools.gpu import main; sys.exit(main())", "import sys; ")
    assert (said.returncode, said.stdout) == (
        1,
        "no card can be asked: NVML Shared Library Not Found\n",
    )


def test_without_the_library_there_is_no_reading():
    """The extra is not installed: None, and the tool says how to install it."""
    code = "from model.device import nvml; print(nvml.read_gpu('GPU-0000')); from model.tools.gpu import main; sys.exit(main())"
    said = python(code, WITHOUT)
    assert said.returncode == 1
    assert said.stdout.splitlines()[0] == "None"
    assert "pip install nvidia-ml-py" in said.stdout


def python(code: str, before: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-c", before + code], cwd=ROOT, capture_output=True, text=True, check=False
    )


def test_what_a_card_does_not_tell_is_left_out():
    """A slice of a card has no load of its own."""
    reading = nvml.GpuReading("A card", 3, 8, None, None)
    assert reading.facts == {"card": "A card", "used": 3, "total": 8}


def test_on_a_card_the_reading_is_plausible():
    """Where there is a card: its name, its memory, a temperature above that of ice."""
    pynvml = pytest.importorskip("pynvml")
    try:
        uuid = nvml.list_gpus()[0]
    except (pynvml.NVMLError, IndexError):
        pytest.skip("this machine has no card")
    reading = nvml.read_gpu(uuid)
    assert reading is not None
    assert reading.used is not None
    assert reading.total is not None
    assert 0 < reading.used <= reading.total
    assert reading.temperature is None or 0 < reading.temperature < 120
    assert reading.load is None or 0 <= reading.load <= 100


def test_the_bytes_of_each_process_are_summed_over_the_cards(monkeypatch: pytest.MonkeyPatch):
    """Two processes on two cards; the driver does not know what the third has."""
    pynvml = pytest.importorskip("pynvml")
    Process = namedtuple("Process", "pid usedGpuMemory")
    there = {"a": [Process(7, 100), Process(8, 30), Process(9, None)], "b": [Process(7, 20)]}
    monkeypatch.setattr(nvml, "list_gpus", lambda: ["a", "b"])
    monkeypatch.setattr(nvml, "_open_handle", lambda uuid: uuid)
    monkeypatch.setattr(pynvml, "nvmlDeviceGetComputeRunningProcesses", there.__getitem__)
    assert nvml.read_processes() == {7: 120, 8: 30}


@pytest.mark.usefixtures("_bare")
def test_without_a_driver_no_process_has_any():
    """Nothing, and no fault."""
    assert nvml.read_processes() == {}
