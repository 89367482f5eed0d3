"""The house in figures: circles of files, names, lengths, repeated lines; with --walk a real film up to its first step.

    python tests/house.py            every figure that can be read off the files
    python tests/house.py --check    the same, held against LEVELS; part of make check
    python tests/house.py --walk     own hops from cli.main to the first `velocity`, and own functions run before it

What is counted:
* An import counts where it stands, also inside of a function; under `if TYPE_CHECKING:` it does not, as it never runs.
* `imports in functions`: those of ours or of the standard library, outside of the commands, that would make their module
  load no library of HEAVY at the top which it does not load yet: nothing holds them where they are.
* A one-word function is one without an underscore inside of its name: `make`, `_make`. Magic methods are not counted.
  `names` counts functions alone: a method's class says the rest (`Records.commit`). `names_all` counts methods, too.
* Repeated lines are those in six or more lines that stand somewhere else as well, blanks and comments left out.
"""

import ast
import inspect
import os
import shutil
import sys
import tempfile
import threading
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles

ROOT = Path(__file__).parents[1]
ROOMS = ("pipeline", "tasks", "storage", "model")
OURS = tuple(f"{ROOT / room}/" for room in ROOMS)
# What the product does not need to run: it lies apart, and its lines are not the product's.
APART = ("model/tools/", "model/pocket/training/", "pipeline/bench/")
COMMANDS = ("pipeline/commands/",)
HEAVY = {
    *(
        "torch",
        "obstore",
        "diffusers",
        "transformers",
        "accelerate",
        "safetensors",
        "tokenizers",
        "triton",
    ),
    *("numpy", "scipy", "zarr", "av", "PIL", "matplotlib", "luigi", "rich", "structlog"),
    *("requests", "websockets", "redis", "sqlalchemy", "prometheus_client", "pynvml", "gradio"),
}
"""What is imported where it is used: it takes time."""
REPEATED = 6
# A ratchet: a figure may be lower, never higher. Whoever lowers one writes the new one down.
LEVELS = {
    "circles": 0,
    "files in circles": 0,
    "imports in functions": 0,
    "names %": 7,
    "names_all %": 27,
    "docstrings that need another": 0,
    "function median": 8,
    "function p90": 20,
    "function max": 60,
    "file max": 400,
    "repeated lines %": 1,
}


@dataclass(frozen=True)
class File:
    """A module of ours."""

    path: str
    text: str
    tree: ast.Module

    @property
    def name(self) -> str:
        """Its dotted name; a package's is that of its folder."""
        return self.path.removesuffix(".py").replace("/", ".").removesuffix(".__init__")

    @property
    def lines(self) -> list[str]:
        """Its lines."""
        return self.text.splitlines()


@dataclass(frozen=True)
class Function:
    """A function or a method, and what of."""

    name: str
    room: str
    length: int
    method: bool

    @property
    def magic(self) -> bool:
        """True for `__init__` and its like."""
        return self.name.startswith("__")

    @property
    def one_word(self) -> bool:
        """True if its name is one word."""
        return "_" not in self.name.strip("_")


def read_files() -> list[File]:
    """Every module of the four rooms."""
    paths = (path for room in ROOMS for path in sorted((ROOT / room).rglob("*.py")))
    texts = ((path, path.read_text(encoding="utf-8")) for path in paths)
    return [File(str(path.relative_to(ROOT)), text, ast.parse(text)) for path, text in texts]


# Imports and circles


def walk_imports(node: ast.AST, inside: bool = False) -> Iterator[tuple[ast.stmt, bool]]:
    """Each import statement that may run, and whether it stands in a function."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import | ast.ImportFrom):
            yield child, inside
        elif isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            yield from walk_imports(ast.Module(child.orelse, []), inside)
        else:
            yield from walk_imports(child, inside or isinstance(child, ast.FunctionDef))


def imported_names(node: ast.stmt) -> Iterator[str]:
    """The dotted names that a statement may stand for, the longest first of each."""
    if isinstance(node, ast.Import):
        yield from (each.name for each in node.names)
    elif isinstance(node, ast.ImportFrom) and node.module:
        yield from (f"{node.module}.{each.name}" for each in node.names)


def own_module(name: str, known: Iterable[str]) -> str | None:
    """The module of ours that a dotted name leads to; None for somebody else's."""
    while name and name not in known:
        name = name.rpartition(".")[0]
    return name or None


def import_graph(files: list[File]) -> dict[str, set[str]]:
    """The modules of ours that each imports."""
    known = {file.name for file in files}
    graph: dict[str, set[str]] = {name: set() for name in known}
    for file in files:
        for node, _ in walk_imports(file.tree):
            found = {own_module(name, known) for name in imported_names(node)}
            graph[file.name] |= {name for name in found if name} - {file.name}
    return graph


