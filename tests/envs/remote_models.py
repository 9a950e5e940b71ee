"""Models for a worker to run: some print, some are slow, deep or late, and one ends the process."""

from __future__ import annotations

import os
import time

import keras
from keras import layers

print("imported: this is no message")


@keras.saving.register_keras_serializable("noisy")
class Noisy(layers.Layer):
    def call(self, x):
        print("called: neither is this", flush=True)
        os.write(1, b"nor this, past Python\n")
        return x * 2.0


@keras.saving.register_keras_serializable("noisy")
class Deadly(layers.Layer):
    def call(self, x):
        if hasattr(x, "numpy"):  # not while the graph is built
            os.write(2, b"these are my last words\n")
            os._exit(7)
        return x


@keras.saving.register_keras_serializable("noisy")
class Slow(layers.Layer):
    def call(self, x):
        if hasattr(x, "numpy"):
            time.sleep(0.3)
        return x


def slow():
    x = y = keras.Input((3,), name="x")
    for i in range(6):
        y = Slow(name=f"slow_{i}")(y)
    return keras.Model(x, y, name="m")


@keras.saving.register_keras_serializable("noisy")
class Wraps(layers.Layer):
    def __init__(self, inner, **options):
        super().__init__(**options)
        self.inner = inner

    def call(self, x):
        return self.inner(x)


def deep():
    layer = layers.Dense(3, kernel_initializer="ones", name="leaf")
    for level in range(80):
        layer = Wraps(layer, name=f"level_{level}")
    x = keras.Input((3,), name="x")
    return keras.Model(x, layer(x), name="m")


class Late(keras.Model):
    def build(self, _shape):
        self.dense = layers.Dense(2, kernel_initializer="ones")

    def call(self, x):
        return self.dense(x)


def late():
    return Late(name="late")


def noisy():
    x = keras.Input((3,), name="x")
    return keras.Model(x, layers.Dense(2, kernel_initializer="ones", name="out")(Noisy(name="noisy")(x)), name="m")


def deadly():
    x = keras.Input((3,), name="x")
    return keras.Model(x, Deadly(name="deadly")(layers.ReLU(name="relu")(x)), name="m")
