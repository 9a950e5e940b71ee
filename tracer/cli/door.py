"""Where every command begins and ends: no empty arguments in, one exit code out, errors in one line."""

from __future__ import annotations

import contextlib
import os
import sys
from typing import Any, NoReturn

import typer
import typer.core

from tracer import console
from tracer.cli.parsing import completion
from tracer.errors import TracerError
from tracer.system import interrupt
from tracer.system.interrupt import EXIT_INTERRUPTED

_FRAMEWORKS = ("keras", "tensorflow", "jax", "torch")


class Door(typer.core.TyperGroup):
    """Where exceptions end: one line on stderr and an exit code, a traceback only where TRACER_DEBUG asks for it.

    The exit code is decided here: that of the command where it has reached one (`typer.Exit`), 0 where it has returned,
    and 2 for whatever else ends it, be it `sys.exit(0)` in somebody's module.  Only a report says 0 or 1.
    """

    def invoke(self, ctx: Any) -> Any:
        """Runs the command."""
        try:
            return super().invoke(ctx)
        except TracerError as error:
            _fail(str(error))
        except KeyboardInterrupt:
            _say("tracer: interrupted")
            interrupt.leave()
        except typer.Abort:
            _fail("nothing was answered, so nothing was done. Give --yes to agree beforehand.")
        except SystemExit as error:
            _fail(f"code of the model or of a package ended the process (sys.exit({error.code!r})): nothing is shown.")
        except BrokenPipeError:
            # Who read stdout is gone (`| head`): nothing can be said there any more, not at exit either.
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            raise typer.Exit(console.EXIT_TROUBLE) from None
        except ImportError as error:
            _fail(_missing(error))
        except OSError as error:
            _fail(f"{error}")

    def main(self, *args: Any, **options: Any) -> Any:
        """Parses the command line, runs the command, and ends the process with its exit code."""
        if completion.VARIABLE in os.environ:
            raise SystemExit(self._completed())
        standalone = options.pop("standalone_mode", True)
        # Never standalone: there a closed pipe and an unanswered question end with 1, which means "diverged" here.
        options["standalone_mode"] = False
        if not standalone:
            return super().main(*args, **options)
        raise SystemExit(self._ended(*args, **options))

    def _completed(self) -> int:
        """Answers a shell that completes a command line: nobody reads a message there, so that a failure is silence."""
        try:
            return completion.answer(self)
        except Exception:  # whatever it is, the shell goes on
            if console.debugging():
                _traceback()
            return console.EXIT_TROUBLE

    def _ended(self, *args: Any, **options: Any) -> int:
        """The exit code."""
        try:
            code = super().main(*args, **options)
        except KeyboardInterrupt:
            return EXIT_INTERRUPTED
        except SystemExit:  # of a closed pipe while help was printed
            return console.EXIT_TROUBLE
        # The outermost frame: Python would end with 1 here, and 1 means "diverged".
        except BaseException as error:
            return _describe(error)
        return console.EXIT_SAME if code is None else int(code)


class Command(typer.core.TyperCommand):
    """A command to which no empty text is given: a shell variable that isn't set must not ask for less, or nothing."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Reads the command line."""
        rest = super().parse_args(ctx, args)
        for parameter in self.get_params(ctx):
            value = ctx.params.get(parameter.name)
            texts = value if isinstance(value, (list, tuple)) else (value,)
            empty = any(isinstance(text, str) and not text.strip(" \t\r\n,") for text in texts)
            if empty and getattr(ctx.get_parameter_source(parameter.name), "name", "") == "COMMANDLINE":
                why = "it is empty; is a shell variable not set?"
                raise typer.BadParameter(why, ctx=ctx, param=parameter)  # type: ignore[arg-type]
        return rest

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """`[OPTIONS] MODEL [LAYER]`: brackets around what may be left out, dots behind what may be repeated."""
        arguments = [each for each in self.get_params(ctx) if each.param_type_name == "argument"]
        return ["[OPTIONS]", *(_usage(each) for each in arguments)]

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Arguments by their names alone, without the type that Python gives them; then the options."""
        rows: dict[str, list[tuple[str, str]]] = {"Arguments": [], "Options": []}
        for each in self.get_params(ctx):
            record = each.get_help_record(ctx)
            if each.param_type_name == "argument":
                rows["Arguments"].append((str(each.metavar), record[1] if record else ""))
            elif record:
                rows["Options"].append(record)
        for title, part in rows.items():
            if part:
                with formatter.section(title):
                    formatter.write_dl(part)

    def format_epilog(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002 - as it is called
        """The examples, a line each, never wrapped."""
        if self.epilog:
            formatter.write(f"\nExamples:\n{''.join(f'  {line}' for line in self.epilog.splitlines(keepends=True))}\n")


def _usage(argument: Any) -> str:
    name = f"{argument.metavar}{'...' if argument.nargs == -1 else ''}"
    return name if argument.required else f"[{name}]"


def _missing(error: ImportError) -> str:
    """Whoever installs this package chooses the backend."""
    if error.name not in _FRAMEWORKS:
        return f"{error}. Install it, or choose another backend (KERAS_BACKEND)."
    return (
        f"{error.name} isn't installed, and this command runs Keras here. Install a backend, for example with "
        "`pip install 'keras-layer-tracer[tensorflow]'`, or name a release (`MODEL@latest`): it runs in an "
        "environment of its own."
    )


def _describe(error: BaseException) -> int:
    """Says what ended the command; a usage error knows how to say it itself."""
    show = getattr(error, "show", None)
    with contextlib.suppress(OSError, ValueError):  # stderr may be closed, too
        if callable(show):
            show()
        elif console.debugging():
            _traceback()
        elif isinstance(error, (TracerError, OSError)):  # of help or a version that can't be printed
            _say(f"tracer: {error}")
        else:
            advice = "This is a bug of tracer: TRACER_DEBUG=1 shows where; please report it."
            _say(f"tracer: internal error: {type(error).__name__}: {error}\n{advice}")
    return console.EXIT_TROUBLE


def _fail(message: str) -> NoReturn:
    if console.debugging():
        _traceback()
    else:
        _say(f"tracer: {message}")
    raise typer.Exit(console.EXIT_TROUBLE) from None


def _say(message: str) -> None:
    """On stderr, if anybody listens there."""
    with contextlib.suppress(OSError, ValueError):
        print(message, file=sys.stderr, flush=True)


def _traceback() -> None:
    import traceback

    with contextlib.suppress(OSError, ValueError):
        traceback.print_exc()
