"""--memory-limit: refused with the number needed, or honoured; what is foreseen, held against what is measured."""

import json
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

import tracer
from tracer.core.source import Call
from tracer.engine import host
from tracer.engine.model import footprint
from tracer.errors import MemoryLimitError
from tracer.workflows.budgeting import within
from tracer.workflows.regression import record_live
from tracer.zoo import tiny_nested, tiny_subclassed

_ROOT = Path(__file__).resolve().parents[2]
# Foreseen is between half and twice of what is measured, beyond what a backend takes for itself.
_FACTOR = 2.0
_MEASURE = """
import json, sys
sys.path.insert(0, sys.argv[1])
from benchmarks import sides
name, batch = sys.argv[2], int(sys.argv[3])
found = sides.run({"model": name, "batch": batch, "side": "clean", "repeat": 0})
from tracer.core.memory import needed
from tracer.engine.model import footprint
foreseen = footprint.footprint(sides.built(name), batch)
print(json.dumps({"measured": found["peak_mib"], "foreseen": needed(foreseen, foreseen) / 2**20}))
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="the high water can't be reset here")
@pytest.mark.parametrize(("model", "batch"), [("ladder:20", 16), ("ladder:60", 16), ("MobileNet", 16)])
def test_what_is_foreseen_is_what_is_needed(model: str, batch: int) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _MEASURE, str(_ROOT), model, str(batch)], capture_output=True, text=True, check=True
    )
    found = json.loads(done.stdout.splitlines()[-1])
    print(found)
    assert found["foreseen"] / _FACTOR <= found["measured"] <= found["foreseen"] * _FACTOR, found


def _wide(depth: int = 3) -> keras.Model:
    inputs = keras.Input((64, 64, 16))
    x = inputs
    for _ in range(depth):
        x = keras.layers.Conv2D(16, 1)(x)
    return keras.Model(inputs, x)


def _images(samples: int) -> np.ndarray:
    return np.ones((samples, 64, 64, 16), "float32")  # 256 KiB each


def test_too_much_is_refused_with_the_number_needed() -> None:
    model = _wide()
    with pytest.raises(MemoryLimitError, match=r"64 samples this needs about 219MB .* allows 100MB\. 8 would fit"):
        tracer.diff(model, model, _images(64), memory_limit="100MB")


@pytest.mark.parametrize("name", ["x.npy", "x.npz"])
def test_a_file_of_inputs_that_takes_more_is_not_read(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    (np.save if name == "x.npy" else np.savez)(path, _images(8))
    with pytest.raises(MemoryLimitError, match=rf"{name}' takes 2\.1MB when it is read, and --memory-limit allows 2MB"):
        tracer.diff("tracer.zoo:tiny_functional", "tracer.zoo:tiny_functional", path, memory_limit="2MB")


def test_what_fits_is_done() -> None:
    model = _wide()
    assert tracer.diff(model, model, _images(4), memory_limit="1GB").matches


def test_the_number_that_was_named_is_enough() -> None:
    model = _wide()
    with pytest.raises(MemoryLimitError) as refused:
        tracer.diff(model, model, _images(64), memory_limit="100MB")
    named = str(refused.value).partition("--memory-limit allows")[2].partition("--memory-limit ")[2].split()[0]
    assert tracer.diff(model, model, _images(64), memory_limit=named).matches


def test_nested_graphs_are_foreseen() -> None:
    found = footprint.footprint(tiny_nested(), 4)
    assert found is not None and found.complete and found.peak > 0


def test_depth_costs_nothing_and_width_does() -> None:
    shallow, deep = (footprint.footprint(_wide(depth), 8) for depth in (3, 30))
    assert shallow is not None and shallow == deep
    wider = footprint.footprint(_wide(), 16)
    assert wider is not None and wider.peak == 2 * shallow.peak


def test_code_of_its_own_cannot_be_foreseen() -> None:
    assert footprint.footprint(tiny_subclassed(), 4) is None


@keras.saving.register_keras_serializable("memory")
class Hoarder(keras.Model):
    """Keeps what it makes."""

    def __init__(self) -> None:
        super().__init__()
        self.steps = [keras.layers.Activation("relu", name=f"step_{i}") for i in range(12)]

    def call(self, x):
        kept = []
        for step in self.steps:
            kept.append(step(keras.ops.tile(x, (1, 200_000))))  # 8 MB a sample
        return sum(kept)


def test_what_cannot_be_foreseen_is_stopped_as_it_grows() -> None:
    model = Hoarder()
    inputs = np.ones((4, 10), "float32")
    with pytest.raises(MemoryLimitError, match=r"stopped: with 4 samples it had already taken \d+MB .* allows 100MB"):
        tracer.diff(model, model, inputs, memory_limit="100MB")
    assert tracer.diff(model, model, inputs[:1], memory_limit="3GB").matches  # and nothing is left running


def test_while_memory_is_watched_a_run_stops_at_every_call() -> None:
    """Also a proof's, which else would take what it likes between the faults."""
    (watched,) = within(1 << 40, _images(1), host.from_model(_wide()))
    watched.begin(_images(1), training=False, stops=[])
    assert isinstance(watched.receive(), Call)
    watched.close()


def test_a_check_has_a_limit_too(tmp_path: Path) -> None:
    model, inputs = _wide(), _images(64)
    record_live(model, inputs, tmp_path / "golden.safetensors")
    with pytest.raises(MemoryLimitError, match="allows 80MB"):
        tracer.check(model, tmp_path / "golden.safetensors", inputs, memory_limit="80MB")
    assert tracer.check(model, tmp_path / "golden.safetensors", inputs, memory_limit="1GB").matches


@pytest.mark.slow
def test_a_worker_is_asked(tmp_path: Path) -> None:
    _wide().save(tmp_path / "wide.keras")
    words = ["roundtrip", str(tmp_path / "wide.keras"), "--format", "keras", "--batch", "64", "--memory-limit", "100MB"]
    done = subprocess.run([sys.executable, "-m", "tracer", *words], cwd=_ROOT, capture_output=True, text=True)
    assert done.returncode == 2
    assert "this needs about" in done.stderr and "--memory-limit allows 100MB" in done.stderr
