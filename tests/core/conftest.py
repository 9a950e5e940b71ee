"""Two processes that serve scripted sources over the real wire, for all tests of the core."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tracer.envs.remote import RemoteHost

_HERE = Path(__file__).resolve().parent


@pytest.fixture(scope="session")
def workers() -> Iterator[tuple[RemoteHost, RemoteHost]]:
    """Build a script on one (`scripted.to_text`), and it is a source in another process."""
    variables = {"PYTHONPATH": os.pathsep.join([str(_HERE), str(_HERE.parents[1])])}
    pair = tuple(RemoteHost(environment=variables, module="serve_scripted") for _ in range(2))
    yield pair  # type: ignore[misc]
    for worker in pair:
        worker.close()
