"""roundtrip: a model against what comes back when it is saved and loaded."""

from __future__ import annotations

from functools import partial
from typing import Annotated

import typer

from tracer import console
from tracer.cli.options import (
    All,
    Calling,
    CustomObjects,
    Formats,
    HtmlFile,
    JsonFile,
    JunitFile,
    Limits,
    MarkdownFile,
    Model,
    NoProve,
)
from tracer.cli.output import Files, deliver
from tracer.cli.parsing.spreading import spread
from tracer.core.formats import ALL


@spread
def roundtrip(
    model: Model,
    formats: Formats = None,
    calling: Calling = ...,  # type: ignore[assignment]
    json_file: JsonFile = None,
    html_file: HtmlFile = None,
    markdown_file: MarkdownFile = None,
    junit_file: JunitFile = None,
    show_all: All = False,
    custom_objects: CustomObjects = None,
    same_process: Annotated[
        bool, typer.Option("--same-process", help="Reload in this process, not in a fresh one.")
    ] = False,
    no_prove: NoProve = False,
    verify_upgrade: Annotated[
        bool, typer.Option("--verify-upgrade", help="Repeat the round trip in the release that is advised.")
    ] = False,
    limits: Limits = ...,  # type: ignore[assignment]
) -> None:
    """Save, reload and compare a model.

    MODEL is saved in each format and reloaded in a fresh process. The report names the layer at fault.
    """
    files = Files(json=json_file, html=html_file, markdown=markdown_file, junit=junit_file)
    files.check()
    called, named = calling.arguments(), list(dict.fromkeys(formats or ()))
    with console.work() as progress:
        from tracer import workflows
        from tracer.core.formats import format_named

        # One format is a report of its own; several, or all of them, are a table.
        is_one = len(named) == 1 and named != [ALL]
        run = (
            partial(workflows.roundtrip, model, format=format_named(named[0]).name)
            if is_one
            else partial(workflows.roundtrip_formats, model, named or None)
        )
        found = run(
            inputs=calling.inputs,
            prove=not no_prove,
            custom_objects=tuple(custom_objects or ()),
            same_process=same_process,
            verify_upgrade=verify_upgrade,
            pictures=html_file is not None,
            progress=progress,
            **called,
            **limits.arguments(),
        )
    deliver(found, files, show_all)
