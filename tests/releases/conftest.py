"""What the tests of an installed wheel share."""

from pathlib import Path

import pytest
from installed import install


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The command of a new environment, installed as docs/ci-recipes.md says, and a backend to check with."""
    pytest.importorskip("uv", reason="builds and installs with uv: pip install 'keras-layer-tracer[envs]'")
    return install(tmp_path_factory.mktemp("installed"))


@pytest.fixture
def empty(tmp_path: Path) -> Path:
    folder = tmp_path / "empty"
    folder.mkdir()
    return folder
