"""migrate: a Keras 2 model as a Keras 3 file."""

from __future__ import annotations

from typing import Annotated

import typer

from tracer import console
from tracer.cli.options import (
    All,
    Batch,
    CustomObjects,
    HtmlFile,
    Inputs,
    JsonFile,
    MarkdownFile,
    Seed,
    Trust,
    With,
    packages,
)
from tracer.cli.output import Files, deliver


def migrate(
    file: Annotated[
        str,
        typer.Argument(
            metavar="FILE", help="The Keras 2 model, .h5 or .keras; append @2.13.1 to read it with that release."
        ),
    ],
    output: Annotated[str, typer.Option("-o", "--output", metavar="NEW.keras", help="File to write.")],
    inputs: Inputs = None,
    seed: Seed = 0,
    batch: Batch = None,
    trust: Trust = False,
    json_file: JsonFile = None,
    html_file: HtmlFile = None,
    markdown_file: MarkdownFile = None,
    show_all: All = False,
    custom_objects: CustomObjects = None,
    with_packages: With = None,
    model: Annotated[
        str | None,
        typer.Option("--model", metavar="MOD:NAME", help="What builds the model, if FILE holds its weights alone."),
    ] = None,
) -> None:
    """Write a Keras 2 model as a Keras 3 file.

    It is kept only if every layer of it, loaded in a fresh process, computes what Keras 2 computes.
    """
    files = Files(json=json_file, html=html_file, markdown=markdown_file)
    files.check()
    with console.work() as progress:
        from tracer import workflows

        report = workflows.migrate(
            file,
            output,
            inputs,
            trust,
            seed=seed,
            batch=batch,
            custom_objects=tuple(custom_objects or ()),
            packages=packages(with_packages, None),
            model=model,
            pictures=html_file is not None,
            progress=progress,
        )
    deliver(report, files, show_all)
