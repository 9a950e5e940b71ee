"""What `VerifiedCheckpoint` costs a small training: a network on drawn pictures, one file an epoch, all verified."""

import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

_EPOCHS, _PICTURES, _SIZE = 4, 1536, 64


def training(repeat: int) -> dict[str, Any]:
    """Seconds of `fit` after a first epoch that compiles; files are written to a disk of this machine."""
    found: dict[str, list[float]] = {}
    for _ in range(repeat):
        for name, seconds in _round():
            found.setdefault(name, []).append(seconds)
    medians = {name: statistics.median(seconds) for name, seconds in found.items()}
    plain = medians["fit, ModelCheckpoint"]
    more = {f"{name}, more": seconds - plain for name, seconds in medians.items() if "Verified" in name}
    return {**medians, **more}


def _round() -> Iterator[tuple[str, float]]:
    import keras

    from tracer.callbacks import VerifiedCheckpoint

    pictures, classes = _drawn()
    inputs = pictures[:4]
    ways: dict[str, Callable[[Path], list[Any]]] = {
        "fit, no callback": lambda _: [],
        "fit, ModelCheckpoint": lambda folder: [keras.callbacks.ModelCheckpoint(folder / "{epoch}.keras")],
        "fit, VerifiedCheckpoint": lambda folder: [VerifiedCheckpoint(folder / "{epoch}.keras", inputs=inputs)],
        "fit, VerifiedCheckpoint in the background": lambda folder: [
            VerifiedCheckpoint(folder / "{epoch}.keras", inputs=inputs, background=True)
        ],
    }
    for name, callbacks in ways.items():
        with tempfile.TemporaryDirectory() as folder:
            model = _compiled()
            model.fit(pictures[:64], classes[:64], verbose=0)
            made = callbacks(Path(folder))
            start = time.perf_counter()
            model.fit(pictures, classes, epochs=_EPOCHS, batch_size=32, verbose=0, callbacks=made)
            yield name, time.perf_counter() - start
            outcomes = [str(verdict.outcome) for each in made for verdict in getattr(each, "verdicts", {}).values()]
            assert "failed" not in outcomes and ("Verified" not in name or "verified" in outcomes), outcomes


def _drawn() -> tuple[np.ndarray, np.ndarray]:
    """Noise with a bright square in one of four corners: the corner is the class."""
    random = np.random.RandomState(0)
    pictures = random.uniform(0, 0.5, (_PICTURES, _SIZE, _SIZE, 3)).astype("float32")
    classes = random.randint(0, 4, _PICTURES)
    half = _SIZE // 2
    for picture, corner in zip(pictures, classes, strict=True):
        row, column = half * (corner // 2), half * (corner % 2)
        picture[row + 8 : row + 24, column + 8 : column + 24] += 0.5
    return pictures, classes


def _compiled() -> Any:
    import keras
    from keras import layers

    keras.utils.set_random_seed(0)
    x = inputs = keras.Input((_SIZE, _SIZE, 3))
    for width in (16, 32, 64):
        x = layers.Conv2D(width, 3, padding="same", use_bias=False)(x)
        x = layers.Activation("relu")(layers.BatchNormalization()(x))
        x = layers.MaxPooling2D()(x)
    x = layers.Dropout(0.2)(layers.GlobalAveragePooling2D()(x))
    model = keras.Model(inputs, layers.Dense(4, activation="softmax")(x))
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model
