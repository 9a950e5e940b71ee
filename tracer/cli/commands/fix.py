"""fix: a file whose loaded model behaves as wanted."""

from __future__ import annotations

from typing import Annotated

import typer

from tracer import console
from tracer.cli.options import Batch, CustomObjects, Inputs, JsonFile, Seed, Trust
from tracer.cli.output import Files, check_target, deliver


def fix(
    file: Annotated[str, typer.Argument(metavar="FILE", help="The model file; it is never changed.")],
    output: Annotated[str, typer.Option("-o", "--output", metavar="FIXED", help="File to write, .keras or .h5.")],
    like: Annotated[
        str | None, typer.Option("--like", metavar="REFERENCE", help="Behave as this model; named as in `tracer diff`.")
    ] = None,
    as_trained: Annotated[
        bool, typer.Option("--as-trained", help="Behave as the model did while it was trained.")
    ] = False,
    as_loaded: Annotated[bool, typer.Option("--as-loaded", help="Behave as the loaded model does now.")] = False,
    inputs: Inputs = None,
    seed: Seed = 0,
    batch: Batch = None,
    json_file: JsonFile = None,
    custom_objects: CustomObjects = None,
    trust: Trust = False,
) -> None:
    """Write a model file whose loaded model behaves as wanted.

    The file is loaded in a fresh process and traced before it is kept; the changes are printed.
    """
    check_target(json_file)
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
            trust=trust,
            progress=progress,
        )
    if json_file != "-":
        console.emit("".join([f"wrote {fixed.path}\n", *(f"  changed {line}\n" for line in fixed.changes), "\n"]))
    deliver(fixed.report, Files(json=json_file), show_all=False)
