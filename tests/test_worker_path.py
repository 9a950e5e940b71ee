"""What a worker imports in a foreign environment: no typer, rich, jinja2, dvc or pytest has to be there."""

import subprocess
import sys
from pathlib import Path

import pytest

_ROOT = Path(__file__).resolve().parent.parent

_PROBE = """
import importlib, sys

class Blocker:
    def find_spec(self, name, path=None, target=None):
        absent = "typer rich click jinja2 dvc pytest hypothesis psutil fastjsonschema".split()
        if name.partition(".")[0] in absent:
            raise ModuleNotFoundError(f"{name} isn't there in a worker's environment", name=name)

sys.meta_path.insert(0, Blocker())
importlib.import_module(sys.argv[1])
"""


@pytest.mark.parametrize(
    "module",
    ["tracer.worker", "tracer.workflows", "tracer.core.numbers.difference", "tracer.engine", "tracer.files.screening"],
)
def test_imports_with_numpy_and_keras_alone(module: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _PROBE, module], cwd=_ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_the_probe_blocks() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _PROBE, "tracer.cli"], cwd=_ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "isn't there in a worker's environment" in done.stderr
