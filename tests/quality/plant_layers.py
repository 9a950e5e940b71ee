"""Custom layers that the planted models are made of, as users write them."""

from __future__ import annotations

from typing import Any

import keras
from keras import layers


@keras.saving.register_keras_serializable(package="plants")
class Gain(layers.Layer):
    """Takes `factor`, and forgets it in `get_config`: configuration that a file loses."""

    def __init__(self, factor: float = 1.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.factor = factor

    def call(self, x: Any) -> Any:
        return x * self.factor

    def get_config(self) -> dict[str, Any]:
        return super().get_config()


@keras.saving.register_keras_serializable(package="plants")
class Offset(layers.Layer):
    """Computes with a plain attribute that nothing saves."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.shift = 0.0

    def call(self, x: Any) -> Any:
        return x + self.shift


@keras.saving.register_keras_serializable(package="plants")
class Encoder(layers.Layer):
    """A transformer block with its layers in attributes, a list and a dictionary."""

    def __init__(self, width: int, heads: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.width, self.heads = width, heads
        self.mha = layers.MultiHeadAttention(heads, width // heads, name="mha")
        self.norms = {
            "first": layers.LayerNormalization(name="norm_first"),
            "second": layers.LayerNormalization(name="norm_second"),
        }
        self.feed = [layers.Dense(2 * width, activation="gelu", name="expand"), layers.Dense(width, name="project")]
        self.drop = layers.Dropout(0.1, name="drop")

    def build(self, shape: Any) -> None:
        self.mha.build(shape, shape)
        for norm in self.norms.values():
            norm.build(shape)
        self.feed[0].build(shape)
        self.feed[1].build((*shape[:-1], 2 * self.width))

    def call(self, x: Any, training: bool | None = None) -> Any:
        x = x + self.drop(self.mha(self.norms["first"](x), x), training=training)
        y = self.norms["second"](x)
        for layer in self.feed:
            y = layer(y)
        return x + y

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "width": self.width, "heads": self.heads}


@keras.saving.register_keras_serializable(package="plants")
class Classifier(keras.Model):
    """A subclassed model: no graph, plain Python between the layers."""

    def __init__(self, width: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.width = width
        self.first = layers.Dense(width, activation="tanh", name="first")
        self.norm = layers.BatchNormalization(name="norm")
        self.blocks = [layers.Dense(width, activation="gelu", name=f"block_{i}") for i in range(2)]
        self.head = layers.Dense(3, activation="softmax", name="head")

    def call(self, x: Any, training: bool | None = None) -> Any:
        x = self.norm(self.first(x), training=training)
        for block in self.blocks:
            x = x + block(x)
        return self.head(x)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "width": self.width}
