"""keras#20147 as its user met it: trained on the bad release, and stopped at its first epoch."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tracer.envs.environments import prepare

pytestmark = pytest.mark.releases

_ROOT = Path(__file__).resolve().parents[2]
_TRAIN = """
import sys
import keras
import numpy as np
from tracer import zoo
from tracer.callbacks import VerifiedCheckpoint

images = np.random.RandomState(0).uniform(0, 255, (8, 96, 96, 3)).astype("float32")
classes = np.arange(8) % 10
model = zoo.pretrained_classifier()  # EfficientNetB0 as a trainable base, with weights from a legacy .h5 file
model.compile(keras.optimizers.Adam(1e-5), "sparse_categorical_crossentropy")
epochs = []
seen = keras.callbacks.LambdaCallback(on_epoch_begin=lambda epoch, logs: epochs.append(epoch))
checkpoint = VerifiedCheckpoint("best.keras", inputs=images[:2], background=sys.argv[1] == "background")
try:
    model.fit(images, classes, batch_size=8, epochs=2, verbose=0, callbacks=[seen, checkpoint])
except AssertionError as error:
    print("STOPPED", epochs, error)
else:
    print("TRAINED", epochs, [str(verdict.outcome) for verdict in checkpoint.verdicts.values()])
"""


def train(release: str, way: str, folder: Path) -> str:
    """What a training says in a release; its environment has Keras and NumPy, and nothing of this tool's."""
    start = prepare(release, None)
    environment = {**os.environ, "PYTHONPATH": str(_ROOT), "TF_CPP_MIN_LOG_LEVEL": "3", **start.variables}
    done = subprocess.run(
        [*start.command, "-c", _TRAIN, way], cwd=folder, env=environment, capture_output=True, text=True, timeout=900
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_on_the_bad_release_it_is_stopped_at_its_first_epoch(tmp_path: Path) -> None:
    said = train("3.4.1", "foreground", tmp_path)
    assert said.startswith("STOPPED [0] best.keras doesn't hold the model in memory: normalization (unsaved-state)"), (
        said
    )
    assert "mean: [0, 0, 0] in the reference, [0.485, 0.456, 0.406] in the candidate" in said
    assert "remedy: " in said


def test_on_the_bad_release_the_background_names_the_same_layer(tmp_path: Path) -> None:
    said = train("3.4.1", "background", tmp_path)
    assert said.startswith("STOPPED") and "hold the model in memory: normalization (unsaved-state)" in said, said
    assert "mean: [0, 0, 0] in the reference, [0.485, 0.456, 0.406] in the candidate" in said


def test_on_the_fixed_release_it_trains_on(tmp_path: Path) -> None:
    assert train("3.6.0", "foreground", tmp_path) == "TRAINED [0, 1] ['verified']\n"
