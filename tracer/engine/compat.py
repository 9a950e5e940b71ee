"""What differs between Keras releases and backends.  Nothing else in the package asks which one it runs on."""

from __future__ import annotations

import collections
import contextlib
import functools
import importlib
import platform
import re
import sys
from collections.abc import Iterator, Mapping
from types import ModuleType
from typing import TYPE_CHECKING, Any, TypeGuard

import keras
import numpy as np

from tracer.core.source import Array
from tracer.engine.types import Tensor

if TYPE_CHECKING:
    import torch

# What TensorFlow puts on every layer to track it.  By name and not by prefix: `_self_attention_rate` is a user's own.
TRACKING = frozenset(
    {
        "_self_name_based_restores",
        "_self_saveable_object_factories",
        "_self_setattr_tracking",
        "_self_unconditional_checkpoint_dependencies",
        "_self_unconditional_deferred_dependencies",
        "_self_unconditional_dependency_names",
        "_self_update_uid",
    }
)
# Of Keras' thread-local settings these are the ones that a model's `call` may read; scopes and stacks are not carried.
_CARRIED = ("dtype_policy", "distribution", "custom_objects_scope_dict", "torch_device")
_LONGEST_REASON = 400


def reason(error: BaseException) -> str:
    """What an exception says, in one line: without Keras' frame around it, its colours and its list of arguments."""
    try:
        text = re.sub(r"\x1b\[[0-9;]*m", "", str(error)).strip()
    except Exception:  # an exception of the user's may fail to say what it is; its name is left
        return type(error).__name__
    framed = re.match(r"Exception encountered when calling [^\n]*\n\n(.*)", text, re.DOTALL)
    # A failure to deserialize ends with what it was, after a configuration that may be pages long.
    said = (framed[1] if framed else text).rpartition("Exception encountered: ")[2]
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    if not lines:
        return type(error).__name__
    # What ends with a colon announces what follows; the configuration at the end of a line is for nobody to read.
    text = " ".join(lines[:2]) if lines[0].endswith(":") else lines[0]
    text = text.partition(" Full object config: ")[0]
    return f"{type(error).__name__}: {text[:_LONGEST_REASON]}{'…' if len(text) > _LONGEST_REASON else ''}"


def backend_name() -> str:
    """`tensorflow`, `jax` or `torch`."""
    return str(keras.backend.backend())


def environment() -> dict[str, str]:
    """Versions that a result depends on."""
    name = backend_name()
    module = importlib.import_module(name)
    return {
        "keras": str(keras.__version__),
        "backend": name,
        name: str(module.__version__),
        "numpy": str(np.__version__),
        "python": platform.python_version(),
        "platform": f"{platform.system()}-{platform.machine()}",
    }


def keras_settings() -> dict[str, object]:
    """Keras' thread-local settings of this thread, to be carried into another one."""
    state = keras_module("keras.src.backend.common.global_state")
    found = {name: state.get_global_attribute(name) for name in _CARRIED}
    return {name: value for name, value in found.items() if value is not None}


def apply_settings(settings: Mapping[str, object]) -> None:
    """Take over what `keras_settings` returned in another thread."""
    state = keras_module("keras.src.backend.common.global_state")
    for name, value in settings.items():
        state.set_global_attribute(name, value)


def custom_objects_scope(objects: Mapping[str, object]) -> contextlib.AbstractContextManager[object]:
    """Keras' scope of custom objects, with those of the caller's scope: one that is entered replaces the other."""
    state = keras_module("keras.src.backend.common.global_state")
    outer = state.get_global_attribute("custom_objects_scope_dict") or {}
    scope: contextlib.AbstractContextManager[object] = keras.saving.custom_object_scope({**outer, **objects})
    return scope


def registered_names() -> frozenset[str]:
    """Names of the classes and functions that this process has registered, or offers in a scope of custom objects."""
    state = keras_module("keras.src.backend.common.global_state")
    offered = state.get_global_attribute("custom_objects_scope_dict") or {}
    return frozenset({*keras.saving.get_custom_objects(), *offered})


