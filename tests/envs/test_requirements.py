"""`tracer.envs.requirements`: what an environment is made of, and what a process in it has to say that it runs."""

from __future__ import annotations

import pytest

from tracer.core.environment import Wanted
from tracer.envs.requirements import Recipe, backend_for, numbers_of, recipe
from tracer.errors import SpecError


def newest(distribution: str) -> str:
    """Nothing is asked of a registry."""
    return {"keras": "3.15.1", "keras-nightly": "3.16.0.dev1"}.get(distribution, "9.9")


@pytest.mark.parametrize(
    ("release", "numbers"),
    [("3.4.1", (3, 4)), ("3.10", (3, 10)), ("3", (3, 0)), ("3.16.0.dev2", (3, 16)), ("latest", None), (None, None)],
)
def test_numbers_of_a_release(release: str | None, numbers: tuple[int, int] | None) -> None:
    assert numbers_of(release) == numbers


def test_what_no_measurement_has_seen_gets_the_newest_backend() -> None:
    for backend in ("tensorflow", "jax", "torch"):
        assert backend_for(backend, "3.15.1") is not None
        assert backend_for(backend, "3.16.0") is None
        assert backend_for(backend, "nightly") is None
    assert backend_for("mxnet", "3.4.1") is None
    assert "tensorflow==9.9" in recipe("3.16.0", None, (), newest).requirements


def test_the_order_in_which_packages_are_given_makes_no_other_environment() -> None:
    one = recipe("3.4.1", None, ("b==1", "a"), newest)
    assert one == recipe("3.4.1", "tensorflow", ("a", "b==1"), newest)
    assert list(one.requirements) == sorted(one.requirements)


def test_a_package_of_another_backend_is_left_out() -> None:
    assert recipe("3.6.0", "jax", ("tensorflow==2.16.2", "hub"), newest).requirements == (
        "hub", "jax==0.10.2", "keras==3.6.0",
    )  # fmt: skip


def test_a_build_of_the_nightly_is_named_as_one_and_replaces_keras() -> None:
    found = recipe("3.16.0.dev7", None, (), newest)
    assert found.requirements == ("keras-nightly==3.16.0.dev7", "tensorflow==9.9")
    assert recipe("nightly", None, (), newest).release == "3.16.0.dev1"


def test_what_has_to_run_is_said_without_keras_itself_among_the_packages() -> None:
    made = recipe("3.4.1", None, ("Some_Hub==0.2", "text"), newest)
    assert made.wanted == Wanted(
        keras="3.4.1", backend="tensorflow", packages={"some-hub": "0.2", "tensorflow": "2.17.1", "text": ""}
    )
    nightly = Recipe(release="3.16.0.dev1", backend="jax", requirements=("keras-nightly==3.16.0.dev1",), python="3.12")
    assert nightly.wanted == Wanted(keras="3.16.0.dev1", backend="jax", python="3.12")


@pytest.mark.parametrize("package", ["", " ", "==1", "-r file", "[extra]"])
def test_what_is_no_requirement_is_said(package: str) -> None:
    with pytest.raises(SpecError, match="is no requirement; write a package's name"):
        recipe("3.4.1", None, (package,), newest)


def test_an_old_keras_2_is_refused_with_what_can_be_done() -> None:
    for release in ("2.10.0", "2"):
        with pytest.raises(SpecError, match=rf"Keras {release} can't be traced: .*2.11 on can.*name that instead"):
            recipe(release, None, (), newest)
