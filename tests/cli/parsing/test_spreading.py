"""A record of options is one parameter of the command, and as many options on the command line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import pytest
import typer
from typer.testing import CliRunner

from tracer.cli.parsing.spreading import spread

Seed = Annotated[int, typer.Option("--seed", min=0, help="Seed of weights.")]
Model = Annotated[str, typer.Argument(metavar="MODEL")]


@dataclass(frozen=True, kw_only=True)
class Given:
    seed: Seed = 7
    many: Annotated[list[str] | None, typer.Option("--many")] = None
    needed: Annotated[str, typer.Option("--needed")]


@spread
def example(model: Model, given: Given, loud: Annotated[bool, typer.Option("--loud")] = False) -> None:
    """Print what was given."""
    print(model, given.seed, given.many, given.needed, loud)


def run(*words: str) -> tuple[int, str]:
    app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
    app.command()(example)
    done = CliRunner().invoke(app, words)
    return done.exit_code, done.output


def test_what_is_not_given_has_the_default_of_its_field() -> None:
    assert run("m", "--needed", "x") == (0, "m 7 None x False\n")


def test_what_is_given_comes_in_the_record_and_beside_it() -> None:
    words = ("m", "--needed", "x", "--seed", "3", "--many", "a", "--many", "b", "--loud")
    assert run(*words) == (0, "m 3 ['a', 'b'] x True\n")


@pytest.mark.parametrize(("words", "says"), [(("m",), "--needed"), (("m", "--needed", "x", "--seed", "-1"), "--seed")])
def test_bounds_and_what_is_required_hold_for_fields(words: tuple[str, ...], says: str) -> None:
    code, output = run(*words)
    assert code == 2 and says in output


def test_the_help_is_that_of_the_command_with_its_options_in_order() -> None:
    code, output = run("--help")
    assert code == 0 and "Print what was given." in output and "Seed of weights." in output
    places = [output.index(option) for option in ("--seed", "--many", "--needed", "--loud")]
    assert places == sorted(places) and "given" not in output.replace("was given", "")