def find_circles(graph: dict[str, set[str]]) -> list[set[str]]:
    """Modules that lead to each other, the largest circle first (Kosaraju's two passes)."""
    order: list[str] = []
    back: dict[str, set[str]] = defaultdict(set)
    for name, others in graph.items():
        for other in others:
            back[other].add(name)
    seen: set[str] = set()
    for name in graph:
        order += leave_in_order(graph, name, seen)
    seen, circles = set(), []
    for name in reversed(order):
        circles.append(set(leave_in_order(back, name, seen)))
    return sorted((each for each in circles if len(each) > 1), key=len, reverse=True)


def leave_in_order(graph: dict[str, set[str]], start: str, seen: set[str]) -> list[str]:
    """What can be reached from a module and was not seen yet, in the order in which a walk in depth leaves it."""
    if start in seen:
        return []
    seen.add(start)
    left, stack = [], [(start, iter(sorted(graph[start])))]
    while stack:
        _, rest = stack[-1]
        for other in rest:
            if other not in seen:
                seen.add(other)
                stack.append((other, iter(sorted(graph[other]))))
                break
        else:
            left.append(stack.pop()[0])
    return left


def heavy_loads(files: list[File]) -> dict[str, set[str]]:
    """The libraries of HEAVY that importing each of our modules loads, by itself or by what it imports at the top."""
    known = {file.name: file for file in files}
    heavy: dict[str, set[str]] = {}
    ours: dict[str, set[str]] = {}
    for name, file in known.items():
        nodes = [node for node, inside in walk_imports(file.tree) if not inside]
        names = [each for node in nodes for each in imported_names(node)]
        heavy[name] = {each.partition(".")[0] for each in names} & HEAVY
        found = {own_module(each, known) for each in names} | parents_of(name, known)
        ours[name] = {each for each in found if each}
    return {name: set().union(*(heavy[each] for each in reached(name, ours))) for name in known}


def reached(start: str, ours: dict[str, set[str]]) -> set[str]:
    """A module and all that it imports in turn. Each is walked from anew: what is found on the way through a circle is not the whole of it."""
    seen, left = {start}, [start]
    while left:
        more = ours[left.pop()] - seen
        seen |= more
        left += more
    return seen


def parents_of(name: str, known: Iterable[str]) -> set[str]:
    """The packages that a module lies in: importing it imports them."""
    parts = name.split(".")
    return {".".join(parts[:n]) for n in range(1, len(parts))} & set(known)


def inner_imports(files: list[File]) -> Iterator[str]:
    """Imports inside of functions that could as well stand at the top."""
    known, loads = {file.name for file in files}, heavy_loads(files)
    for file in files:
        if file.path.startswith((*COMMANDS, *APART)):
            continue
        for node, inside in walk_imports(file.tree):
            for name in imported_names(node) if inside else ():
                ours = own_module(name, known)
                brings = (
                    loads[ours] | set().union(*(loads[each] for each in parents_of(ours, known)))
                    if ours
                    else set()
                )
                light = brings <= loads[file.name]
                if light and (ours or name.partition(".")[0] in sys.stdlib_module_names):
                    yield f"{file.path}:{node.lineno}: {name}"


# Names, lengths, docstrings, repeated lines


