"""`tracer.cli.door`: however a command ends, one exit code and at most one line come of it."""

from __future__ import annotations

from typing import Annotated, Any

import pytest
import typer

from tracer.cli.door import Command, Door
from tracer.errors import InputError, SpecError


def run(command: Any, *words: str) -> int:
    """The exit code of a command line with this one command, as the process would end with it."""
    app = typer.Typer(cls=Door, rich_markup_mode=None, pretty_exceptions_enable=False, add_completion=False)
    app.callback()(lambda: None)
    app.command("go", cls=Command)(command)
    with pytest.raises(SystemExit) as ended:
        app(list(words) or ["go"])
    return int(ended.value.code or 0)


def raising(error: BaseException) -> Any:
    def command() -> None:
        raise error

    return command


@pytest.mark.parametrize(
    ("error", "code", "says"),
    [
        (SpecError("no such model."), 2, "tracer: no such model.\n"),
        (InputError("too few."), 2, "tracer: too few.\n"),
        (OSError(28, "No space left on device"), 2, "tracer: [Errno 28] No space left on device\n"),
        (typer.Abort(), 2, "tracer: nothing was answered, so nothing was done. Give --yes to agree beforehand.\n"),
        (
            SystemExit(0),
            2,
            "tracer: code of the model or of a package ended the process (sys.exit(0)): nothing is shown.\n",
        ),
        (typer.Exit(1), 1, ""),
        (typer.Exit(0), 0, ""),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else None,
)
def test_what_ends_a_command(
    error: BaseException, code: int, says: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TRACER_DEBUG", raising=False)
    assert run(raising(error)) == code
    assert capsys.readouterr() == ("", says)


def test_a_command_that_returns_has_ended_well(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(lambda: None) == 0
    assert capsys.readouterr() == ("", "")


def test_a_bug_of_ours_is_said_to_be_one(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TRACER_DEBUG", raising=False)
    assert run(raising(ZeroDivisionError("by zero"))) == 2
    said = capsys.readouterr().err
    assert said.startswith("tracer: internal error: ZeroDivisionError: by zero\nThis is a bug of tracer")


@pytest.mark.parametrize("error", [SpecError("no such model."), ZeroDivisionError("by zero")])
def test_a_traceback_only_where_it_is_asked_for(
    error: Exception, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRACER_DEBUG", "1")
    assert run(raising(error)) == 2
    assert f"{type(error).__name__}: {error}" in capsys.readouterr().err.splitlines()[-1]


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("tensorflow", "tracer: tensorflow isn't installed, and this command runs Keras here. Install a backend"),
        ("my_layers", "tracer: No module named 'x'. Install it, or choose another backend (KERAS_BACKEND)."),
    ],
)
def test_what_is_not_installed_is_named(name: str, says: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(raising(ImportError("No module named 'x'", name=name))) == 2
    assert capsys.readouterr().err.startswith(says)


def listing(
    model: Annotated[str, typer.Argument()],
    format_name: Annotated[list[str] | None, typer.Option("--format")] = None,
    inputs: Annotated[str, typer.Option("--inputs")] = "",
) -> None:
    """A command that takes text."""
    print(model, format_name, repr(inputs))


@pytest.mark.parametrize(
    "words",
    [("go", ""), ("go", " "), ("go", "m", "--format", "h5", "--format", ""), ("go", "m", "--inputs", ","),
     ("go", "m", "--inputs", "\t")],
)  # fmt: skip
def test_an_empty_text_is_refused_for_a_variable_may_be_unset(
    words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(listing, *words) == 2
    said = capsys.readouterr()
    assert said.out == "" and "it is empty; is a shell variable not set?" in said.err


def test_a_default_that_is_empty_is_nobodys_mistake(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(listing, "go", "m", "--format", "h5") == 0
    assert capsys.readouterr().out == "m ['h5'] ''\n"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("goo",), "Did you mean 'go'?"),
        (("go",), "Missing argument"),
        (("go", "m", "--frmat", "h5"), "--format"),
    ],
)
def test_a_mistyped_command_line_is_trouble_and_not_a_verdict(
    words: tuple[str, ...], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(listing, *words) == 2
    said = capsys.readouterr()
    assert said.out == "" and says in said.err
