"""matrix and bisect: the same question in many releases."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from tracer import console
from tracer.cli.options import (
    MODEL,
    AsCalled,
    Batch,
    CustomObjects,
    Inputs,
    JsonFile,
    Seed,
    Tensorflow,
    Training,
    With,
    packages,
    training_argument,
)
from tracer.cli.output import check_target
from tracer.cli.spreading import spread
from tracer.core.outcomes import ending

_EACH = "Repeat for several, or separate them by commas."
if TYPE_CHECKING:
    from tracer.core.matrix.bisection import Bisection
    from tracer.core.matrix.cells import Question
    from tracer.progress import Progress
    from tracer.workflows.releases.matrix import Matrix, Running

Keras = Annotated[
    list[str] | None,
    typer.Option("--keras", metavar="R,R", help="Releases: 3.4.1, latest, nightly, minors, all, 3.4.0..3.8.0."),
]
Backends = Annotated[
    list[str] | None, typer.Option("--backend", metavar="B", help=f"Backend: tensorflow, jax or torch. {_EACH}")
]
FormatList = Annotated[
    list[str] | None,
    typer.Option("--format", metavar="F", help=f"Save format: keras, h5, weights, … or all. {_EACH}"),
]
Baseline = Annotated[
    str | None,
    typer.Option("--baseline", metavar="REF", help="Compare with this instead: RELEASE, RELEASE+BACKEND or a model."),
]
Golden = Annotated[
    str | None,
    typer.Option(
        "--golden", metavar="FILE", help="Check against a golden instead: its file, its folder, or `shipped`."
    ),
]
Run = Annotated[
    str | None,
    typer.Option(
        "--run", metavar="CMD", help="Run a command instead; its exit code means: 0 good, 125 can't tell, others bad."
    ),
]
Results = Annotated[str | None, typer.Option("--results", metavar="DIR", help="Folder where results are kept.")]
Redo = Annotated[
    str, typer.Option("--redo", metavar="WHAT", help="Kept results to compute again: none, failed or all.")
]
Cluster = Annotated[
    str | None, typer.Option("--cluster", metavar="tcp://…", help="Dask scheduler to run the cells on.")
]
Workers = Annotated[int, typer.Option("--workers", min=0, help="Cells to run at once; 0: as many as fit this machine.")]
Timeout = Annotated[float, typer.Option("--timeout", metavar="S", help="Most seconds for one cell.")]
Target = Annotated[str | None, typer.Option(metavar="FILE", help="Also write the table to this file; - for stdout.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What is asked in every environment, as options."""

    formats: FormatList = None
    baseline: Baseline = None
    golden: Golden = None
    run: Run = None
    with_packages: With = None
    tensorflow: Tensorflow = None
    inputs: Inputs = None
    seed: Seed = 0
    batch: Batch = None
    training: Training = False
    as_called: AsCalled = False
    custom_objects: CustomObjects = None


@spread
def matrix(
    models: Annotated[list[str] | None, typer.Argument(metavar="[MODEL]...", help=MODEL)] = None,
    keras: Keras = None,
    backend: Backends = None,
    asked: Asked = ...,  # type: ignore[assignment]
    json_file: JsonFile = None,
    html: Target = None,
    markdown: Target = None,
    results: Results = None,
    redo: Redo = "none",
    workers: Workers = 0,
    timeout: Timeout = 3600.0,
    cluster: Cluster = None,
) -> None:
    """Run the same comparison in many environments.

    Each cell of the table is a round trip, a diff (--baseline), a check (--golden) or a command (--run).
    """
    targets = {"json": json_file, "html": html, "markdown": markdown}
    _check_targets(targets)
    question = _question(asked)
    with console.work() as progress:
        from tracer.workflows.releases import matrix as workflow

        running = _running(results, redo, workers, timeout, cluster, progress)
        found = workflow.matrix(
            models or [], keras=_listed(keras), backends=_listed(backend), question=question, running=running
        )
    _deliver_matrix(found, targets)


