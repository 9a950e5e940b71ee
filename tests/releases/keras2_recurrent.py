"""Runs in Keras 2, in the current folder: writes a model of many stacks of recurrent cells, inputs and predictions.

Every step multiplies what is off, and TensorFlow 2.15 approximates `tanh` otherwise than later releases do.
"""

import keras
import numpy as np
from keras import layers

STACKS = 20
STEPS = 32


def build():  # type: ignore[no-untyped-def]
    """Stacks side by side, of small inputs, of inputs that end in zeros, and of ordinary ones."""
    keras.utils.set_random_seed(5)
    numbers = np.random.RandomState(5)
    ids, x = layers.Input((STEPS // 2,), dtype="int32"), layers.Input((STEPS, 3))
    small = layers.Embedding(12, 4, name="embedded")(ids)  # of which nobody asks for the last three
    starts = [small, layers.ZeroPadding1D(STEPS // 4)(small), x]
    ends = []
    for at in range(STACKS):
        cells = [layers.LSTMCell(int(numbers.randint(2, 6))), layers.GRUCell(3), layers.SimpleRNNCell(2)]
        ends.append(layers.RNN(cells, return_sequences=at % 2 == 0, name=f"stack_{at}")(starts[at % 3]))
    fed = [numbers.randint(0, 9, (3, STEPS // 2)).astype("int32"), numbers.normal(size=(3, STEPS, 3)).astype("float32")]
    return keras.Model([ids, x], ends), fed


if __name__ == "__main__":
    model, inputs = build()
    np.savez("recurrent.npz", *inputs)
    np.savez("recurrent_y.npz", *[np.asarray(y) for y in model(inputs, training=False)])
    model.save("recurrent.h5")
