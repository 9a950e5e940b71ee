"""This package as somebody has it who installed it: a wheel, in a new environment, outside the checkout."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
RECIPE = (ROOT / "docs" / "ci-recipes.md").read_text(encoding="utf-8")


def environment() -> dict[str, str]:
    """Nothing of the environment that runs the tests, and nothing of the checkout."""
    left_out = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "KERAS_BACKEND")
    return {k: v for k, v in os.environ.items() if k not in left_out} | {"UV_PYTHON_DOWNLOADS": "never"}


def run(*words: str | Path, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(word) for word in words], cwd=folder, env=environment(), capture_output=True, text=True, check=False
    )


def uv(*words: str | Path) -> None:
    done = run(sys.executable, "-m", "uv", *words, folder=ROOT)
    assert done.returncode == 0, done.stderr


def install(folder: Path) -> Path:
    """The command of a new environment, installed as docs/ci-recipes.md says, and a backend to check with."""
    (extras,) = set(re.findall(r"pip install 'keras-layer-tracer\[([\w,]+)\]'", RECIPE))
    uv("build", "--quiet", "--wheel", "--python", sys.executable, "--out-dir", folder / "dist", ROOT)
    (wheel,) = (folder / "dist").glob("*.whl")
    python = folder / "env" / "bin" / "python"
    uv("venv", "--quiet", "--python", sys.executable, folder / "env")
    uv("pip", "install", "--quiet", "--python", python, f"{wheel}[{extras},tensorflow]")
    return python.with_name("tracer")