def unsafe_loading(trust: bool) -> contextlib.AbstractContextManager[object]:
    """Within it, where a file is trusted, Keras makes functions of the Python code that it contains."""
    if not trust:
        return contextlib.nullcontext()
    module = keras_module("keras.src.saving.serialization_lib")
    scope: contextlib.AbstractContextManager[object] = module.SafeModeScope(safe_mode=False)
    return scope


def safe_mode() -> bool:
    """What to load with: Keras' own scope for it (`unsafe_loading`) is overridden by `load_model`'s argument."""
    return keras_module("keras.src.saving.serialization_lib").in_safe_mode() is not False


@contextlib.contextmanager
def fresh_names() -> Iterator[None]:
    """Within it Keras numbers unnamed layers from the start, as in a process that has built nothing yet."""
    state = keras_module("keras.src.backend.common.global_state")
    counters = state.get_global_attribute("object_name_uids")
    state.set_global_attribute("object_name_uids", collections.defaultdict(int))
    try:
        yield
    finally:
        state.set_global_attribute("object_name_uids", counters)


def keras_module(name: str) -> ModuleType:
    """A module of Keras' own; asked for at every call of a layer, where the import system would take its time."""
    return sys.modules.get(name) or importlib.import_module(name)


def context_training() -> object:
    """`training` of the Keras call context that this thread is in, or None."""
    context = _call_context()
    return None if context is None else getattr(context, "training", None)


def set_context_training(value: object) -> None:
    """Set `training` of the Keras call context that this thread is in, if it is in one."""
    context = _call_context()
    if context is not None:
        context.training = value


def _call_context() -> Any:
    state = keras_module("keras.src.backend.common.global_state")
    return state.get_global_attribute("current_call_ctx")


@functools.cache
def variable_class() -> type[keras.Variable]:
    """What every Keras variable is an instance of; before 3.7 `keras.Variable` is a name that no variable has."""
    module = keras_module("keras.src.backend.common.variables")
    found: type[keras.Variable] = getattr(module, "KerasVariable", None) or module.Variable
    return found


def is_tensor(x: object) -> TypeGuard[Tensor]:
    """A tensor of the backend, sparse ones included, symbolic ones not."""
    name = backend_name()
    if name == "tensorflow":
        tf = sys.modules["tensorflow"]
        return isinstance(x, (tf.Tensor, tf.SparseTensor, tf.RaggedTensor))
    if name == "jax":
        jax = sys.modules["jax"]
        return isinstance(x, jax.Array) or type(x).__name__ in ("BCOO", "JAXSparse")
    return isinstance(x, sys.modules["torch"].Tensor)


def is_backend_variable(x: object) -> bool:
    """A variable of TensorFlow's own, which Keras 3 doesn't track; other backends have tensors alone."""
    return backend_name() == "tensorflow" and isinstance(x, sys.modules["tensorflow"].Variable)


def is_symbolic(x: object) -> bool:
    """A placeholder without numbers: a KerasTensor, or a tensor that is being traced into a graph."""
    if isinstance(x, keras.KerasTensor):
        return True
    name = backend_name()
    if name == "tensorflow":
        tf = sys.modules["tensorflow"]
        if isinstance(x, tf.SparseTensor):
            x = x.values
        return isinstance(x, tf.Tensor) and not hasattr(x, "numpy")
    if name == "jax":
        return isinstance(x, sys.modules["jax"].core.Tracer)
    return False


def get_mask(x: Tensor) -> Tensor | None:
    """The Keras mask that travels with a tensor, or None."""
    try:
        module = keras_module("keras.src.backend.common.masking")
    except ModuleNotFoundError:  # Keras before 3.6 keeps it on the tensor
        return getattr(x, "_keras_mask", None)
    mask: Tensor | None = module.get_keras_mask(x)
    return mask


