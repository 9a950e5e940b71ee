"""A worker that several files share: starting one takes seconds."""

from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import pytest

from tracer.core.environment import Wanted
from tracer.envs.remote import RemoteHost


@pytest.fixture(scope="session")
def models() -> Path:
    """The folder of `remote_models`, which pytest has put on the path of this process; so a worker imports it too."""
    return Path(__file__).resolve().parent


@pytest.fixture(scope="session")
def worker(models: Path) -> Iterator[RemoteHost]:
    """For all tests that don't kill it; it was asked for the Keras and for a package that this environment has."""
    wanted = Wanted(keras=version("keras"), packages={"safetensors": ""})
    remote = RemoteHost(wanted=wanted)
    yield remote
    remote.close()
