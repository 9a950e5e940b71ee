"""matrix and bisect: the same question in many releases."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from tracer import console
from tracer.cli.cell_pages import check_folder, clear_pages, matrix_page_of, matrix_summary_of, told_of_pages
from tracer.cli.options import (
    MODEL,
    AsCalled,
    Batch,
    CustomObjects,
    HtmlFile,
    Inputs,
    JsonFile,
    JunitFile,
    MarkdownFile,
    Model,
    Seed,
    Tensorflow,
    Training,
    Trust,
    With,
    packages,
    training_argument,
)
from tracer.cli.output import Files, write_files
from tracer.cli.parsing import completion
from tracer.cli.parsing.spreading import spread
from tracer.core.outcomes import ending

_EACH = "Repeat for several, or separate them by commas."
if TYPE_CHECKING:
    from tracer.core.matrix.bisection import Bisection
    from tracer.core.matrix.cells import CellTemplate, Matrix
    from tracer.progress import Progress
    from tracer.workflows.releases.matrix import ExecutionOptions

Models = Annotated[list[str] | None, typer.Argument(metavar="MODEL", help=MODEL, autocompletion=completion.models)]
Good = Annotated[
    str,
    typer.Option("--good", metavar="R", autocompletion=completion.one_release, help="Release that is right."),
]
Bad = Annotated[
    str,
    typer.Option("--bad", metavar="R", autocompletion=completion.one_release, help="Release that is wrong."),
]
Keras = Annotated[
    list[str] | None,
    typer.Option(
        "--keras",
        metavar="R,R",
        autocompletion=completion.releases,
        help="Releases: 3.4.1, latest, nightly, minors, all, 3.4.0..3.8.0.",
    ),
]
Backends = Annotated[
    list[str] | None,
    typer.Option(
        "--backend",
        metavar="B",
        autocompletion=completion.backends,
        help=f"Backend: tensorflow, jax or torch. {_EACH}",
    ),
]
FormatList = Annotated[
    list[str] | None,
    typer.Option(
        "--format",
        metavar="F",
        autocompletion=completion.formats,
        help=f"Save format: keras, h5, weights, … or all. {_EACH}",
    ),
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
Workers = Annotated[
    int, typer.Option("--workers", metavar="N", min=0, help="Cells to run at once; 0: as many as fit this machine.")
]
Timeout = Annotated[float, typer.Option("--timeout", metavar="S", help="Time limit for one cell, in seconds.")]


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
    trust: Trust = False


@spread
def matrix(
    models: Annotated[
        list[str] | None, typer.Argument(metavar="MODEL", help=MODEL, autocompletion=completion.models)
    ] = None,
    keras: Keras = None,
    backend: Backends = None,
    asked: Asked = ...,  # type: ignore[assignment]
    json_file: JsonFile = None,
    html_file: HtmlFile = None,
    markdown_file: MarkdownFile = None,
    junit_file: JunitFile = None,
    results: Results = None,
    redo: Redo = "none",
    workers: Workers = 0,
    timeout: Timeout = 3600.0,
    cluster: Cluster = None,
) -> None:
    """Run the same comparison in many environments.

    Each cell of the table is a round trip, a diff (--baseline), a check (--golden) or a command (--run).
    """
    files = Files(json=json_file, html=html_file, markdown=markdown_file, junit=junit_file)
    files.check()
    check_folder(files.html)
    question = _question(asked)
    with console.work() as progress:
        from tracer.workflows.releases import matrix as workflow

        running = _running(results, redo, workers, timeout, cluster, progress)
        found = workflow.matrix(
            models or [], keras=_list(keras), backends=_list(backend), question=question, running=running
        )
    _deliver_matrix(found, files)


@spread
def bisect(
    model: Model = "",
    good: Annotated[
        str, typer.Option("--good", metavar="R", autocompletion=completion.one_release, help="Release that is right.")
    ] = ...,  # type: ignore[assignment]
    bad: Annotated[
        str, typer.Option("--bad", metavar="R", autocompletion=completion.one_release, help="Release that is wrong.")
    ] = ...,  # type: ignore[assignment]
    asked: Asked = ...,  # type: ignore[assignment]
    layer: Annotated[str | None, typer.Option("--layer", metavar="PATH", help="Only faults of this layer.")] = None,
    vary: Annotated[str, typer.Option("--vary", metavar="WHAT", help="What varies: keras or a backend.")] = "keras",
    keras: Annotated[str | None, typer.Option("--keras", metavar="R", help="Keras, when a backend varies.")] = None,
    backend: Annotated[str | None, typer.Option("--backend", metavar="B", help="Backend of the model.")] = None,
    pre: Annotated[bool, typer.Option("--pre", help="Include pre-releases.")] = False,
    json_file: JsonFile = None,
    html_file: HtmlFile = None,
    markdown_file: MarkdownFile = None,
    results: Results = None,
    redo: Redo = "none",
    timeout: Timeout = 3600.0,
    cluster: Cluster = None,
) -> None:
    """Find the release, layer and cause of a change.

    The change made the model worse (--good is older) or better (--bad is older). The backend stays the same.
    """
    files = Files(json=json_file, html=html_file, markdown=markdown_file)
    files.check()
    question = _question(asked)
    with console.work() as progress:
        from tracer.workflows.releases import bisecting as workflow

        within = workflow.Range(good=good, bad=bad, vary=vary, keras=keras, backend=backend, pre=pre, layer=layer)
        running = _running(results, redo, 1, timeout, cluster, progress)
        found = workflow.bisect(model, within, question=question, running=running)
    _deliver_bisection(found, files)


def _list(given: list[str] | None) -> tuple[str, ...]:
    """The parts, each once; an empty one may be a shell variable that isn't set, and would ask for less than was meant.

    Raises:
        SpecError: if a part is empty.
    """
    from tracer.errors import SpecError

    parts = [part.strip() for text in given or () for part in text.split(",")]
    if not all(parts):
        raise SpecError(f"{', '.join(map(repr, given or ()))}: a part between the commas is empty; name each one.")
    return tuple(dict.fromkeys(parts))


def _question(asked: Asked) -> CellTemplate:
    from tracer.core.matrix.cells import CellTemplate
    from tracer.errors import SpecError

    if sum(given is not None for given in (asked.formats or None, asked.baseline, asked.golden, asked.run)) > 1:
        raise SpecError(
            "ask one thing at a time: --format (round trips), --baseline (diffs), --golden (checks) or --run "
            "(a command)."
        )
    return CellTemplate(
        formats=_list(asked.formats),
        baseline=asked.baseline,
        golden=asked.golden,
        command=asked.run,
        inputs=asked.inputs,
        seed=asked.seed,
        batch=asked.batch,
        training=training_argument(asked.training, asked.as_called),
        packages=packages(asked.with_packages, asked.tensorflow),
        custom_objects=tuple(asked.custom_objects or ()),
        trust=asked.trust,
    )


def _running(
    results: str | None, redo: str, workers: int, timeout: float, cluster: str | None, progress: Progress
) -> ExecutionOptions:
    from tracer.errors import SpecError
    from tracer.workflows.releases.matrix import ExecutionOptions

    if redo not in ("none", "failed", "all"):
        raise SpecError(f"--redo {redo}: choose none, failed or all.")
    return ExecutionOptions(
        results=results, redo=redo, workers=workers, timeout=timeout, cluster=cluster, progress=progress
    )


def _deliver_matrix(found: Matrix, files: Files) -> None:
    from tracer import report as reports
    from tracer.core.matrix.cells import ending_of

    write_files(
        files,
        found,
        lambda: reports.render_matrix(found.answers, results=found.results, **console.look()),
        lambda: reports.matrix_to_json(found.answers),
        lambda: matrix_page_of(found, str(files.html)),
        lambda: matrix_summary_of(found, files.html),
    )
    if files.html not in (None, "-"):
        clear_pages(found, str(files.html))
        if "-" not in files.wanted.values():
            console.emit(told_of_pages(found, str(files.html)))
    raise typer.Exit(ending_of(found.answers))


def _deliver_bisection(found: Bisection, files: Files) -> None:
    from tracer import report as reports

    write_files(
        files,
        found,
        lambda: reports.render_bisection(found, **console.look()),
        lambda: reports.bisection_to_json(found),
    )
    # A boundary is a divergence; without one the question can't be answered.
    raise typer.Exit(ending(diverged=found.found.after is not None, same=False))
