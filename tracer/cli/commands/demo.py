"""demo: a real defect of the installed Keras."""

from __future__ import annotations

from tracer import console
from tracer.cli.options import All, HtmlFile, JsonFile, MarkdownFile
from tracer.cli.output import Files, deliver


def demo(
    json_file: JsonFile = None,
    html_file: HtmlFile = None,
    markdown_file: MarkdownFile = None,
    show_all: All = False,
) -> None:
    """Find a real defect of the installed Keras, offline.

    It is found, explained and proved in under a minute.
    """
    files = Files(json=json_file, html=html_file, markdown=markdown_file)
    files.check()
    with console.work() as progress:
        from tracer import workflows

        report = workflows.demo(pictures=html_file is not None, progress=progress)
    deliver(report, files, show_all)
