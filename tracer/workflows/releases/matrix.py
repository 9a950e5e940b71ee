"""matrix: models × releases × backends × formats, each a cell; what is answered already isn't asked again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product

from tracer.core.environment import BACKENDS
from tracer.core.formats import FORMATS, chosen
from tracer.core.matrix.cells import FAILED, Answer, Cell, CellTemplate, Matrix
from tracer.core.spec import parse_spec
from tracer.errors import SpecError, WorkerError
from tracer.progress import Progress
from tracer.records import JsonObject
from tracer.workflows.arguments import check_round_trip
from tracer.workflows.releases.cells import content, run_cell
from tracer.workflows.releases.resolving import NEWEST, resolve

# A cell's model is in a worker: what never leaves its process can't be compared from outside.
_LEAVING = tuple(name for name, way in FORMATS.items() if not way.live)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionOptions:
    """Where and how cells are run.

    Attributes:
        results: folder of the answers; None for one in the user's cache.
        redo: `none`, `failed` or `all`: what is asked again although it was answered.
        workers: cells at once on this machine; 0 for as many as it has room for.
        timeout: seconds for one cell on this machine.
        cluster: address of a Dask scheduler; None for this machine.
        progress: called with (what, cells done, cells in all).
    """

    results: str | None = None
    redo: str = "none"
    workers: int = 0
    timeout: float = 3600.0
    cluster: str | None = None
    progress: Progress | None = None


def matrix(
    models: Sequence[str],
    *,
    keras: Sequence[str] = (),
    backends: Sequence[str] = (),
    question: CellTemplate | None = None,
    running: ExecutionOptions | None = None,
) -> Matrix:
    """Ask the same of models in several environments.

    Args:
        models: specifications; a release or a backend in one is used where none is given here.
        keras: releases, see `tracer.workflows.releases.resolving.resolve`.
        backends: `tensorflow`, `jax`, `torch`.
        question: what is asked; a round trip as `.keras` by default.
        running: where and how.

    Raises:
        SpecError: if a model, release or backend can't be understood, or nothing is left to ask.
        WorkerError: if the registry, uv or the cluster can't be reached.
    """
    running = running or ExecutionOptions()
    cells = tuple(_cells(models, keras, backends, question or CellTemplate(), running.progress))
    if not cells:
        raise SpecError("nothing to ask: name a model, or a command with --run.")
    return run_cells(cells, running)


def run_cells(cells: Sequence[Cell], running: ExecutionOptions) -> Matrix:
    """The answers to cells: those on disk, and the others as they arrive."""
    from tracer.store import cells as store

    folder = running.results or default_results()
    answers = {
        i: found for i, cell in enumerate(cells) if (found := store.read(folder, cell)) and _keep(found, running)
    }
    missing, reused = [i for i in range(len(cells)) if i not in answers], len(answers)
    for place, result in _receive_answers([cells[i] for i in missing], running):
        index = missing[place]
        answer, report = _read(cells[index], result)
        store.write(folder, answer, report)
        answers[index] = answer
        if running.progress is not None:
            running.progress(f"{answer.cell.environment} {answer.outcome}", len(answers), len(cells))
    return Matrix(answers=tuple(answers[i] for i in range(len(cells))), reused=reused, results=folder)


def default_results() -> str:
    """A folder of the user's cache."""
    from tracer.envs.folders import cache_folder

    return str(cache_folder() / "cells")


def _keep(found: Answer, running: ExecutionOptions) -> bool:
    """An answer from another environment than its cell names isn't one, however it came to be written."""
    if found.mismatches:
        return False
    return running.redo == "none" or (running.redo == "failed" and found.outcome != FAILED)


def _receive_answers(
    cells: Sequence[Cell], running: ExecutionOptions
) -> Iterator[tuple[int, JsonObject | WorkerError]]:
    from tracer.envs import cluster, local

    tasks = [cell.to_dict() for cell in cells]
    if not tasks:
        return iter(())
    if running.progress is not None:
        running.progress(f"{len(tasks)} cells to do", 0, len(tasks))
    if running.cluster is not None:
        return cluster.run_all(tasks, run_cell, running.cluster)
    return local.run_all(tasks, workers=running.workers, timeout=running.timeout)


