"""README.md and the pages beside it: their commands parse, what they name is there."""

import importlib.util
import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.commands.parser import parse_command
from pipeline.commands.registry import VERBS
from pipeline.options.sources import gather_options
from tests.tree import draw_tree, replace_tree

ROOT = Path(__file__).parents[1]
PAGES = ["README.md", "CONTRIBUTING.md", "runs/README.md", "examples/README.md", "docs/cli.md"]
PAGES += [
    "docs/architecture.md",
    "docs/batch.md",
    "docs/cluster.md",
    "docs/figures.md",
    "docs/from-live-avatar.md",
    "docs/inspect.md",
    "docs/live.md",
    "docs/models.md",
    "docs/plan.md",
    "docs/reliability.md",
    "docs/redub.md",
    "docs/report.md",
    "docs/retake.md",
    "docs/script.md",
    "docs/speakers.md",
    "docs/watching.md",
    "docs/web.md",
    "README.zh.md",
]


def read(page: str) -> str:
    """The text of a page."""
    return (ROOT / page).read_text(encoding="utf-8")


def commands_of(page: str) -> Iterator[list[str]]:
    """Every command of a page's shell blocks and of its `code`, as words."""
    text = read(page)
    for block in re.findall(r"^```sh\n(.*?)^```", text, re.DOTALL | re.MULTILINE):
        for line in block.replace("\\\n", " ").splitlines():
            if words := shlex.split(line, comments=True):
                yield words
    prose = re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)
    for code in re.findall(r"`([^`\n]+)`", prose):
        words = code.split()
        if words[0] in {"longtake", "luigi", "make", "python"} and "…" not in code:
            yield words


COMMANDS = [(page, tuple(words)) for page in PAGES for words in commands_of(page)]


def check_longtake(words: list[str], folder: Path) -> None:
    """The verb is there and its flags are read, as on a real command line."""
    words = ["new" if word == "VERB" else word for word in words]
    if len(words) == 1:
        assert words[0] in {*VERBS, "--help", "--version"}
        return
    assert words[0] in VERBS or words[0].startswith("-"), words
    command = parse_command(words)
    assert not gather_options(command.given, {}, folder).notices, "a flag that does nothing here"


def check_luigi(words: list[str]) -> None:
    """Luigi's own parser knows the module, the task and every flag."""
    from luigi.cmdline_parser import CmdlineParser

    import tasks.film_batch  # noqa: F401 - this process had the package before it had Luigi

    if not words:  # the engine of that name
        return
    with CmdlineParser.global_instance(words) as parser:
        parser.get_task_obj()


def check_make(words: list[str]) -> None:
    """The Makefile has the target and reads the variable, whose value is a path, or a row or a part of the long suites."""
    targets = re.findall(r"^([a-z-]+):", read("Makefile"), re.MULTILINE)
    for word in words:
        name, equals, value = word.partition("=")
        assert f"$({name})" in read("Makefile") if equals else name in targets, word
        named = {"ROW": "rows", "PART": "soak"}.get(name)
        there = name == "WORKERS" or (named and f'"{value}": ' in read(f"tests/faults/{named}.py"))
        assert not equals or there or (ROOT / value).exists(), value


def check_python(words: list[str]) -> None:
    """The module is there, and its text names every flag; code that stands in the line compiles, and the examples that it takes are there."""
    if words[0] == "-c":
        compile(words[1], "a page", "exec")
        assert all((ROOT / word).exists() for word in words[2:] if word.startswith("examples/"))
        return
    assert words[0] == "-m", words
    found = importlib.util.find_spec(words[1])
    assert found is not None, words[1]
    source = Path(str(found.origin)).read_text(encoding="utf-8")
    for word in words[2:]:
        assert not word.startswith("--") or f'"{word}"' in source, word


def check_pip(words: list[str]) -> None:
    """What is installed is this folder with an extra that there is."""
    verb, name = words
    extras = tomllib.loads(read("pyproject.toml"))["project"]["optional-dependencies"]
    assert verb == "install"
    assert name in {f".[{extra}]" for extra in extras}


@pytest.mark.parametrize(
    ("page", "words"), COMMANDS, ids=[f"{page}: {' '.join(words)[:60]}" for page, words in COMMANDS]
)
def test_commands_exist(page: str, words: tuple[str, ...], tmp_path: Path):
    """Every command that a page shows parses: verbs, tasks, targets, modules and their flags are there."""
    program, *rest = [word for word in words if word != "time" and not word.startswith("LONGTAKE_")]
    if program == "longtake":
        check_longtake(rest, tmp_path)
    elif program == "luigi":
        check_luigi(rest)
    elif program == "make":
        check_make(rest)
    elif program == "python":
        check_python(rest)
    elif program == "pip":
        check_pip(rest)
    else:
        assert program in {".", "head", "luigid"}, f"{page}: {program}"


