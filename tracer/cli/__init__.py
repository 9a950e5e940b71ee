"""The command `tracer`: reads the command line, calls one workflow, prints its report, says it in the exit code."""

from __future__ import annotations

from typing import Annotated

import typer

from tracer import console
from tracer.cli.commands import audit, demo, diff, envs, fix, goldens, migrate, releases, roundtrip, show
from tracer.cli.door import Command, Door
from tracer.cli.examples import EXAMPLES
from tracer.cli.parsing import completion

app = typer.Typer(
    name="tracer",
    cls=Door,
    help="Find the layer that makes a Keras model predict something else, and say why.",
    epilog="Exit codes: 0 the same, 1 diverged, 2 trouble (usage, unreadable files, nothing compared).",
    invoke_without_command=True,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    # Both would cost half a second on every --help; the door words errors itself.
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


def _print_version(wanted: bool) -> None:
    if wanted:
        from tracer import __version__

        console.emit(f"tracer {__version__}\n")
        raise typer.Exit


def _print_completion(shell: str | None) -> None:
    if shell is not None:
        if shell not in completion.SHELLS:
            raise typer.BadParameter(f"choose one of {', '.join(completion.SHELLS)}.")
        console.emit(completion.script(shell))
        raise typer.Exit


@app.callback()
def _options(
    ctx: typer.Context,
    _version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
    _completion: Annotated[
        str | None,
        typer.Option(
            "--completion",
            metavar="SHELL",
            callback=_print_completion,
            is_eager=True,
            autocompletion=completion.shells,
            help='Print what makes bash, zsh or fish complete: eval "$(tracer --completion bash)".',
        ),
    ] = None,
) -> None:
    """Options of `tracer` itself."""
    if ctx.invoked_subcommand is None:
        typer.echo(ctx.get_help(), err=True)
        raise typer.Exit(console.EXIT_TROUBLE)


for _command in (
    demo.demo,
    roundtrip.roundtrip,
    diff.diff,
    fix.fix,
    audit.audit,
    migrate.migrate,
    goldens.record,
    goldens.check,
    releases.matrix,
    releases.bisect,
    show.show,
    show.doctor,
    envs.envs,
):
    app.command(
        cls=Command,
        epilog=EXAMPLES.get(_command.__name__),
        context_settings={"help_option_names": ["-h", "--help"]},
    )(_command)
