"""The house in figures: `python tests/house.py` prints each beside its bound, and ends with 1 where one is beyond."""

from __future__ import annotations

import ast
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from radon.complexity import cc_visit

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = tuple(sorted(ROOT.glob("tracer/**/*.py")))
TESTS = tuple(sorted(ROOT.glob("tests/**/*.py")))
BENCHMARKS = tuple(sorted(ROOT.glob("benchmarks/**/*.py")))


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One measured property of the code.

    Attributes:
        name: in words.
        value: measured.
        bound: what it may be at most, or at least; None for what is only told.
        at_least: whether `bound` is a lower bound.
        worst: the places that weigh most, with their own value.
    """

    name: str
    value: float
    bound: float | None
    at_least: bool = False
    worst: tuple[str, ...] = ()

    @property
    def holds(self) -> bool:
        """Whether the value keeps within its bound."""
        if self.bound is None:
            return True
        return self.value >= self.bound if self.at_least else self.value <= self.bound


def figures() -> tuple[Figure, ...]:
    """All figures of the code as it stands: of the package, and of what goes with it."""
    lines = sum(map(count_lines, PACKAGE))
    folders = _ranked((count, name_of(folder)) for folder, count in Counter(p.parent for p in PACKAGE).items())
    anys = _ranked((_count_any(path), name_of(path)) for path in PACKAGE)
    skips = _ranked((path.read_text(encoding="utf-8").count("# fmt: skip"), name_of(path)) for path in PACKAGE)
    return (
        Figure(name="`Any` per 1,000 lines", value=_total(anys) / lines * 1000, bound=15, worst=_worst(anys)),
        *figures_of_sizes("", PACKAGE, complexity=(8, 12)),
        Figure(name="files side by side, most", value=folders[0][0], bound=12, worst=_worst(folders)),
        Figure(name="`fmt: skip`, in all", value=_total(skips), bound=5, worst=_worst(skips)),
        Figure(
            name="lines of tests per line of code", value=sum(map(count_lines, TESTS)) / lines, bound=1, at_least=True
        ),
        *figures_of_sizes("tests: ", TESTS, complexity=(8, None)),
        *figures_of_sizes("benchmarks: ", BENCHMARKS, complexity=(None, None)),
    )


def figures_of_sizes(
    whose: str, files: Sequence[Path], complexity: tuple[float | None, float | None]
) -> Iterator[Figure]:
    """How large and how complex functions and files are; what goes with the package may be more complex than it is."""
    numbers, bodies = _ranked(_complexities(files)), _ranked(_bodies(files))
    sizes = _ranked((count_lines(path), name_of(path)) for path in files)
    name, usual, most = f"{whose}cyclomatic complexity", *complexity
    yield Figure(name=f"{name}, 95th percentile", value=_percentile(numbers), bound=usual)
    yield Figure(name=f"{name}, largest", value=numbers[0][0], bound=most, worst=_worst(numbers))
    name = f"{whose}lines of a function's body"
    yield Figure(name=f"{name}, 95th percentile", value=_percentile(bodies), bound=20)
    yield Figure(name=f"{name}, largest", value=bodies[0][0], bound=40, worst=_worst(bodies))
    yield Figure(name=f"{whose}lines of a file, largest", value=sizes[0][0], bound=350, worst=_worst(sizes))


def name_of(path: Path) -> str:
    """A path as one reads it from the repository's root."""
    return str(path.relative_to(ROOT))


def count_lines(path: Path) -> int:
    """All lines of a file."""
    return len(path.read_text(encoding="utf-8").splitlines())


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Every function and method of a file."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return (node for node in ast.walk(tree) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)))


def body_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of a function's body, without its signature and its docstring."""
    body = function.body[1:] if ast.get_docstring(function, clean=False) is not None else function.body
    return (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0


def _bodies(files: Sequence[Path]) -> Iterator[tuple[float, str]]:
    for path in files:
        yield from ((body_lines(function), f"{name_of(path)}:{function.name}") for function in functions(path))


def _complexities(files: Sequence[Path]) -> Iterator[tuple[float, str]]:
    """McCabe's number of every function, with one for each `and`, `or` and comprehension."""
    for path in files:
        for block in cc_visit(path.read_text(encoding="utf-8")):
            if block.letter in "FM":
                for each in (block, *getattr(block, "closures", ())):
                    yield each.complexity, f"{name_of(path)}:{each.name}"


def _count_any(path: Path) -> int:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return sum(isinstance(node, ast.Name) and node.id == "Any" for node in ast.walk(tree))


def _ranked(values: Iterator[tuple[float, str]]) -> list[tuple[float, str]]:
    return sorted(values, reverse=True)


def _total(ranked: Sequence[tuple[float, str]]) -> float:
    return sum(value for value, _ in ranked)


def _percentile(ranked: Sequence[tuple[float, str]]) -> float:
    return ranked[len(ranked) // 20][0]


def _worst(ranked: Sequence[tuple[float, str]]) -> tuple[str, ...]:
    return tuple(f"{name} {value:g}" for value, name in ranked[:3] if value)


def main() -> int:
    """Print every figure; returns the exit code."""
    found = figures()
    for figure in found:
        relation = "" if figure.bound is None else f", at {'least' if figure.at_least else 'most'} {figure.bound:g}"
        print(f"{'ok ' if figure.holds else 'BAD'} {figure.name}: {figure.value:.4g}{relation}")
        if figure.worst:
            print(f"      {', '.join(figure.worst)}")
    return int(not all(figure.holds for figure in found))


if __name__ == "__main__":
    sys.exit(main())