def _read(cell: Cell, result: JsonObject | WorkerError) -> tuple[Answer, JsonObject | None]:
    """The answer, and the report that came with it.

    Whoever answered may be an older tracer, on a cluster, which ran whatever was at hand and sent no report.
    """
    if isinstance(result, WorkerError):
        return Answer(cell=cell, outcome=FAILED, message=str(result)), None
    answer = Answer.from_dict(result)
    if not answer.mismatches:
        return answer, result.get("report")
    told = f"it was answered in another environment ({'; '.join(answer.mismatches)}): by another version of tracer?"
    return replace(answer, outcome=FAILED, message=told), None


# ---------------------------------------------------------------------- which cells


def _cells(
    models: Sequence[str],
    keras: Sequence[str],
    backends: Sequence[str],
    question: CellTemplate,
    progress: Progress | None,
) -> Iterator[Cell]:
    specs = [parse_spec(model) for model in models]
    given = resolve(keras, progress)
    if not specs and question.command is not None:  # it brings its own models
        yield from _cells_in("", given or resolve(["latest"], progress), backends or ["tensorflow"], question)
    for spec in specs:
        releases = given or resolve([spec.release or "latest"], progress)
        yield from _cells_in(spec.target, releases, backends or [spec.backend or "tensorflow"], question)


def _cells_in(model: str, releases: Sequence[str], backends: Sequence[str], question: CellTemplate) -> Iterator[Cell]:
    for release, backend in product(releases, backends):
        yield from cells_of(model, release, backend, question)


def cells_of(model: str, release: str, backend: str, question: CellTemplate) -> Iterator[Cell]:
    """The cells of one environment."""
    where = {"model": model, "release": release, "backend": _backend(backend)}
    _check_used(question)
    if question.command is not None:
        _check_command(question.command)
        asked = replace(question, formats=(), baseline=None, golden=None)
        yield Cell(**where, question=asked, content=content("", None, None))
        return
    baseline, golden = _baseline(model, question.baseline), _golden(model, question.golden)
    digest = content(model, question.inputs, baseline, golden)
    if golden is not None:
        yield Cell(**where, question=replace(question, formats=(), baseline=None, golden=golden), content=digest)
        return
    if baseline is not None:
        yield Cell(**where, question=replace(question, formats=(), baseline=baseline), content=digest)
        return
    check_round_trip(f"{model}@{release}")
    for format in chosen(question.formats or ("keras",), _LEAVING):
        yield Cell(**where, question=replace(question, formats=(format,)), content=digest)


def _check_used(question: CellTemplate) -> None:
    """What was recorded, or is done by a command, has inputs of its own: those that are given would be dropped."""
    asked = "a golden" if question.golden is not None else "a command" if question.command is not None else ""
    unused = {
        "--inputs": question.inputs is not None,
        "--batch": question.batch is not None,
        "--seed": question.seed != 0,
        "--training or --as-called": question.training is not False,
    }
    given = [option for option, is_given in unused.items() if is_given]
    if asked and given:
        raise SpecError(f"{asked} has its own inputs and way of calling: leave out {', '.join(given)}.")


def _check_command(command: str) -> None:
    """A shell ends with 0 when it is given nothing to do."""
    lines = [line.strip() for line in command.splitlines()]
    if not any(line and not line.startswith("#") for line in lines):
        raise SpecError(f"the command to run is empty: {command!r}. Name one that ends with 0 where all is good.")


def _backend(name: str) -> str:
    if name not in BACKENDS:
        raise SpecError(f"unknown backend {name!r}; choose one of {', '.join(BACKENDS)}.")
    return name


def _golden(model: str, text: str | None) -> str | None:
    """The file, which has to be there before hours of work, not after them."""
    if text is None:
        return None
    from tracer.store import fixtures, goldens

    path = goldens.find_golden(model, text)
    fixtures.read_golden(path)
    return str(path)


def _baseline(model: str, text: str | None) -> str | None:
    """A whole specification with a real release, so that an answer of last month isn't taken for one of today."""
    if text is None:
        return None
    looks_like_release = text[:1].isdigit() or text.partition("+")[0] in (*NEWEST, "")
    spec = parse_spec(f"{model}@{text}" if looks_like_release else text)
    if spec.release is None and spec.backend is None:
        raise SpecError(
            f"the baseline {text!r} names no environment: write a release behind it, such as {text}@latest."
        )
    (release,) = resolve([spec.release or "latest"])
    return f"{spec.target}@{release}+{spec.backend or 'tensorflow'}"
