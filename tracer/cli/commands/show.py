"""show and doctor: nothing is run."""

from __future__ import annotations

from typing import Annotated

import typer

from tracer import console
from tracer.cli.options import All, HtmlFile, JsonFile, MarkdownFile, ModelExplorerFile
from tracer.cli.output import Files, text_of, write_files
from tracer.cli.parsing import completion
from tracer.core.outcomes import Outcomes, ending, ending_of
from tracer.errors import SpecError
from tracer.records import Report


def show(
    path: Annotated[
        str, typer.Argument(metavar="FILE", help="A report written by --json, a golden, or the MODEL of a golden.")
    ],
    layer: Annotated[
        str | None,
        typer.Argument(
            metavar="LAYER", help="Layer path; shows every number of this layer.", autocompletion=completion.layers
        ),
    ] = None,
    format_name: Annotated[
        str | None, typer.Option("--format", metavar="F", help="Which report to show, if the file holds several.")
    ] = None,
    show_all: All = False,
    json_file: JsonFile = None,
    html_file: HtmlFile = None,
    markdown_file: MarkdownFile = None,
    nodes_file: ModelExplorerFile = None,
) -> None:
    """Show a saved report or a golden.

    With LAYER, every number of that layer. The exit code is that of the run that saved the report.
    """
    from tracer.store import goldens
    from tracer.store import reports as store

    files = Files(json=json_file, html=html_file, markdown=markdown_file, model_explorer=nodes_file)
    files.check()
    golden = goldens.golden_named(path)
    if golden is not None:
        _show_golden(str(golden), layer, files, show_all)
        return
    if format_name is None and layer is None:
        found = store.read_reports(path)
    else:
        found = store.read_report(path, format=format_name)
    write_files(files, found, lambda: _text(found, layer, show_all, path))
    raise typer.Exit(ending_of(found))


def _text(found: Report | Outcomes, layer: str | None, show_all: bool, path: str) -> str:
    """All that was found, or every number of one layer."""
    from tracer import report as reports

    if layer is None or isinstance(found, Outcomes):
        return text_of(found, show_all, path)
    return reports.render_layer(found, layer, **console.look())


def _show_golden(path: str, layer: str | None, files: Files, show_all: bool) -> None:
    from tracer import report as reports
    from tracer.store import fixtures
    from tracer.store import reports as store

    if files.wanted.keys() - {"json"}:
        raise SpecError(f"{path} is a golden: it has no page and no summary. `tracer check --html FILE` has one.")
    json_file = files.json
    golden = fixtures.read_golden(path)
    if json_file != "-":
        console.emit(reports.render_golden(golden, path, layer=layer, show_all=show_all, **console.look()))
    if json_file is not None:
        text = reports.golden_to_json(golden)
        console.emit(text) if json_file == "-" else store.write_report(json_file, text)


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")] = False,
) -> None:
    """Say what is installed and what works.

    Known defects of the installed Keras are listed too.
    """
    with console.work():
        from tracer import workflows

        found = workflows.doctor()
    from tracer import report as reports

    if as_json:
        console.emit(reports.checks_to_json(found.lines, ok=found.ok))
    else:
        console.emit(reports.render_checks(found.lines, ok=found.ok, **console.look()))
    raise typer.Exit(ending(diverged=False, same=found.ok))
