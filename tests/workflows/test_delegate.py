"""A delegate asks its host everything that a host can be asked, with the arguments that it was given."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

from tracer.core.host import Host
from tracer.core.layer.holdings import Holder
from tracer.core.source import Source
from tracer.workflows.delegate import Delegate

_METHODS = sorted(
    name
    for protocol in (Host, Source, Holder)
    for name, member in vars(protocol).items()
    if inspect.isfunction(member) and not name.startswith("_")
)


class Recorder:
    """Notes what it is asked."""

    process = 17

    def __init__(self) -> None:
        self.asked: list[tuple[str, list[object]]] = []

    def __getattr__(self, name: str) -> Any:
        return lambda *args, **options: self.asked.append((name, [*args, *options.values()]))


class Standing(Delegate):
    """For a recorder."""

    spec, environment, outline = "standing", {}, None  # type: ignore[assignment]

    def __init__(self) -> None:
        self.recorder = Recorder()

    def _host(self) -> Any:
        return self.recorder


@pytest.mark.parametrize("name", sorted(set(_METHODS)))
def test_what_a_host_is_asked_is_handed_on(name: str) -> None:
    standing = Standing()
    method = getattr(standing, name)
    given = {each.name: object() for each in inspect.signature(method).parameters.values()}
    method(**given)
    assert standing.recorder.asked == [(name, list(given.values()))]


def test_nothing_that_a_host_has_is_missing() -> None:
    assert len(set(_METHODS)) > 25
    assert all(hasattr(Delegate, name) for name in _METHODS)
    assert Standing().process == 17
