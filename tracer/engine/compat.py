"""What differs between backends, and which generation of Keras this is.  Nothing else asks which one it runs on."""

from __future__ import annotations

import contextlib
import functools
import importlib
import platform
import re
import sys
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypeGuard

import keras
import numpy as np

from tracer.core.source import Array
from tracer.engine.dialect import Dialect
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
# Where Keras lists a layer's variables for torch, which knows every layer as a module of its own.
_OF_TORCH = "_torch_params"
_LONGEST_REASON = 400


# Where in TensorFlow's runtime an operation failed, which operation of its that was, and addresses in memory.
_FOR_NOBODY = re.compile(r"\{\{function_node [^}]*\}\} ?| \[Op:\w+\](?: name:.*)?| at 0x[0-9a-f]{6,}")


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
    text = _FOR_NOBODY.sub("", text.partition(" Full object config: ")[0])
    return f"{type(error).__name__}: {text[:_LONGEST_REASON]}{'…' if len(text) > _LONGEST_REASON else ''}"


def backend_name() -> str:
    """`tensorflow`, `jax` or `torch`."""
    return str(keras.backend.backend())


def device_name() -> str:
    """What the backend computes on, such as `NVIDIA H200`; "" for a CPU."""
    name, backend = backend_name(), importlib.import_module(backend_name())
    if name == "tensorflow":
        details = backend.config.experimental.get_device_details
        found = [details(gpu).get("device_name", "GPU") for gpu in backend.config.list_physical_devices("GPU")]
    elif name == "jax":
        found = [device.device_kind for device in backend.devices() if device.platform != "cpu"]
    else:
        found = [backend.cuda.get_device_name()] if backend.cuda.is_available() else []
    return str(found[0]) if found else ""


def environment() -> dict[str, str]:
    """What a result depends on: versions, and the device where it isn't a CPU."""
    name = backend_name()
    module = importlib.import_module(name)
    device = device_name()
    return {
        "keras": str(keras.__version__),
        "backend": name,
        name: str(module.__version__),
        "numpy": str(np.__version__),
        "python": platform.python_version(),
        "platform": f"{platform.system()}-{platform.machine()}",
        **({"device": device} if device else {}),
    }


@functools.cache
def dialect() -> Dialect:
    """What the installed generation of Keras is asked through."""
    generation = "keras2.dialect" if str(keras.__version__).startswith("2.") else "keras3"
    found: Dialect = importlib.import_module(f"tracer.engine.{generation}")
    return found


def attributes_of(layer: object) -> dict[str, object]:
    """What is set on a layer, without what the backend keeps there: TensorFlow to track it, torch Keras' variables.

    Other modules and parameters of torch are the user's own, and stay.
    """
    found = {name: value for name, value in vars(layer).items() if name not in TRACKING}
    modules = found.pop("_modules", None)
    own = {k: module for k, module in modules.items() if k != _OF_TORCH} if isinstance(modules, Mapping) else modules
    return {**found, "_modules": own} if own else found


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
    if isinstance(x, dialect().placeholder_class()):
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


def is_sparse(x: object) -> bool:
    """Whether a tensor of the backend is a sparse one."""
    if type(x).__name__ in ("SparseTensor", "IndexedSlices", "BCOO"):
        return True
    # Asked of torch alone: a TensorFlow tensor composes a long message for every attribute that it lacks.
    return backend_name() == "torch" and bool(getattr(x, "is_sparse", False))


def to_numpy(x: Tensor) -> Array:
    """The numbers of a tensor; a view where the backend allows one, so don't write to it."""
    if is_sparse(x):
        x = dialect().dense(x)
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
    """The present value of a Keras variable; see `frozen`."""
    return frozen([variable])[0]


def frozen(variables: Iterable[keras.Variable]) -> list[Tensor]:
    """Present values of Keras variables, safe from later assignments; copies nothing where the backend allows."""
    values: list[Any] = list(map(dialect().value_of, variables))
    name = backend_name()
    if name == "tensorflow":
        # What `read_value` does, without the identity operation and the record for gradients: a fifth of the time.
        read = sys.modules["tensorflow"].raw_ops.ReadVariableOp
        return [read(resource=v.handle, dtype=v.dtype) if hasattr(v, "handle") else v for v in values]
    if name == "torch":
        detach = sys.modules["torch"].Tensor.detach
        return [detach(value).clone() for value in values]
    return values


def inference_scope() -> contextlib.AbstractContextManager[object]:
    """Within it the backend keeps nothing for gradients."""
    if backend_name() == "torch":
        return sys.modules["torch"].no_grad()  # type: ignore[no-any-return]
    return contextlib.nullcontext()
