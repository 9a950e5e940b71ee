"""Train a classifier of shapes on an EfficientNetB0, with pictures that are drawn here."""

from __future__ import annotations

import keras
import numpy as np
from keras import layers

from tracer.callbacks import VerifiedCheckpoint

SIZE = 64  # pixels
SHAPES = ("disc", "square", "cross")


def pictures(count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Noisy pictures with one bright shape each, (count, SIZE, SIZE, 3) in 0 … 255, and the number of the shape."""
    random = np.random.RandomState(seed)
    kinds = np.arange(count) % len(SHAPES)
    rows, columns = np.mgrid[:SIZE, :SIZE]
    row, column = random.uniform(24, SIZE - 24, (2, count, 1, 1))
    size = random.uniform(12, 20, (count, 1, 1))
    down, right = np.abs(rows - row), np.abs(columns - column)
    inside = np.maximum(down, right) < size
    drawn = (down**2 + right**2 < size**2, inside, inside & (np.minimum(down, right) < size / 3))
    masks = np.choose(kinds[:, np.newaxis, np.newaxis], drawn)[..., np.newaxis]
    colours = random.uniform(140, 255, (count, 1, 1, 3))
    noise = random.normal(60, 20, (count, SIZE, SIZE, 3))
    return np.clip(np.where(masks, colours, noise), 0, 255).astype("float32"), kinds


def build(weights: str | None = None) -> keras.Model:
    """A compiled classifier; `weights="imagenet"` begins with what the encoder has learned elsewhere."""
    encoder = keras.applications.EfficientNetB0(include_top=False, weights=weights, input_shape=(SIZE, SIZE, 3))
    encoder.trainable = True
    picture = keras.Input((SIZE, SIZE, 3), name="picture")
    features = layers.GlobalAveragePooling2D(name="pool")(encoder(picture))
    model = keras.Model(picture, layers.Dense(len(SHAPES), activation="softmax", name="shape")(features), name="shapes")
    model.compile(keras.optimizers.Adam(1e-3), "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def train(path: str, epochs: int = 3) -> tuple[keras.callbacks.History, VerifiedCheckpoint]:
    """Train, and stop if a file isn't the model in memory."""
    keras.utils.set_random_seed(0)
    x, y = pictures(96)
    checkpoint = VerifiedCheckpoint(path, monitor="loss", save_best_only=True, inputs=x[:2])
    history = build().fit(x, y, batch_size=16, epochs=epochs, verbose=0, callbacks=[checkpoint])
    return history, checkpoint


if __name__ == "__main__":
    history, checkpoint = train("best.keras")
    print("loss", *(round(loss, 3) for loss in history.history["loss"]))
    for file, verdict in checkpoint.verdicts.items():
        print(file, verdict.outcome)
