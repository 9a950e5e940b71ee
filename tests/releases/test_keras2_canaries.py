"""Files of Keras 2 that do on loading what none may: refused before Keras 2 sees them, by `diff` and by `migrate`."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import canaries
import pytest
from sampling import some_of

import tracer
from tracer.errors import TrustError

pytestmark = pytest.mark.releases


def graph(*held: Any) -> Any:
    """A functional model as Keras 2 writes it into a `.h5` file."""
    start = {"batch_input_shape": [None, 4], "dtype": "float32", "name": "x", "ragged": False, "sparse": False}
    first = {"class_name": "InputLayer", "config": start, "name": "x", "inbound_nodes": []}
    ends = {"input_layers": [["x", 0, 0]], "output_layers": [["x", 0, 0]]}
    return {"class_name": "Functional", "config": {"name": "m", "layers": [first, *held], **ends}}


def called(marker: Path, function: str) -> Any:
    """A function of TensorFlow that is called with constants, as soon as the graph is built."""
    config = {"name": "f", "function": function, "dtype": "float32", "trainable": True}
    node = ["_CONSTANT_VALUE", -1, str(marker), {"contents": "executed"}]
    return {"class_name": "TFOpLambda", "config": config, "name": "f", "inbound_nodes": [node]}


CONFIGS: dict[str, Callable[[Path], Any]] = {
    "write_file": lambda marker: graph(called(marker, "io.write_file")),
    "raw_write_file": lambda marker: graph(called(marker, "raw_ops.WriteFile")),
    "load_library": lambda marker: graph(called(marker, "load_op_library")),
    "lambda": lambda marker: canaries.CONFIGS["keras_2_lambda"](marker),
}


@pytest.mark.parametrize("write", [canaries.write_legacy, canaries.write_archive], ids=["h5", "keras"])
@pytest.mark.parametrize("name", some_of(CONFIGS, every=4))
def test_a_canary_is_refused_by_diff_and_migrate(name: str, write: Callable[..., Path], tmp_path: Path) -> None:
    marker = tmp_path / "executed"
    path = write(tmp_path / ("m.h5" if write is canaries.write_legacy else "m.keras"), CONFIGS[name](marker))
    with pytest.raises(TrustError, match="--trust"):
        tracer.diff(f"{path}@2.15.0", f"{path}@2.15.0")
    with pytest.raises(TrustError, match="--trust"):
        tracer.migrate(path, tmp_path / "new.keras")
    assert sorted(found.name for found in tmp_path.iterdir()) == [path.name]


def test_the_command_ends_with_2_and_the_payload_is_real(tmp_path: Path) -> None:
    marker = tmp_path / "executed"
    path = canaries.write_legacy(tmp_path / "m.h5", CONFIGS["write_file"](marker))

    def migrate(*options: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "tracer", "migrate", str(path), "-o", str(tmp_path / "new.keras"), *options]
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)

    refused = migrate()
    assert refused.returncode == 2
    assert "layer 'f': TFOpLambda calls 'io.write_file'" in refused.stderr and "--trust" in refused.stderr
    assert not marker.exists()
    migrate("--trust")
    assert marker.exists()
