"""The table of what each rank takes of its card."""

import sys

import pytest

from model.tools.rank_memory import main


def rows(words: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> list[list[str]]:  # fmt: skip
    monkeypatch.setattr(sys, "argv", ["rank_memory", *words.split()])
    main()
    lines = capsys.readouterr().out.splitlines()[2:]
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines]


def test_a_rank_is_a_row_in_each_way(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As docs/multi_gpu.md has them; one rank has one way, and by heads go only numbers that `new` takes."""
    four = rows("--gpus 4 --fp8", monkeypatch, capsys)
    assert [row[0] for row in four] == ["steps"] * 4 + ["layers"] * 4 + ["heads"] * 4
    assert [row[-1] for row in four[::4]] == ["33.3", "20.3", "31.7"]
    assert [row[0] for row in rows("--gpus 1", monkeypatch, capsys)] == ["one"]
    ways = {row[0] for row in rows("--gpus 2 --size 688*368", monkeypatch, capsys)}
    assert ways == {"steps", "layers"}  # 989 tokens


@pytest.mark.parametrize("ranks", ["0", "-1", "41"])
def test_ranks_that_cannot_be_are_one_line(
    ranks: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """And no table is begun."""
    with pytest.raises(SystemExit) as ended:
        rows(f"--gpus={ranks}", monkeypatch, capsys)
    told = capsys.readouterr()
    assert ended.value.code == 2
    assert f"--gpus {ranks}" in told.err.splitlines()[-1]
    assert not told.out
