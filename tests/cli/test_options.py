"""`tracer.cli.options`: what several commands share is spelled once, and reaches the workflows under their names."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import pytest

from tracer import workflows
from tracer.cli.commands.diff import diff
from tracer.cli.commands.roundtrip import roundtrip
from tracer.cli.options import Calling, Limits, packages, training_argument
from tracer.errors import SpecError


@pytest.mark.parametrize(
    ("training", "as_called", "handed_on"), [(False, False, False), (True, False, True), (False, True, None)]
)
def test_what_models_are_called_with(training: bool, as_called: bool, handed_on: bool | None) -> None:
    assert training_argument(training, as_called) is handed_on


def test_a_model_is_called_in_one_way() -> None:
    with pytest.raises(SpecError, match="exclude each other"):
        training_argument(True, True)


def test_packages_of_other_environments() -> None:
    assert packages(None, None) == ()
    assert packages(["hub==1", "text"], "2.16.2") == ("hub==1", "text", "tensorflow==2.16.2")


def test_options_reach_the_workflows_as_they_were_given() -> None:
    calling = Calling(inputs="x.npz", seed=3, batch=4, batch_size=5, as_called=True)
    assert calling.arguments() == {"seed": 3, "batch": 4, "batch_size": 5, "training": None}
    assert Limits(with_packages=["hub==1"], memory_limit="2GB", strict=True, sequential=True).arguments() == {
        "packages": ("hub==1",),
        "memory_limit": "2GB",
        "strict": True,
        "trust": False,
        "sequential": True,
    }
    with pytest.raises(SpecError, match="exclude each other"):
        Calling(training=True, as_called=True).arguments()


@pytest.mark.parametrize("command", [diff, roundtrip])
def test_both_comparisons_have_every_shared_option(command: Callable[..., None]) -> None:
    parameters: Any = inspect.signature(command).parameters
    for record in (Calling, Limits):
        shared = inspect.signature(record).parameters
        assert {name: parameters[name].default for name in shared} == {n: p.default for n, p in shared.items()}


@pytest.mark.parametrize("workflow", [workflows.diff, workflows.roundtrip, workflows.roundtrip_formats])
def test_the_workflows_take_them_under_these_names_with_these_defaults(workflow: Callable[..., object]) -> None:
    taken = inspect.signature(workflow).parameters
    for arguments in (Calling().arguments(), Limits().arguments()):
        assert {name: taken[name].default for name in arguments} == arguments
