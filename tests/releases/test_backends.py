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
_FULL = {"jax": ["float32"], "torch": [False, "ieee", "ieee", "ieee"]}
_RUNNER = """
import contextlib, json, sys
sys.path[:0] = sys.argv[1:-1]
import keras
import tracer
from innocents import pairs_of
from plant_models import MODELS
from plant_runs import outcomes
from test_sharing import SHAPES, check_masks
from tracer.engine.run import precision


def dense(seed):
    keras.utils.set_random_seed(seed)
    return keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, name="dense")])


def precisions():
    if keras.backend.backend() == "jax":
        import jax
        return [jax.config.jax_default_matmul_precision]
    import torch
    cudnn, products = torch.backends.cudnn, torch.backends.cuda.matmul
    return [cudnn.allow_tf32, *(getattr(part, "fp32_precision", "") for part in (cudnn.conv, cudnn.rnn, products))]


before = precisions()
with contextlib.ExitStack() as asked:
    getattr(precision, "full_of_" + keras.backend.backend())(asked)
    within = precisions()
every = int(sys.argv.pop())
found = [outcome for name in list(MODELS)[::every] for outcome in outcomes(name)]
for shape in SHAPES:
    check_masks(shape)
print("FOUND" + json.dumps({
    "backend": keras.backend.backend(), "plants": len(found),
    "wrong": [str(outcome) for outcome in found if not (outcome.layer and outcome.cause)],
    "precisions": [before, within, precisions()],
    "accused": [pair.accused for pair in pairs_of("random_layers") if pair.accused],
    "evidence": [e.name for e in tracer.diff(dense(1), dense(2)).faults[0].evidence],
}))
"""


_AT_NIGHT = [pytest.mark.slow, pytest.mark.nightly]


# torch's environment is of several gigabytes.
@pytest.mark.parametrize(
    ("backend", "every", "at_least"),
    [("jax", 4, 90), pytest.param("jax", 1, 290, marks=_AT_NIGHT), pytest.param("torch", 1, 290, marks=_AT_NIGHT)],
)
def test_every_plant_is_blamed_with_its_cause(backend: str, every: int, at_least: int) -> None:
    start = prepare(None, backend, packages=["pytest"])
    environment = {**os.environ, **start.variables, "PYTHONPATH": str(_ROOT)}
    places = [str(_ROOT / "tests" / part) for part in ("quality", "workflows")]
    done = subprocess.run(
        [*start.command, "-c", _RUNNER, *places, str(every)], env=environment, capture_output=True, text=True,
        timeout=1200, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.partition("FOUND")[2])
    print(f"\n{backend}: {found['plants'] - len(found['wrong'])} of {found['plants']} plants")
    assert found["backend"] == backend
    assert found["plants"] >= at_least
    assert not found["wrong"], "\n".join(found["wrong"])
    assert not found["accused"], "in training, random layers draw the same numbers on both sides"
    before, within, after = found["precisions"]
    assert within == _FULL[backend]
    assert before == after != within
    assert found["evidence"] == ["kernel"], "what the backend itself keeps in a layer is no evidence"
