"""Train a classifier of short reviews on texts that are made up here."""

from __future__ import annotations

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from tracer.callbacks import VerifiedCheckpoint

THINGS = ("the film", "this book", "her song", "that game", "the food", "our room")
WORDS = {
    1: ("great", "lovely", "brilliant", "a joy", "worth it", "very good"),
    0: ("dull", "awful", "a waste", "far too long", "not good", "broken"),
}


def reviews(count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Texts of shape (count, 1), and whether each is meant well."""
    random = np.random.RandomState(seed)
    labels = random.randint(0, 2, count)
    texts = [f"{random.choice(THINGS)} is {random.choice(WORDS[label])}" for label in labels]
    return np.array(texts).reshape(-1, 1), labels.astype("float32")


def build(texts: np.ndarray) -> keras.Model:
    """A compiled classifier that knows the words of these texts."""
    words = layers.TextVectorization(max_tokens=60, output_sequence_length=8, name="words")
    words.adapt(texts.reshape(-1))
    text = keras.Input((1,), dtype="string", name="text")
    y = layers.Embedding(60, 12, name="embedding")(words(text))
    y = layers.GlobalAveragePooling1D(name="average")(y)
    y = layers.Dense(8, activation="relu", name="hidden")(y)
    model = keras.Model(text, layers.Dense(1, activation="sigmoid", name="good")(y), name="reviews")
    model.compile(keras.optimizers.Adam(0.02), "binary_crossentropy", metrics=["accuracy"])
    return model


def train(path: str, epochs: int = 3) -> tuple[keras.callbacks.History, VerifiedCheckpoint]:
    """Train, and write the model to a file that is verified after every epoch."""
    keras.utils.set_random_seed(0)
    texts, labels = reviews(256)
    model = build(texts)
    data = tf.data.Dataset.from_tensor_slices((texts, labels)).batch(32)
    checkpoint = VerifiedCheckpoint(path, inputs=texts[:4])
    history = model.fit(data, epochs=epochs, verbose=0, callbacks=[checkpoint])
    return history, checkpoint


if __name__ == "__main__":
    history, _ = train("model.keras")
    print("loss", *(round(loss, 3) for loss in history.history["loss"]))