def read_functions(file: File) -> Iterator[Function]:
    """Every function of a file, nested ones too."""
    methods = {
        id(each)
        for node in ast.walk(file.tree)
        if isinstance(node, ast.ClassDef)
        for each in node.body
    }
    for node in ast.walk(file.tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            yield Function(node.name, file.path.partition("/")[0], length, id(node) in methods)


def one_word_share(functions: Iterable[Function]) -> float:
    """Percent of these whose name is one word; magic methods are not counted."""
    several = [each for each in functions if not each.magic]
    return 100 * sum(each.one_word for each in several) / max(1, len(several))


def leaning_docstrings(files: list[File]) -> Iterator[str]:
    """Docstrings that cannot be read alone, by how they begin."""
    kinds = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
    for file in files:
        for node in ast.walk(file.tree):
            if isinstance(node, kinds) and (ast.get_docstring(node) or "").startswith(
                ("Of ", "The same")
            ):
                yield f"{file.path}:{node.lineno}: {node.name}"


def repeated_lines(files: list[File]) -> tuple[int, int]:
    """Lines that stand in two places with five of their neighbours, and all lines."""
    places: dict[tuple[str, ...], list[tuple[str, int]]] = defaultdict(list)
    total = 0
    for file in files:
        lines = [
            (n, line.strip())
            for n, line in enumerate(file.lines)
            if line.strip()[:1] not in {"", "#"}
        ]
        total += len(lines)
        for at in range(len(lines) - REPEATED + 1):
            several = lines[at : at + REPEATED]
            places[tuple(line for _, line in several)] += [(file.path, n) for n, _ in several]
    again = {place for found in places.values() if len(found) > REPEATED for place in found}
    return len(again), total


def measure(files: list[File]) -> dict[str, float]:
    """Every figure that can be read off the files."""
    circles = find_circles(import_graph(files))
    functions = [each for file in files for each in read_functions(file)]
    lengths = [each.length for each in functions]
    again, total = repeated_lines(files)
    return {
        "circles": len(circles),
        "files in circles": sum(map(len, circles)),
        "imports in functions": len(list(inner_imports(files))),
        "names %": one_word_share(each for each in functions if not each.method),
        "names_all %": one_word_share(functions),
        **{
            f"names_all % of {room}": one_word_share(
                each for each in functions if each.room == room
            )
            for room in ROOMS
        },
        "docstrings that need another": len(list(leaning_docstrings(files))),
        "function median": median(lengths),
        "function p90": quantiles(lengths, n=10)[-1],
        "function max": max(lengths),
        "file max": max(len(file.lines) for file in files),
        "repeated lines %": 100 * again / total,
        "lines of the product": sum(
            len(file.lines) for file in files if not file.path.startswith(APART)
        ),
        "lines apart": sum(len(file.lines) for file in files if file.path.startswith(APART)),
    }


# The walk


def walk(folder: str) -> None:
    """Make a film up to the first `velocity`, print the hops to it and what has run, and end the process."""
    sys.path.insert(0, str(ROOT))
    from pipeline.cli import main

    ran: set[tuple[str, str]] = set()
    probed: set[tuple[str, str]] = set()
    last = threading.main_thread().ident or 0

    def look(frame, event, _):
        code = frame.f_code
        if event != "call" or not code.co_filename.startswith(OURS) or code.co_name[0] == "<":
            return
        # Not the body of a class, which runs while its file is imported.
        if not code.co_flags & inspect.CO_OPTIMIZED:
            return
        name = (code.co_filename, code.co_qualname)
        if name not in ran or name in probed:
            probing = any(hop.endswith(":compute_probe") for hop in own_hops(frame))
            (probed.add if probing else probed.discard)(name)
        ran.add(name)
        # A probe of the machine goes through the model, too, and is not the film.
        if code.co_name in {"velocity", "_velocity"} and "probe" not in str(own_hops(frame)):
            sys.setprofile(None)
            stacks = [
                sys._current_frames()[last],
                *([frame] if threading.get_ident() != last else []),
            ]
            hops = [hop for stack in stacks for hop in own_hops(stack)]
            print(f"{len(hops)} own hops:", *hops, sep="\n  ")
            print(
                f"{len(ran)} own functions in {len({path for path, _ in ran})} files before the first step"
            )
            rooms = Counter(Path(path).relative_to(ROOT).parts[0] for path, _ in ran)
            print("  ", ", ".join(f"{room} {rooms[room]}" for room in ROOMS), end="; ")
            print(f"{len(probed)} of these only while the machine is probed")
            sys.stdout.flush()
            shutil.rmtree(folder, ignore_errors=True)
            os._exit(0)

    threading.setprofile(look)
    sys.setprofile(look)
    film = ["examples/mila.png", "examples/harbour.wav", "--size=64*64", "--sample-steps=1"]
    sys.exit(main(["new", *film, "--infer-frames=12", "--num-clip=1", f"--run={folder}/run"]))


def own_hops(frame) -> list[str]:
    """The functions of ours on a stack, the outermost first; cli.main is where the walk begins."""
    hops: list[str] = []
    while frame is not None:
        code = frame.f_code
        if code.co_filename.startswith(OURS) and code.co_name[0] != "<":
            hops.append(f"{Path(code.co_filename).relative_to(ROOT)}:{code.co_qualname}")
        frame = frame.f_back
    return hops[::-1]


def show_details(files: list[File]) -> None:
    """The circles, and the words that functions share."""
    for circle in find_circles(import_graph(files)):
        print(f"circle of {len(circle)}:", *sorted(circle))
    several = Counter(each.name for file in files for each in read_functions(file) if each.one_word)
    print("most used:", *(f"{name} {count}" for name, count in several.most_common(12)))


def main() -> int:
    """Print the figures; with --check 1 where one is above its level."""
    if "--walk" in sys.argv:
        with tempfile.TemporaryDirectory() as folder:
            walk(folder)
    files = read_files()
    figures = measure(files)
    missed = 0
    for name, value in figures.items():
        above = name in LEVELS and round(value, 1) > LEVELS[name]
        missed += above
        level = f"  ≤ {LEVELS[name]}{'  MISSED' if above else ''}" if name in LEVELS else ""
        print(f"{name:32}{value:>10.4g}{level}")
    if "--check" not in sys.argv:
        show_details(files)
    return int("--check" in sys.argv and missed > 0)


if __name__ == "__main__":
    sys.exit(main())
