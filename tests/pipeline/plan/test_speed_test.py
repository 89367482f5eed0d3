"""The speed of a machine, measured; here the processor stands for its card."""

from importlib.util import find_spec
from pathlib import Path

import pytest

from model.avatar import DeviceConfig
from model.estimates import MachineSpeed
from pipeline.plan import speed_test
from pipeline.plan.machine import data_sheet_speed
from pipeline.plan.speed_test import (
    find_local_gpu,
    has_compiled_kernels,
    large_files,
    measure_read_rate,
    measure_speed,
)


def test_all_speeds_are_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    """Products, copies and the smallest pieces of work, of any device; of reading, the usual one where no weights are named."""
    monkeypatch.setattr(speed_test, "LIBRARIES", ("wave",))
    speed = measure_speed("cpu", side=64, size=1 << 12)
    assert 0 < speed.relative < 1
    assert speed.link > 0
    assert speed.launch > 0
    assert speed.reading == MachineSpeed().reading
    assert speed.libraries > 0
    assert measure_speed("cpu", side=64, size=1 << 12) is speed


def test_what_is_imported_is_there() -> None:
    """Else the time of a failure would be told."""
    for name in speed_test.LIBRARIES:
        assert find_spec(name) is not None, name


def test_reading_is_measured_on_the_weights_themselves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pieces of the large files only, as many of each as it is large; of a folder that is not there, nothing."""
    monkeypatch.setattr(speed_test, "LARGE_FILE_BYTES", 1 << 20)
    monkeypatch.setattr(speed_test, "PIECE", 1 << 16)
    (tmp_path / "parts").mkdir()
    for name, size in (("a.safetensors", 3 << 20), ("parts/b.pth", 1 << 20), ("c.pth", 9)):
        (tmp_path / name).write_bytes(bytes(size))
    (tmp_path / "long.txt").write_bytes(bytes(2 << 20))
    files = large_files(str(tmp_path))
    assert [path.name for path in files] == ["a.safetensors", "b.pth"]
    read: list[tuple[str, int]] = []
    kept = speed_test._read_piece

    def told(piece: tuple[Path, int]) -> int:
        read.append((piece[0].name, piece[1]))
        return kept(piece)

    monkeypatch.setattr(speed_test, "_read_piece", told)
    assert 1e6 < measure_read_rate(files) < 1e12
    assert sum(name == "a.safetensors" for name, _ in read) == 48
    assert sum(name == "b.pth" for name, _ in read) == 16
    assert max(at for _, at in read) < 3 << 20
    assert large_files(str(tmp_path / "no")) == large_files("") == []


def test_kernels_of_another_film(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lie where Triton keeps them."""
    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path / "kept"))
    assert not has_compiled_kernels()
    (tmp_path / "kept").mkdir()
    assert has_compiled_kernels()


def test_a_processor_is_no_card() -> None:
    """Asked for by name, too."""
    assert find_local_gpu(DeviceConfig(device="cpu")) is None


def test_known_cards_have_a_speed_unmeasured() -> None:
    """By the name that the driver gives."""
    known = data_sheet_speed("NVIDIA GeForce RTX 4090")
    assert known is not None
    assert 0.1 < known.relative < 0.2
    assert data_sheet_speed("NVIDIA B300") is None
