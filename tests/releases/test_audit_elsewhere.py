"""keras#20147 with the original gone: a file of Keras 3.4.1, and what its model predicted when it was trained."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import numpy as np
import pytest

import tracer
from tracer.envs.environments import prepare

pytestmark = pytest.mark.releases

_ROOT = Path(__file__).resolve().parents[2]
_WRITE = """
import numpy as np
from tracer import zoo
x = np.random.RandomState(0).uniform(0, 255, (2, 96, 96, 3)).astype("float32")
model = zoo.pretrained_classifier()  # on an encoder with weights from a legacy .h5 file
np.savez("inputs.npz", x=x)
np.savez("outputs.npz", out=np.asarray(model(x, training=False)))
model.save("model.keras")
"""


def test_what_gives_the_predictions_back_is_named_and_the_writer_is_compared(tmp_path: Path) -> None:
    start = prepare("3.4.1", None)
    environment = {**os.environ, "PYTHONPATH": str(_ROOT), "TF_CPP_MIN_LOG_LEVEL": "3", **start.variables}
    subprocess.run(
        [*start.command, "-c", _WRITE], cwd=tmp_path, env=environment, check=True, capture_output=True, timeout=600
    )
    found = tracer.audit(
        tmp_path / "model.keras",
        inputs=str(tmp_path / "inputs.npz"),
        expected=str(tmp_path / "outputs.npz"),
        against_writer=True,
    )
    assert (found.writer, np.isfinite(found.trials[0].error or 0.0)) == ("3.4.1", True)
    given = [trial.change for trial in found.trials if trial.gives]
    assert given == ["without the statistics of its Normalization (keras#20147)"], found.trials
    assert found.trials[-1].change == "in Keras 3.4.1, which wrote it" and not found.trials[-1].note
    assert [finding.kind for finding in found.findings] == ["not-as-expected"], found.findings
    assert any("in Keras 3.4.1, which wrote it, and here: pass" in note for note in found.notes), found.notes
