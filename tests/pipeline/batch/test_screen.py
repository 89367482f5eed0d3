"""A batch as people see it, line by line."""

from pipeline.batch.batch import BatchFilm
from pipeline.batch.screen import BatchLines


def test_film_of_another_command() -> None:
    """It is told as made there, and not as made here in no time."""
    lines: list[str] = []
    screen = BatchLines(lines.append)
    films = [BatchFilm(f"films.csv:{number}", f"runs/{number}", "waiting") for number in (2, 3)]
    screen.add_films(films)
    for film, seconds in zip(films, (61.0, 0.0), strict=True):
        screen.add_end(BatchFilm(film.place, film.run, "made", seconds=seconds))
    assert lines == [
        "[PROGRESS] 50.0% (1/2) - films.csv:2 made: in 61 s",
        "[PROGRESS] 100.0% (2/2) - films.csv:3 made: by another command",
    ]
