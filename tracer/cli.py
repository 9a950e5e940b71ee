"""The command `tracer`: reads the command line, calls one workflow, prints its report, says it in the exit code."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tracer import console

if TYPE_CHECKING:
    from tracer.errors import TracerError
    from tracer.records import Report

app = typer.Typer(
    name="tracer",
    cls=console.Door,
    help="Which layer makes a Keras model predict something else, and why.",
    epilog="Exit codes: 0 the same, 1 diverged, 2 trouble (usage, unreadable files, nothing compared).",
    invoke_without_command=True,
    add_completion=False,
    # Both would cost half a second on every --help; the door words errors itself.
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)

_MODEL = "keras.applications name, model file, or package.module:callable."

Inputs = Annotated[
    str | None,
    typer.Option("--inputs", metavar="FILE", help=".npz, .npy or image; seeded ones that fit when not given."),
]
Seed = Annotated[int, typer.Option("--seed", min=0, max=2**32 - 1, help="Seed of weights and inputs.")]
Batch = Annotated[int, typer.Option("--batch", min=1, help="Samples in the seeded inputs.")]
Training = Annotated[bool, typer.Option("--training", help="Call the models with training=True.")]
JsonFile = Annotated[
    str | None, typer.Option("--json", metavar="FILE", help="Write the report as JSON; - for stdout, without the text.")
]
All = Annotated[bool, typer.Option("--all", help="Unfold every list.")]
CustomObjects = Annotated[
    list[str] | None,
    typer.Option("--custom-objects", metavar="MOD", help="Module to import first: it registers custom objects."),
]
NoProve = Annotated[bool, typer.Option("--no-prove", help="Don't prove the blame by healing and breaking.")]


def _print_version(wanted: bool) -> None:
    if wanted:
        from tracer import __version__

        console.emit(f"tracer {__version__}\n")
        raise typer.Exit


@app.callback()
def _options(
    ctx: typer.Context,
    _version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Options of `tracer` itself."""
    if ctx.invoked_subcommand is None:
        typer.echo(ctx.get_help(), err=True)
        raise typer.Exit(console.EXIT_TROUBLE)


@app.command()
def demo(json_file: JsonFile = None, show_all: All = False) -> None:
    """Find a real defect of this Keras, offline.

    It is found, explained and proved in under a minute.
    """
    _check_target(json_file)
    with console.work() as progress:
        from tracer import workflows

        report = workflows.demo(progress=progress)
    _deliver({"": report}, json_file, show_all)


@app.command()
def roundtrip(
    model: Annotated[str, typer.Argument(metavar="MODEL", help=_MODEL)],
    formats: Annotated[
        list[str] | None,
        typer.Option(
            "--format",
            metavar="F",
            help="keras, h5, weights or config; repeat for several. Every one the model supports when none.",
        ),
    ] = None,
    inputs: Inputs = None,
    seed: Seed = 0,
    batch: Batch = 2,
    training: Training = False,
    json_file: JsonFile = None,
    show_all: All = False,
    custom_objects: CustomObjects = None,
    same_process: Annotated[bool, typer.Option("--same-process", help="Reload here, not in a fresh process.")] = False,
    no_prove: NoProve = False,
    verify_upgrade: Annotated[
        bool, typer.Option("--verify-upgrade", help="Make the same round trip in the release that is advised.")
    ] = False,
) -> None:
    """Save, reload and compare a model.

    MODEL is saved in every format asked for and reloaded in a fresh process; the layer at fault is named.
    """
    _check_target(json_file)
    options: dict[str, Any] = {
        "seed": seed,
        "batch": batch,
        "training": training,
        "prove": not no_prove,
        "custom_objects": tuple(custom_objects or ()),
        "same_process": same_process,
        "verify_upgrade": verify_upgrade,
    }
    _deliver(_roundtrip(model, list(dict.fromkeys(formats or ())), inputs, options), json_file, show_all)


def _roundtrip(
    model: str, formats: list[str], inputs: str | None, options: dict[str, Any]
) -> Mapping[str, Report | TracerError]:
    """One format is a report of its own; several, or all of them, are a table."""
    with console.work() as progress:
        from tracer import workflows

        if len(formats) == 1:
            return {"": workflows.roundtrip(model, inputs, format=formats[0], progress=progress, **options)}
        return workflows.roundtrip_formats(model, formats or None, inputs, progress=progress, **options)


@app.command()
def diff(
    reference: Annotated[str, typer.Argument(metavar="REFERENCE", help=_MODEL)],
    candidate: Annotated[str, typer.Argument(metavar="CANDIDATE", help="What to hold against it.")],
    inputs: Inputs = None,
    seed: Seed = 0,
    batch: Batch = 2,
    training: Training = False,
    json_file: JsonFile = None,
    show_all: All = False,
    custom_objects: CustomObjects = None,
    no_prove: NoProve = False,
) -> None:
    """Compare two models layer by layer.

    CANDIDATE is held against REFERENCE; the layer at fault is named, with the cause and the remedy.
    """
    _check_target(json_file)
    with console.work() as progress:
        from tracer import workflows

        report = workflows.diff(
            reference,
            candidate,
            inputs,
            seed=seed,
            batch=batch,
            training=training,
            prove=not no_prove,
            custom_objects=tuple(custom_objects or ()),
            progress=progress,
        )
    _deliver({"": report}, json_file, show_all)


