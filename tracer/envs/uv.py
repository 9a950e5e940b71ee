"""uv: where it is, and running it with its last words kept."""

from __future__ import annotations

import functools
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path

from tracer.errors import WorkerError
from tracer.progress import Progress
from tracer.system import processes

# TensorFlow before 2.16 has no wheels for 3.12, before 2.20 none for 3.13; 3.11 runs every Keras 3.
_PYTHONS = ("3.11", "3.12", "3.13")


def find_uv() -> str:
    """The program.

    Raises:
        WorkerError: if it isn't installed.
    """
    beside = Path(sys.executable).parent / "uv"
    if beside.exists():
        return str(beside)
    if importlib.util.find_spec("uv") is not None:
        from uv import find_uv_bin

        return str(find_uv_bin())
    found = shutil.which("uv")
    if found is None:
        raise WorkerError(
            "uv is needed to run another Keras and isn't installed. Install it: pip install 'keras-layer-tracer[envs]'."
        )
    return found


def uv_variables() -> dict[str, str]:
    """This process' variables, for uv: no Python is ever downloaded, and the environment at hand isn't meant."""
    kept = {
        name: value for name, value in os.environ.items() if name not in ("VIRTUAL_ENV", "PYTHONPATH", "PYTHONHOME")
    }
    return {**kept, "UV_PYTHON_DOWNLOADS": "never"}


@functools.cache
def find_python(version: str = "") -> str:
    """A Python of this machine to make environments from: of that version, or the first that runs every Keras 3.

    Raises:
        WorkerError: if there is none.
    """
    found = _look_for([version] if version else _PYTHONS)
    if not found:
        wanted = version or " or ".join(_PYTHONS)
        raise WorkerError(f"no Python {wanted} was found to run another Keras in. Install one.")
    return found


def has_python(version: str) -> bool:
    """Whether this machine has a Python of that version.

    Raises:
        WorkerError: if uv can't be asked.
    """
    return bool(_look_for([version]))


def _look_for(versions: Sequence[str]) -> str:
    """The first of these; "" where there is none."""
    # The system's first: a project's own virtual environment comes and goes, and would give other names elsewhere.
    for wanted, where in product(versions, (["--system"], [])):
        words = [find_uv(), "python", "find", *where, wanted]
        done = subprocess.run(words, env=uv_variables(), capture_output=True, text=True, check=False)
        if done.returncode == 0:
            return done.stdout.strip()
        if "Failed to initialize cache" in done.stderr:
            raise WorkerError(
                f"uv, which runs another Keras, can't keep files: {' '.join(done.stderr.split())}. Make "
                "that folder writable, or name another one: UV_CACHE_DIR, and XDG_CACHE_HOME for what tracer keeps."
            )
    return ""


def run_uv(words: Sequence[str], what: str, progress: Progress | None = None, given: str = "") -> str:
    """Run uv and return what it printed on standard output; `progress` is told `what` while it works.

    Raises:
        WorkerError: if uv fails, with its last words.
    """
    return run([find_uv(), *words], what, progress, given)


def run(
    words: Sequence[str],
    what: str,
    progress: Progress | None = None,
    given: str = "",
    variables: Mapping[str, str] | None = None,
) -> str:
    """The same for any program; `given` is its standard input, `variables` are uv's where none are given.

    It doesn't outlive this process, even where this one is killed.
    """
    with tempfile.TemporaryFile() as put, tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as log:
        put.write(given.encode())
        put.seek(0)
        guarded = processes.ending_with_this(words)
        process = subprocess.Popen(guarded, stdin=put, stdout=out, stderr=log, env=variables or uv_variables())
        with processes.killed_if_left(process):
            while True:
                if progress is not None:
                    progress(what, 0, 0)
                try:
                    code = process.wait(timeout=0.5)
                    break
                except subprocess.TimeoutExpired:
                    continue
        if code != 0:
            said = processes.last_words(log) or "(none)"
            raise WorkerError(f"{what} failed (exit status {code}). The last words:\n{said}")
        out.seek(0)
        return out.read().decode(errors="replace")