def set_mask(x: Tensor, mask: Tensor) -> None:
    """Let `mask` travel with a tensor."""
    try:
        module = keras_module("keras.src.backend.common.masking")
    except ModuleNotFoundError:
        with contextlib.suppress(AttributeError):  # a backend whose tensors take no attribute has no masks either
            x._keras_mask = mask  # type: ignore[attr-defined]
        return
    module.set_keras_mask(x, mask)


def is_sparse(x: object) -> bool:
    """Whether a tensor of the backend is a sparse one."""
    if type(x).__name__ in ("SparseTensor", "IndexedSlices", "BCOO"):
        return True
    # Asked of torch alone: a TensorFlow tensor composes a long message for every attribute that it lacks.
    return backend_name() == "torch" and bool(getattr(x, "is_sparse", False))


def to_numpy(x: Tensor) -> Array:
    """The numbers of a tensor; a view where the backend allows one, so don't write to it."""
    if is_sparse(x):
        x = keras.ops.convert_to_numpy(x) if not hasattr(x, "todense") else x.todense()
    is_torch = backend_name() == "torch" and hasattr(x, "detach")
    return _from_torch(x) if is_torch else np.asarray(x)


def _from_torch(x: torch.Tensor) -> Array:
    x = x.detach().cpu()
    if str(x.dtype) == "torch.bfloat16":
        # NumPy has no bfloat16: ml_dtypes' one has the same bytes.
        return np.asarray(x.contiguous().view(sys.modules["torch"].int16).numpy()).view(_bfloat16())
    return np.asarray(x.numpy())


def as_dtype(array: Array, name: str) -> Array:
    """An array whose bytes are of another dtype than NumPy can name."""
    return array if array.dtype.name == name else array.view(getattr(importlib.import_module("ml_dtypes"), name))


def _bfloat16() -> np.dtype[np.generic]:
    found: np.dtype[np.generic] = np.dtype(importlib.import_module("ml_dtypes").bfloat16)
    return found


def to_tensor(array: Array, sparse: bool = False) -> Tensor:
    """A tensor of the backend with the same dtype and numbers."""
    name = backend_name()
    tensor: Tensor
    if name == "tensorflow":
        tf = sys.modules["tensorflow"]
        dense = tf.convert_to_tensor(array)
        tensor = tf.sparse.from_dense(dense) if sparse else dense
    elif name == "torch" and array.dtype.name == "bfloat16":
        torch = sys.modules["torch"]
        tensor = torch.from_numpy(array.view(np.int16).copy()).view(torch.bfloat16)
    else:
        tensor = keras.ops.convert_to_tensor(array)
    return tensor


def alias(tensor: Tensor) -> Tensor:
    """The same numbers in the same memory as an object of its own, because Keras hangs masks on the object.

    A sparse or ragged tensor, and one that lies on several devices, is returned as it is.
    """
    name = backend_name()
    module = sys.modules[name]
    same: Tensor = tensor
    if name == "tensorflow" and isinstance(tensor, module.Tensor):
        same = module.raw_ops.Identity(input=tensor)
    elif name == "jax" and isinstance(tensor, module.Array) and len(tensor.devices()) == 1:
        same = module.make_array_from_single_device_arrays(tensor.shape, tensor.sharding, [tensor])
    elif name == "torch" and isinstance(tensor, module.Tensor) and not tensor.is_sparse:
        same = tensor.detach()
    return same


def freeze(variable: keras.Variable) -> Tensor:
    """The present value of a Keras variable, safe from later assignments; copies nothing where the backend allows."""
    value = variable.value
    name = backend_name()
    frozen: Tensor = value
    if name == "tensorflow" and hasattr(value, "handle"):
        # What `read_value` does, without the identity operation and the record for gradients: a fifth of the time.
        frozen = sys.modules["tensorflow"].raw_ops.ReadVariableOp(resource=value.handle, dtype=value.dtype)
    elif name == "torch":
        frozen = value.detach().clone()
    return frozen


def inference_scope() -> contextlib.AbstractContextManager[object]:
    """Within it the backend keeps nothing for gradients."""
    if backend_name() == "torch":
        return sys.modules["torch"].no_grad()  # type: ignore[no-any-return]
    return contextlib.nullcontext()
