"""A model as deep as wanted, of equal blocks: what its comparison needs must not grow with it."""

from typing import Any

SIZE, CHANNELS = 64, 32  # activations of 512 KiB a sample


def built(depth: int) -> Any:
    """`depth` blocks of convolution, batch normalization and activation, with seeded weights."""
    import keras

    from tracer.engine.model.seeded import seed_weights

    inputs = keras.Input((SIZE, SIZE, CHANNELS), name="inputs")
    x = inputs
    for index in range(depth):
        x = keras.layers.Conv2D(CHANNELS, 3, padding="same", use_bias=False, name=f"conv_{index}")(x)
        x = keras.layers.BatchNormalization(name=f"norm_{index}")(x)
        x = keras.layers.Activation("relu", name=f"relu_{index}")(x)
    return seed_weights(keras.Model(inputs, x, name=f"ladder_{depth}"), 0)
