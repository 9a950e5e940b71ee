"""Parameters of tests that are too many for every run of CI."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

import pytest


def some_of(parameters: Iterable[Any], *, every: int, always: Collection[Any] = ()) -> list[Any]:
    """For `parametrize`: one of so many, and those that are named, in CI; all of them in its nightly stage."""
    return [
        one if number % every == 0 or one in always else pytest.param(one, marks=pytest.mark.nightly)
        for number, one in enumerate(parameters)
    ]
