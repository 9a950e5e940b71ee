"""Float64 models: the truth that float32 activations are held against."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import keras
import numpy as np

from tracer.engine import compat
from tracer.errors import ModelError

_SINGLE, _DOUBLE = "float32", "float64"
_CONSTANTS = frozenset({"scale", "offset"})  # of `Rescaling`: one number, or one for each channel


def use(precision: str) -> None:
    """Build and run in `float32` or `float64` from now on, for good: for a process of its own."""
    keras.backend.set_floatx(precision)
    _set_policy(precision)


@contextlib.contextmanager
def double() -> Iterator[None]:
    """Within it, layers are built and run in float64.

    Raises:
        ModelError: on JAX without its 64-bit mode, which would silently go on in float32.
    """
    _check_double()
    before, policy = keras.backend.floatx(), keras.mixed_precision.dtype_policy().name
    use(_DOUBLE)
    try:
        yield
    finally:
        keras.backend.set_floatx(before)
        _set_policy(policy)


def _check_double() -> None:
    if keras.ops.convert_to_tensor(np.ones(1), dtype=_DOUBLE).dtype != _DOUBLE:
        with contextlib.suppress(TypeError, AttributeError):  # a backend's own dtype class may not compare with a name
            if "64" in str(keras.ops.convert_to_tensor(np.ones(1), dtype=_DOUBLE).dtype):
                return
        raise ModelError("this backend computes in float32 only; for JAX set JAX_ENABLE_X64=1 before it is imported.")


def _set_policy(name: str) -> None:
    """`keras.config.set_dtype_policy` came after 3.0, which has it in `keras.mixed_precision` alone."""
    keras.mixed_precision.set_global_policy(name)


def rebuilt(model: keras.Model) -> keras.Model:
    """The same model in float64, from its configuration, with its weights and with state that no weight carries.

    Call it within `double`.

    Raises:
        ModelError: if Keras can't make the model from its configuration, or the copy has other weights.
    """
    try:
        with compat.dialect().custom_objects_scope(_own_classes(model)):
            copy = type(model).from_config(_widened(model.get_config()))
            if not copy.built and hasattr(model, "get_build_config"):
                copy.build_from_config(model.get_build_config())
        copy.set_weights(model.get_weights())
    # A model's own configuration code may raise anything.
    except (Exception, SystemExit) as error:
        raise ModelError(f"the model can't be rebuilt in float64: {compat.reason(error)}") from error
    _carry_state(model, copy)
    return sharpen(copy)


def _own_classes(model: keras.Model) -> dict[str, object]:
    """Classes of layers that may not be registered, by the names that they have in a configuration."""
    classes = {type(layer) for layer in model._flatten_layers(include_self=False)}
    own = {one for one in classes if not one.__module__.startswith("keras.")}
    return {name: one for one in own for name in (one.__name__, keras.saving.get_registered_name(one))}


def sharpen(model: keras.Model) -> keras.Model:
    """Give the layers of a float64 model their plain numbers as NumPy's float64, in place, and return the model.

    TensorFlow makes a float32 tensor of a Python float, then casts it to float64: `Rescaling(1 / 255)` is off by 6e-8
    then, in every release alike, and a deep model multiplies that. NumPy's float64 stays what it is.
    """
    for layer in [model, *model._flatten_layers(include_self=False)]:
        for name, value in list(vars(layer).items()):
            if type(value) is float:
                setattr(layer, name, np.float64(value))
            elif name in _CONSTANTS and isinstance(value, (list, tuple)):
                setattr(layer, name, np.asarray(value, np.float64))
    return model


def is_single(model: keras.Model) -> bool:
    """Whether everything in the model computes in float32, so that a float64 copy of it is the truth of it."""
    layers = [model, *model._flatten_layers(include_self=False)]
    dtypes = {str(getattr(layer, "compute_dtype", _SINGLE) or _SINGLE) for layer in layers}
    quantized = any(getattr(layer, "quantization_mode", None) is not None for layer in layers)
    return dtypes <= {_SINGLE} and not quantized


def _widened(config: object) -> object:
    """The configuration with float64 wherever it says float32."""
    if isinstance(config, dict):
        return {key: _widened(value) for key, value in config.items()}
    if isinstance(config, (list, tuple)):
        return type(config)(_widened(item) for item in config)
    return _DOUBLE if isinstance(config, str) and config == _SINGLE else config


def _carry_state(model: keras.Model, copy: keras.Model) -> None:
    """What layers compute with beside their weights, such as `Normalization.mean`: as it is, stale or not."""
    pairs = zip(model._flatten_layers(include_self=False), copy._flatten_layers(include_self=False), strict=False)
    for mine, its in pairs:
        if isinstance(mine, keras.layers.Normalization) and getattr(mine, "mean", None) is not None:
            its.mean = keras.ops.cast(keras.ops.convert_to_tensor(mine.mean), _DOUBLE)
            its.variance = keras.ops.cast(keras.ops.convert_to_tensor(mine.variance), _DOUBLE)