@spread
def bisect(
    model: Annotated[str, typer.Argument(metavar="[MODEL]", help=MODEL)] = "",
    good: Annotated[str, typer.Option("--good", metavar="R", help="Release that is right.")] = ...,  # type: ignore[assignment]
    bad: Annotated[str, typer.Option("--bad", metavar="R", help="Release that is wrong.")] = ...,  # type: ignore[assignment]
    asked: Asked = ...,  # type: ignore[assignment]
    layer: Annotated[str | None, typer.Option("--layer", metavar="PATH", help="Only faults of this layer.")] = None,
    vary: Annotated[str, typer.Option("--vary", metavar="WHAT", help="What varies: keras or a backend.")] = "keras",
    keras: Annotated[str | None, typer.Option("--keras", metavar="R", help="Keras, when a backend varies.")] = None,
    backend: Annotated[str | None, typer.Option("--backend", metavar="B", help="Backend of the model.")] = None,
    pre: Annotated[bool, typer.Option("--pre", help="Include pre-releases.")] = False,
    json_file: JsonFile = None,
    results: Results = None,
    redo: Redo = "none",
    timeout: Timeout = 3600.0,
    cluster: Cluster = None,
) -> None:
    """Find the release, layer and cause of a change.

    The change made the model worse (--good is older) or better (--bad is older). The backend stays the same.
    """
    _check_targets({"json": json_file})
    question = _question(asked)
    with console.work() as progress:
        from tracer.workflows.releases import bisecting as workflow

        within = workflow.Range(good=good, bad=bad, vary=vary, keras=keras, backend=backend, pre=pre, layer=layer)
        running = _running(results, redo, 1, timeout, cluster, progress)
        found = workflow.bisect(model, within, question=question, running=running)
    _deliver_bisection(found, json_file)


def _listed(given: list[str] | None) -> tuple[str, ...]:
    """The parts, each once; an empty one may be a shell variable that isn't set, and would ask for less than was meant.

    Raises:
        SpecError: if a part is empty.
    """
    from tracer.errors import SpecError

    parts = [part.strip() for text in given or () for part in text.split(",")]
    if not all(parts):
        raise SpecError(f"{', '.join(map(repr, given or ()))}: a part between the commas is empty; name each one.")
    return tuple(dict.fromkeys(parts))


def _question(asked: Asked) -> Question:
    from tracer.core.matrix.cells import Question
    from tracer.errors import SpecError

    if sum(given is not None for given in (asked.formats or None, asked.baseline, asked.golden, asked.run)) > 1:
        raise SpecError(
            "ask one thing at a time: --format (round trips), --baseline (diffs), --golden (checks) or --run "
            "(a command)."
        )
    return Question(
        formats=_listed(asked.formats),
        baseline=asked.baseline,
        golden=asked.golden,
        command=asked.run,
        inputs=asked.inputs,
        seed=asked.seed,
        batch=asked.batch,
        training=training_argument(asked.training, asked.as_called),
        packages=packages(asked.with_packages, asked.tensorflow),
        custom_objects=tuple(asked.custom_objects or ()),
    )


def _running(
    results: str | None, redo: str, workers: int, timeout: float, cluster: str | None, progress: Progress
) -> Running:
    from tracer.errors import SpecError
    from tracer.workflows.releases.matrix import Running

    if redo not in ("none", "failed", "all"):
        raise SpecError(f"--redo {redo}: choose none, failed or all.")
    return Running(results=results, redo=redo, workers=workers, timeout=timeout, cluster=cluster, progress=progress)


def _check_targets(targets: dict[str, str | None]) -> None:
    from tracer.errors import SpecError

    if sum(target == "-" for target in targets.values()) > 1:
        raise SpecError("only one result can go to stdout.")
    for target in targets.values():
        check_target(target)


def _deliver_matrix(found: Matrix, targets: dict[str, str | None]) -> None:
    from tracer import report as reports
    from tracer.store import reports as store

    wanted = {name: target for name, target in targets.items() if target is not None}
    writers = {"json": reports.matrix_to_json, "html": reports.matrix_to_html, "markdown": reports.matrix_to_markdown}
    if "-" not in wanted.values():
        console.emit(reports.render_matrix(found.answers, results=found.results, **console.look()))
    for name, target in wanted.items():
        text = writers[name](found.answers)
        console.emit(text) if target == "-" else store.write_report(target, text)
    raise typer.Exit(reports.matrix_exit_code(found.answers))


def _deliver_bisection(found: Bisection, json_file: str | None) -> None:
    from tracer import report as reports
    from tracer.store import reports as store

    if json_file != "-":
        console.emit(reports.render_bisection(found, **console.look()))
    if json_file is not None:
        text = reports.bisection_to_json(found)
        console.emit(text) if json_file == "-" else store.write_report(json_file, text)
    # A boundary is a divergence; without one the question can't be answered.
    raise typer.Exit(ending(diverged=found.found.after is not None, same=False))