def test_a_wrong_command_would_be_seen(tmp_path: Path):
    """The checks above fail on a flag, a verb, a task, a target and a module that are not there."""
    from luigi.task_register import TaskClassException

    from storage.errors import BadInput

    for words in (["resume", "runs/x", "--faster"], ["stat", "runs/x"]):
        with pytest.raises((BadInput, AssertionError)):
            check_longtake(words, tmp_path)
    with pytest.raises((TaskClassException, SystemExit)):
        check_luigi(["--module", "tasks", "LongFilm", "--local-scheduler"])
    with pytest.raises(AssertionError):
        check_make(["film"])
    with pytest.raises(AssertionError):
        check_python(["-m", "model.pocket.training.evaluate", "--fast"])


@pytest.mark.parametrize("page", [*PAGES, "docs/LOG.md", "CHANGELOG.md"])
def test_links_lead_somewhere(page: str):
    """Every link and picture of a page that is no address is a file."""
    links = re.findall(r"\]\(([^)#]+)", read(page))
    missing = [
        to for to in links if "://" not in to and not (ROOT / page).parent.joinpath(to).exists()
    ]
    assert not missing


# Files of other programs.
FOREIGN = {"batch_eval.py", "comfy/latent_formats.py"}
SOURCES = [
    f"/{path.relative_to(ROOT)}"
    for top in ["pipeline", "tasks", "storage", "model", "tests"]
    for path in (ROOT / top).rglob("*.py")
]
DECISIONS = [f"docs/adr/{path.name}" for path in (ROOT / "docs/adr").glob("*.md")]


@pytest.mark.parametrize("page", [*PAGES, *DECISIONS])
def test_files_that_are_named_are_there(page: str):
    """Every file of examples/ that a page names is in the repository, and every `file.py`, by its path or the end of it."""
    named = set(re.findall(r"examples/[\w.-]+\.\w+", read(page)))
    assert not [name for name in named if not (ROOT / name).is_file()]
    code = set(re.findall(r"`([\w./]+\.py)`", read(page))) - FOREIGN
    assert not [name for name in code if not any(path.endswith(f"/{name}") for path in SOURCES)]


def test_the_tree_is_the_tree():
    """The tree of docs/architecture.md has every module of the four rooms and its sentence as they are now; `python -m tests.tree` writes it."""
    page = read("docs/architecture.md")
    assert replace_tree(page, draw_tree()) == page


def test_exit_codes_are_those_of_the_errors():
    """The README's table has every exit code of the error tree, and no other but 0."""
    from storage import errors

    kinds = [each for each in vars(errors).values() if isinstance(each, type)]
    table = read("README.md").split("### Exit codes")[1].split("\n\n")[1]
    told = {
        int(n)
        for row in re.findall(r"^\| ([\d, ]+) \|", table, re.MULTILINE)
        for n in row.split(",")
    }
    assert told == {0} | {
        kind.exit_code for kind in kinds if issubclass(kind, errors.LongtakeError)
    }


def test_the_settings_that_are_shown_are_read(tmp_path: Path):
    """LONGTAKE_AHEAD and `ahead` in longtake.toml, as the README has them, say what --ahead says."""
    (tmp_path / "longtake.toml").write_text("ahead = 3\n")
    assert "LONGTAKE_AHEAD=3" in read("README.md")
    assert gather_options([], {"LONGTAKE_AHEAD": "3"}, tmp_path).fields["ahead"] == 3
    assert gather_options([], {}, tmp_path).fields["ahead"] == 3


def test_changelog_has_this_version():
    """The newest heading with a number is the version of pyproject.toml."""
    version = tomllib.loads(read("pyproject.toml"))["project"]["version"]
    newest = re.search(r"^## (\d\S+)", read("CHANGELOG.md"), re.MULTILINE)
    assert newest is not None
    assert newest[1] == version


def blocks_of(page: str) -> list[tuple[str, list[str]]]:
    """Each block of code of a page by its kind, as words of its lines, without comments and blanks; drawings are none."""
    found = re.findall(r"^```(sh|python)\n(.*?)^```", read(page), re.DOTALL | re.MULTILINE)
    lines = ((kind, re.sub(r"#.*", "", block).split()) for kind, block in found)
    return list(lines)


def test_the_chinese_readme_has_the_same_commands_in_the_same_order():
    assert blocks_of("README.zh.md") == blocks_of("README.md")


def test_the_chinese_readme_has_the_same_exit_codes_and_names_pages_that_are_there():
    def codes(page: str) -> list[str]:
        return re.findall(r"^\| ([0-9, ]+) \|", read(page), re.MULTILINE)

    assert codes("README.zh.md") == codes("README.md")
    links = re.findall(r"\]\(([^)#]+)\)", read("README.zh.md"))
    assert [link for link in links if not (ROOT / link).exists()] == []
