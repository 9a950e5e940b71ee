"""Is the right layer blamed, with the right cause, on the other backends too?  All plants, in their environments."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from tracer.envs.environments import prepare

pytestmark = pytest.mark.releases

_ROOT = Path(__file__).resolve().parents[2]
_RUNNER = """
import json, sys
sys.path[:0] = sys.argv[1:]
import keras
from plant_models import MODELS
from plant_runs import outcomes
from test_sharing import SHAPES, check_masks
found = [outcome for name in MODELS for outcome in outcomes(name)]
for shape in SHAPES:
    check_masks(shape)
print("FOUND" + json.dumps({
    "backend": keras.backend.backend(), "plants": len(found),
    "wrong": [str(outcome) for outcome in found if not (outcome.layer and outcome.cause)],
}))
"""


# torch's environment is of several gigabytes.
@pytest.mark.parametrize("backend", ["jax", pytest.param("torch", marks=[pytest.mark.slow, pytest.mark.nightly])])
def test_every_plant_is_blamed_with_its_cause(backend: str) -> None:
    start = prepare(None, backend, packages=["pytest"])
    environment = {**os.environ, **start.variables, "PYTHONPATH": str(_ROOT)}
    places = [str(_ROOT / "tests" / part) for part in ("quality", "workflows")]
    done = subprocess.run(
        [*start.command, "-c", _RUNNER, *places], env=environment, capture_output=True, text=True,
        timeout=1200, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.partition("FOUND")[2])
    print(f"\n{backend}: {found['plants'] - len(found['wrong'])} of {found['plants']} plants")
    assert found["backend"] == backend
    assert found["plants"] >= 290
    assert not found["wrong"], "\n".join(found["wrong"])
