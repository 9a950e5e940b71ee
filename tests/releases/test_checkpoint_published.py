"""keras#20147 and keras#20460 as their users met them: trained on the bad release, and stopped at the first epoch."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tracer.envs.environments import prepare

pytestmark = pytest.mark.releases

_ROOT = Path(__file__).resolve().parents[2]
_MODELS = {
    "classifier": ("zoo.pretrained_classifier()", 96, "np.arange(4) % 10", "sparse_categorical_crossentropy"),
    # The published U-Net is on EfficientNetB7, which has the same layer at its bottom and takes minutes here.
    "unet": (
        "zoo.pretrained_unet(64, 'EfficientNetB0')",
        64,
        "(images[..., :1] > 128).astype('float32')",
        "binary_crossentropy",
    ),
}
_TRAIN = """
import sys
import keras
import numpy as np
from tracer import zoo
from tracer.callbacks import VerifiedCheckpoint

size = int(sys.argv[2])
images = np.random.RandomState(0).uniform(0, 255, (4, size, size, 3)).astype("float32")
model = eval(sys.argv[1])  # on an encoder that is trained on, with weights from a legacy .h5 file
model.compile(keras.optimizers.Adam(1e-5), sys.argv[4])
epochs = []
seen = keras.callbacks.LambdaCallback(on_epoch_begin=lambda epoch, logs: epochs.append(epoch))
checkpoint = VerifiedCheckpoint("best.keras", inputs=images[:2], background=sys.argv[5] == "background")
try:
    model.fit(images, eval(sys.argv[3]), batch_size=4, epochs=2, verbose=0, callbacks=[seen, checkpoint])
except AssertionError as error:
    print("STOPPED", epochs, error)
else:
    print("TRAINED", epochs, [str(verdict.outcome) for verdict in checkpoint.verdicts.values()])
"""


def train(release: str, model: str, way: str, folder: Path) -> str:
    """What a training says in a release; its environment has Keras and NumPy, and nothing of this tool's."""
    start = prepare(release, None)
    environment = {**os.environ, "PYTHONPATH": str(_ROOT), "TF_CPP_MIN_LOG_LEVEL": "3", **start.variables}
    words = [*start.command, "-c", _TRAIN, *map(str, _MODELS[model]), way]
    done = subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("model", ["unet", pytest.param("classifier", marks=pytest.mark.nightly)])
def test_on_the_bad_release_it_is_stopped_at_its_first_epoch(tmp_path: Path, model: str) -> None:
    said = train("3.4.1", model, "foreground", tmp_path)
    assert said.startswith("STOPPED [0] best.keras doesn't hold the model in memory: normalization (unsaved-state)"), (
        said
    )
    assert "mean: [0, 0, 0] in the reference, [0.485, 0.456, 0.406] in the candidate" in said
    assert "remedy: " in said


def test_on_the_bad_release_the_background_names_the_same_layer(tmp_path: Path) -> None:
    said = train("3.4.1", "unet", "background", tmp_path)
    assert said.startswith("STOPPED") and "hold the model in memory: normalization (unsaved-state)" in said, said
    assert "mean: [0, 0, 0] in the reference, [0.485, 0.456, 0.406] in the candidate" in said


def test_on_the_fixed_release_it_trains_on(tmp_path: Path) -> None:
    assert train("3.6.0", "unet", "foreground", tmp_path) == "TRAINED [0, 1] ['verified']\n"
