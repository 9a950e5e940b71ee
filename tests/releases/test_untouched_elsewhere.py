"""Training with `VerifiedCheckpoint` and without it, bit for bit: on every backend, compiled by XLA, on two devices."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tracer.envs.environments import prepare

pytestmark = pytest.mark.releases

_ROOT = Path(__file__).resolve().parents[2]
_RUNNER = """
import sys, tempfile
import keras, numpy as np
from keras import layers
from tracer.callbacks import VerifiedCheckpoint

x = np.random.RandomState(0).normal(5.0, 3.0, (64, 4)).astype("float32")
y = x.sum(axis=1, keepdims=True)
compiler = {"auto": "auto", "xla": True, "eager": False, "parallel": "auto"}[sys.argv[1]]
if sys.argv[1] == "parallel":
    keras.distribution.set_distribution(keras.distribution.DataParallel())
    assert len(keras.distribution.list_devices()) == 2

def trained(callbacks):
    keras.backend.clear_session()
    keras.utils.set_random_seed(0)
    inputs = keras.Input((4,))
    z = layers.Dropout(0.3)(layers.BatchNormalization()(layers.Dense(8, activation="tanh")(inputs)))
    model = keras.Model(inputs, layers.Dense(1)(layers.GaussianNoise(0.1)(z)))
    model.compile("adam", "mse", metrics=["mae"], jit_compile=compiler)
    history = model.fit(x, y, epochs=2, batch_size=16, verbose=0, callbacks=callbacks).history
    seeds = [g.state for layer in model._flatten_layers() for g in getattr(layer, "_seed_generators", [])]
    held = [*model.variables, *model.optimizer.variables, *model.metrics_variables, *seeds]
    drawn = [float(keras.random.uniform(())), float(np.random.rand())]
    verified = history.pop("verified", None)
    return [keras.ops.convert_to_numpy(v).tobytes() for v in held], history, drawn, verified

plain = trained([])
assert trained([])[:3] == plain[:3], "this training doesn't repeat by itself"
for background in (False, True):
    with tempfile.TemporaryDirectory() as folder:
        checkpoint = VerifiedCheckpoint(folder + "/{epoch}.keras", inputs=x[:4], background=background)
        found = trained([checkpoint])
        assert found[:3] == plain[:3], ("touched", background)
        assert {str(v.outcome) for v in checkpoint.verdicts.values()} == {"verified"}, checkpoint.verdicts
print("UNTOUCHED", keras.backend.backend(), sys.argv[1])
"""


# torch's environment is of several gigabytes; it compiles with a compiler of C++, which isn't everywhere.
@pytest.mark.parametrize(
    ("backend", "compiler"),
    [
        ("tensorflow", "xla"),
        ("jax", "auto"),
        pytest.param("jax", "xla", marks=pytest.mark.nightly),
        pytest.param("jax", "eager", marks=pytest.mark.nightly),
        ("jax", "parallel"),
        pytest.param("torch", "eager", marks=[pytest.mark.slow, pytest.mark.nightly]),
    ],
)
def test_training_is_the_same_bit_for_bit(backend: str, compiler: str, tmp_path: Path) -> None:
    start = prepare(None, backend)
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", **start.variables, "PYTHONPATH": str(_ROOT)}
    if compiler == "parallel":
        environment["XLA_FLAGS"] = "--xla_force_host_platform_device_count=2"
    done = subprocess.run(
        [*start.command, "-c", _RUNNER, compiler], cwd=tmp_path, env=environment, capture_output=True, text=True,
        timeout=600, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout == f"UNTOUCHED {backend} {compiler}\n"


_LOADED = """
import keras, torch, tracer
from torch.utils.data import DataLoader, TensorDataset

model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(2)])
x, y = torch.randn(10, 8), torch.zeros(10)
for data in (TensorDataset(x, y), x):
    report = tracer.roundtrip(model, DataLoader(data, batch_size=4))
    print(report.status, report.batches, report.inputs.samples, len(report.inputs.conversions))
"""


@pytest.mark.nightly
def test_what_torch_loads_is_compared_batch_by_batch(tmp_path: Path) -> None:
    start = prepare(None, "torch")
    environment = {**os.environ, **start.variables, "PYTHONPATH": str(_ROOT)}
    command = [*start.command, "-c", _LOADED]
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=600, check=False
    )
    assert done.stdout == "pass 3 10 1\npass 3 10 0\n", done.stderr[-3000:]  # with labels, which are told
