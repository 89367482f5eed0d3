"""Folders that are gone afterwards: whoever is killed over one, the next command sweeps it, and nothing else."""

import os
import signal
import stat
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

import pytest

from storage.errors import BadInput, NotWritable
from storage.scratch import hold_marker, private_folder, scratch_folder, sweep_scratch

ROOT = Path(__file__).parents[2]
HOLD = """
import sys, time
from pathlib import Path
from storage.scratch import hold_marker, scratch_folder
with scratch_folder(Path(sys.argv[1]), "work") as folder, hold_marker(Path(sys.argv[1], "mark")):
    (folder / "deep").mkdir()
    (folder / "deep" / "file").write_text("half")
    print(folder, flush=True)
    time.sleep(60)
"""


def holding(parent: Path) -> "subprocess.Popen[str]":
    """A process that holds a scratch folder there, and a mark."""
    words = [sys.executable, "-c", HOLD, str(parent)]
    return subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, text=True)


def test_a_folder_is_private_and_gone_afterwards(tmp_path: Path) -> None:
    """Mode 0700, with the name of what it is for; also where the work fails."""
    with suppress(ArithmeticError), scratch_folder(tmp_path, "plan") as folder:
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert folder.name.startswith(".longtake-plan.")
        raise ArithmeticError
    assert not list(tmp_path.iterdir())


def test_what_a_killed_process_left_is_swept_and_a_living_ones_is_not(tmp_path: Path) -> None:
    """At once, and only the dead one's; the mark says that its work was cut short."""
    with holding(tmp_path) as process:
        assert process.stdout is not None
        held = Path(process.stdout.readline().strip())
        with scratch_folder(tmp_path, "other"):
            assert sweep_scratch(tmp_path) == 0
        assert (held / "deep" / "file").exists()
        with (
            pytest.raises(BadInput, match="Another process works in"),
            hold_marker(tmp_path / "mark"),
        ):
            pass
        process.send_signal(signal.SIGKILL)
    with hold_marker(tmp_path / "mark") as cut_short:
        assert cut_short
    with scratch_folder(tmp_path, "next"):
        assert not held.exists()
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("mine", ["", "mine", "longtake\nmine"])
def test_a_mark_of_somebodys_stays(tmp_path: Path, mine: str) -> None:
    """Refused with its name, as it was."""
    (tmp_path / "mark").write_text(mine)
    with pytest.raises(BadInput, match="mark is there"), hold_marker(tmp_path / "mark"):
        pass
    assert (tmp_path / "mark").read_text() == mine


def test_what_only_has_such_a_name_stays(tmp_path: Path) -> None:
    """A folder of somebody's, a file, a link to a folder elsewhere, one that is not locked yet."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "lock").write_text("")
    place = tmp_path / "place"
    (place / ".longtake-plan.mine").mkdir(parents=True)
    (place / ".longtake-plan.file").write_text("mine")
    (place / ".longtake-plan.link").symlink_to(elsewhere)
    (place / ".longtake-new.begun").mkdir()
    (place / ".longtake-new.begun" / "lock").write_text("")
    (place / ".longtake-plan.trap").mkdir()
    (place / ".longtake-plan.trap" / "lock").symlink_to(elsewhere / "lock")
    (place / ".longtake-plan.somebodys").mkdir()
    (place / ".longtake-plan.somebodys" / "lock").write_text("mine")
    before = sorted(place.rglob("*"))
    assert sweep_scratch(place) == 0
    assert sorted(place.rglob("*")) == before
    assert (elsewhere / "lock").exists()
    assert sweep_scratch(tmp_path / "nowhere") == 0


def test_the_private_folder_is_nobody_elses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Made for the user alone; one that is open is closed; a link or a file of its name is refused with the way out."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    folder = private_folder()
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    folder.chmod(0o777)
    assert stat.S_IMODE(private_folder().stat().st_mode) == 0o700
    folder.rmdir()
    folder.symlink_to(tmp_path)
    with pytest.raises(NotWritable, match="set TMPDIR"):
        private_folder()
    folder.unlink()
    if os.getuid() == 0:
        folder.mkdir()
        os.chown(folder, 12345, 12345)
        with pytest.raises(NotWritable, match="set TMPDIR"):
            private_folder()
