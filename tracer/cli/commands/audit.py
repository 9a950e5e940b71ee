"""audit: a model file alone."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

from tracer import console
from tracer.cli.options import CustomObjects, Inputs, JsonFile, Trust
from tracer.cli.output import check_target
from tracer.core.outcomes import Ending, ending

if TYPE_CHECKING:
    from tracer.records import Audit


def audit(
    file: Annotated[str, typer.Argument(metavar="FILE", help="The model file, .keras or .h5; it is never changed.")],
    inputs: Inputs = None,
    expected: Annotated[
        str | None,
        typer.Option(
            "--expected",
            metavar="FILE",
            help="Known-good predictions for --inputs (.npz, .npy): known changes that may restore them are tried.",
        ),
    ] = None,
    against_writer: Annotated[
        bool, typer.Option("--against-writer", help="Compare with the Keras that wrote the file, layer by layer.")
    ] = False,
    json_file: JsonFile = None,
    custom_objects: CustomObjects = None,
    trust: Trust = False,
) -> None:
    """Inspect a model file when the original model is no longer available.

    It is loaded and saved again: what doesn't come back was lost. Stale state and known defects are listed too.
    """
    check_target(json_file)
    with console.work() as progress:
        from tracer import workflows

        found = workflows.audit(
            file,
            inputs=inputs,
            expected=expected,
            against_writer=against_writer,
            custom_objects=tuple(custom_objects or ()),
            trust=trust,
            progress=progress,
        )
    from tracer import report as reports
    from tracer.store import reports as store

    text = json.dumps(found.to_dict(), indent=1, ensure_ascii=False) + "\n"
    if json_file == "-":
        console.emit(text)
    else:
        console.emit(reports.render_audit(found, **console.look()))
        if json_file is not None:
            store.write_report(json_file, text)
    raise typer.Exit(_ending(found))


def _ending(found: Audit) -> Ending:
    """A file of which nothing could be followed is trouble, not a file that lost nothing."""
    return ending(diverged=bool(found.findings) and not found.ok, same=found.ok)
