"""diff: two models, layer by layer."""

from __future__ import annotations

from typing import Annotated

import typer

from tracer import console
from tracer.cli.options import (
    MODEL,
    All,
    Calling,
    CustomObjects,
    HtmlFile,
    JsonFile,
    Limits,
    MarkdownFile,
    ModelExplorerFile,
    NoProve,
)
from tracer.cli.output import Files, deliver
from tracer.cli.parsing import completion
from tracer.cli.parsing.spreading import spread


@spread
def diff(
    reference: Annotated[str, typer.Argument(metavar="REFERENCE", help=MODEL, autocompletion=completion.models)],
    candidate: Annotated[
        str,
        typer.Argument(
            metavar="CANDIDATE",
            help="The model to compare with it, named in the same way.",
            autocompletion=completion.models,
        ),
    ],
    calling: Calling,
    json_file: JsonFile = None,
    html_file: HtmlFile = None,
    markdown_file: MarkdownFile = None,
    nodes_file: ModelExplorerFile = None,
    show_all: All = False,
    custom_objects: CustomObjects = None,
    no_prove: NoProve = False,
    limits: Limits = ...,  # type: ignore[assignment]
) -> None:
    """Compare two models layer by layer.

    The report names the layer of CANDIDATE at fault, with the cause and the remedy.
    """
    files = Files(json=json_file, html=html_file, markdown=markdown_file, model_explorer=nodes_file)
    files.check()
    called = calling.arguments()
    with console.work() as progress:
        from tracer import workflows

        report = workflows.diff(
            reference,
            candidate,
            calling.inputs,
            prove=not no_prove,
            custom_objects=tuple(custom_objects or ()),
            pictures=html_file is not None,
            progress=progress,
            **called,
            **limits.arguments(),
        )
    deliver(report, files, show_all)
