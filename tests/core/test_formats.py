"""Formats by name: which are tried, and what an unknown one is answered with."""

from __future__ import annotations

from typing import get_args

import pytest

from tracer.core.formats import ALL, FORMATS, FormatName, chosen, format_named
from tracer.errors import SpecError


def test_those_of_every_day_when_none_is_named() -> None:
    assert chosen(None, tuple(FORMATS)) == ("keras", "h5", "weights", "config")
    assert chosen([], ("keras", "weights", "sharded")) == ("keras", "weights")


def test_all_are_those_that_the_model_has() -> None:
    assert chosen([ALL], ("keras", "sharded")) == ("keras", "sharded")
    assert chosen(["h5", ALL, "keras"], ("keras", "sharded")) == ("h5", "keras", "sharded")


def test_what_is_asked_for_by_name_is_tried_in_any_case() -> None:
    assert chosen(["h5", "h5"], ("keras",)) == ("h5",)


@pytest.mark.parametrize("name", ["Keras", "tf", "", "onnx"])
def test_an_unknown_one_is_answered_with_the_known_ones(name: str) -> None:
    for ask in (lambda: format_named(name), lambda: chosen([name], ("keras",))):
        with pytest.raises(SpecError, match=r"known are keras, h5, weights, config.* and all for every one") as raised:
            ask()
        assert repr(name) in str(raised.value)


def test_every_family_is_an_everyday_format_or_none() -> None:
    everyday = {name for name, way in FORMATS.items() if way.everyday}
    assert {way.family for way in FORMATS.values()} == everyday | {""}
    assert all(FORMATS[name].family == name for name in everyday)


def test_type_checkers_know_every_name() -> None:
    assert get_args(FormatName) == tuple(FORMATS)