@app.command()
def fix(
    file: Annotated[str, typer.Argument(metavar="FILE", help="The model file; it is never written to.")],
    output: Annotated[str, typer.Option("-o", "--output", metavar="FIXED", help="File to write: .keras or .h5.")],
    like: Annotated[
        str | None, typer.Option("--like", metavar="REFERENCE", help="Behave as this model; named as in diff.")
    ] = None,
    as_trained: Annotated[
        bool, typer.Option("--as-trained", help="Behave as the model did while it was trained.")
    ] = False,
    as_loaded: Annotated[bool, typer.Option("--as-loaded", help="Behave as the loaded model does now.")] = False,
    inputs: Inputs = None,
    seed: Seed = 0,
    batch: Batch = 2,
    json_file: JsonFile = None,
    custom_objects: CustomObjects = None,
) -> None:
    """Write a model file whose loaded model behaves as wanted.

    It is loaded in a fresh process and traced before it is kept; what was changed is said.
    """
    _check_target(json_file)
    with console.work() as progress:
        from tracer import workflows

        fixed = workflows.fix(
            file,
            output,
            like=like,
            as_trained=as_trained,
            as_loaded=as_loaded,
            inputs=inputs,
            seed=seed,
            batch=batch,
            custom_objects=tuple(custom_objects or ()),
            progress=progress,
        )
    if json_file != "-":
        console.emit("".join([f"wrote {fixed.path}\n", *(f"  changed {line}\n" for line in fixed.changes), "\n"]))
    _deliver({"": fixed.report}, json_file, show_all=False)


@app.command()
def show(
    path: Annotated[str, typer.Argument(metavar="REPORT.json", help="A report that --json wrote.")],
    layer: Annotated[str | None, typer.Argument(metavar="LAYER", help="Layer path: every number of it.")] = None,
    format_name: Annotated[
        str | None, typer.Option("--format", metavar="F", help="Which report, where the file holds several.")
    ] = None,
    show_all: All = False,
) -> None:
    """Read a saved report again.

    With a LAYER, every number of it. The exit code is that of the run which saved the report.
    """
    from tracer import report as reports
    from tracer.store import reports as store

    look: dict[str, Any] = {"color": console.use_color(), "width": console.width()}
    if format_name is None and layer is None:
        outcomes = store.read_reports(path)
        console.emit(_text(outcomes, show_all, path))
        raise typer.Exit(_exit_code(outcomes))
    chosen = store.read_report(path, format=format_name)
    if layer is None:
        console.emit(reports.render(chosen, show_all=show_all, saved_as=path, **look))
    else:
        console.emit(reports.render_layer(chosen, layer, **look))
    raise typer.Exit(_exit_code({"": chosen}))


@app.command()
def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")] = False,
) -> None:
    """Say what is installed and what works.

    And what is known to be wrong with it.
    """
    with console.work():
        from tracer import workflows

        found = workflows.doctor()
    from tracer import report as reports

    if as_json:
        console.emit(reports.checks_to_json(found.lines, ok=found.ok))
    else:
        look: dict[str, Any] = {"color": console.use_color(), "width": console.width()}
        console.emit(reports.render_checks(found.lines, ok=found.ok, **look))
    raise typer.Exit(console.EXIT_SAME if found.ok else console.EXIT_TROUBLE)


def _check_target(json_file: str | None) -> None:
    """Before minutes of work, not after them."""
    if json_file not in (None, "-"):
        from tracer.store import reports as store

        store.check_writable(json_file)


def _deliver(outcomes: Mapping[str, Report | TracerError], json_file: str | None, show_all: bool) -> None:
    """Prints and saves what was found, and ends with its exit code; the format ``""`` means that none was named."""
    from tracer import report as reports
    from tracer.records import Report
    from tracer.store import reports as store

    only = outcomes.get("")
    body = only if isinstance(only, Report) else outcomes
    if json_file == "-":
        console.emit(reports.to_json(body))
    else:
        # Printed before it is saved: a full disk must not swallow the result.
        console.emit(_text(outcomes, show_all, json_file))
        if json_file is not None:
            store.write_report(json_file, reports.to_json(body))
    raise typer.Exit(_exit_code(outcomes))


def _text(outcomes: Mapping[str, Report | TracerError], show_all: bool, saved_as: str | None) -> str:
    from tracer import report as reports
    from tracer.records import Report

    look: dict[str, Any] = {"color": console.use_color(), "width": console.width(), "saved_as": saved_as}
    only = outcomes.get("")
    if isinstance(only, Report):
        return reports.render(only, show_all=show_all, **look)
    return reports.render_reports(outcomes, show_all=show_all, **look)


def _exit_code(outcomes: Mapping[str, Report | TracerError]) -> int:
    """A divergence outweighs trouble: it is certain, whatever another format would have said."""
    from tracer.records import Report, Status

    if any(isinstance(r, Report) and r.status is Status.DIVERGED for r in outcomes.values()):
        return console.EXIT_DIVERGED
    same = bool(outcomes) and all(isinstance(r, Report) and r.matches for r in outcomes.values())
    return console.EXIT_SAME if same else console.EXIT_TROUBLE


def main() -> None:
    """The console command."""
    app()
