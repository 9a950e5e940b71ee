"""Train a small BERT that says whether the numbers of a sequence rise; the sequences are drawn here."""

from __future__ import annotations

import keras
import keras_hub
import numpy as np
from keras import layers

from tracer.callbacks import VerifiedCheckpoint

LENGTH, WORDS = 12, 40


def sequences(count: int, seed: int = 0) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Sequences of 4 to LENGTH numbers, padded with zeros, as a BERT takes them; and whether they rise."""
    random = np.random.RandomState(seed)
    lengths = random.randint(4, LENGTH + 1, count)
    rising = np.arange(count) % 2
    tokens = np.zeros((count, LENGTH), "int32")
    for row, length, rises in zip(tokens, lengths, rising, strict=True):
        numbers = np.sort(random.choice(np.arange(1, WORDS), length, replace=False))
        row[:length] = numbers if rises else numbers[::-1]
    mask = (tokens > 0).astype("int32")
    return {"token_ids": tokens, "padding_mask": mask, "segment_ids": np.zeros_like(tokens)}, rising


def build() -> keras.Model:
    """A compiled classifier on a BERT with fresh weights."""
    bert = keras_hub.models.BertBackbone(
        vocabulary_size=WORDS,
        num_layers=2,
        num_heads=2,
        hidden_dim=16,
        intermediate_dim=32,
        max_sequence_length=LENGTH,
        name="bert",
    )
    rises = layers.Dense(1, activation="sigmoid", name="rises")(bert.output["pooled_output"])
    model = keras.Model(bert.input, rises, name="order")
    model.compile(keras.optimizers.Adam(3e-3), "binary_crossentropy", metrics=["accuracy"])
    return model


def train(path: str, epochs: int = 4) -> tuple[keras.callbacks.History, VerifiedCheckpoint]:
    """Train, and stop if a file isn't the model in memory."""
    keras.utils.set_random_seed(0)
    x, y = sequences(256)
    few = {name: values[:4] for name, values in x.items()}
    checkpoint = VerifiedCheckpoint(path, monitor="loss", save_best_only=True, inputs=few)
    history = build().fit(x, y, batch_size=16, epochs=epochs, verbose=0, callbacks=[checkpoint])
    return history, checkpoint


if __name__ == "__main__":
    history, checkpoint = train("best.keras")
    print("loss", *(round(loss, 3) for loss in history.history["loss"]))
    for file, verdict in checkpoint.verdicts.items():
        print(file, verdict.outcome)
