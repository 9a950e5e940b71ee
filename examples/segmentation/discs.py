"""Train a small U-Net that finds discs in pictures, which are drawn here."""

from __future__ import annotations

import keras
import numpy as np
from keras import layers

from tracer.callbacks import VerifiedCheckpoint

SIZE = 32  # pixels


def pictures(count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Noisy pictures with one disc each, (count, SIZE, SIZE, 3) in 0 … 255, and the masks of the discs."""
    random = np.random.RandomState(seed)
    rows, columns = np.mgrid[:SIZE, :SIZE]
    row, column = random.uniform(8, SIZE - 8, (2, count, 1, 1))
    radius = random.uniform(4, 8, (count, 1, 1))
    masks = ((rows - row) ** 2 + (columns - column) ** 2 < radius**2)[..., np.newaxis]
    colours = random.uniform(120, 255, (count, 1, 1, 3))
    noise = random.normal(60, 20, (count, SIZE, SIZE, 3))
    return np.clip(np.where(masks, colours, noise), 0, 255).astype("float32"), masks.astype("float32")


def _block(x: keras.KerasTensor, filters: int, name: str) -> keras.KerasTensor:
    x = layers.Conv2D(filters, 3, padding="same", use_bias=False, name=f"{name}_conv")(x)
    x = layers.BatchNormalization(momentum=0.9, name=f"{name}_bn")(x)
    return layers.Activation("relu", name=f"{name}_relu")(x)


def build() -> keras.Model:
    """A compiled U-Net of two levels."""
    picture = keras.Input((SIZE, SIZE, 3), name="picture")
    top = _block(layers.Rescaling(1 / 127.5, offset=-1.0, name="rescaling")(picture), 8, "top")
    middle = _block(layers.MaxPooling2D(name="down_1")(top), 16, "middle")
    bottom = _block(layers.MaxPooling2D(name="down_2")(middle), 32, "bottom")
    y = layers.Concatenate(name="skip_2")([layers.UpSampling2D(name="up_2")(bottom), middle])
    y = _block(y, 16, "decode_2")
    y = layers.Concatenate(name="skip_1")([layers.UpSampling2D(name="up_1")(y), top])
    y = _block(y, 8, "decode_1")
    model = keras.Model(picture, layers.Conv2D(1, 1, activation="sigmoid", name="mask")(y), name="discs")
    model.compile(keras.optimizers.Adam(0.01), "binary_crossentropy", metrics=["accuracy"])
    return model


def train(path: str, epochs: int = 4) -> tuple[keras.callbacks.History, VerifiedCheckpoint]:
    """Train, and keep the best model that was seen to come back from its file."""
    keras.utils.set_random_seed(0)
    x, y = pictures(128)
    model = build()
    checkpoint = VerifiedCheckpoint(
        path,
        monitor="loss",
        save_best_only=True,
        inputs=x[:2],
        background=True,
        on_failure="keep-last-good",
    )
    history = model.fit(x, y, batch_size=16, epochs=epochs, verbose=0, callbacks=[checkpoint])
    return history, checkpoint


if __name__ == "__main__":
    history, checkpoint = train("best.keras")
    print("loss", *(round(loss, 3) for loss in history.history["loss"]))
    for file, verdict in checkpoint.verdicts.items():
        print(file, verdict.outcome)
