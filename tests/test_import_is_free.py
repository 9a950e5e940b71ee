"""Importing `tracer` imports nothing that takes time."""

import json
import subprocess
import sys
from pathlib import Path

_ROOT = Path(__file__).resolve().parent.parent
_HEAVY = ("keras", "tensorflow", "jax", "torch", "h5py", "numpy", "typer", "rich", "jinja2", "dvc", "pytest")

_PROBE = """
import json, sys, time
start = time.perf_counter()
import tracer
seconds = time.perf_counter() - start
print(json.dumps({"seconds": seconds, "modules": sorted({name.partition(".")[0] for name in sys.modules})}))
"""


def test_importing_imports_nothing_heavy() -> None:
    done = subprocess.run([sys.executable, "-c", _PROBE], cwd=_ROOT, capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    print(f"import tracer: {found['seconds'] * 1000:.0f} ms")
    assert not set(_HEAVY) & set(found["modules"])
    assert found["seconds"] < 1.0  # 0.1 s is the aim; a busy machine isn't a failure
    assert done.stderr == ""
