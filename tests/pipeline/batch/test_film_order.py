"""What is sent to another machine about a film."""

from pathlib import Path

import pytest

from pipeline.batch.film_order import FilmOrder, films_environment


def test_environment_has_settings_and_no_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings of films go along; locks and what lets somebody in do not."""
    for name in ("LONGTAKE_AHEAD", "LONGTAKE_LOCKS", "LONGTAKE_PARENT", "LONGTAKE_WEB_TOKEN", "X"):
        monkeypatch.setenv(name, "3")
    told = films_environment()
    assert {name for name in told if name.startswith("LONGTAKE_")} == {"LONGTAKE_AHEAD"}
    assert "X" not in told


def test_log_lies_beside_the_run(tmp_path: Path) -> None:
    """By the run's name; its last line of longtake's own is the reason."""
    order = FilmOrder("films.csv:2", str(tmp_path / "tea"), ("new",))
    assert order.last_line() == ""
    order.prepare_log().write_text("[INFO] x\nlongtake: It failed.\nmore\n", encoding="utf-8")
    assert order.log == tmp_path / ".batch/tea.txt"
    assert order.last_line() == "It failed."
