"""float32 that is computed as float32.

On GPUs, backends shorten the factors of float32 products to the ten bits of TF32 unless they are told otherwise, and
choose the algorithm, each of which rounds in its own way, by timing them anew in every process: equal layers of two
processes were 4e-5 apart on JAX, and 3e-4 from what a CPU computes on torch.  TPUs have bfloat16 for it.  What a fault
is can't be told through that, so while a model is run here all of it is computed in float32.
"""

from __future__ import annotations

import contextlib
import importlib
import sys

from tracer.engine import compat

_FULL = "ieee"


def full() -> contextlib.ExitStack:
    """From now on the backend computes float32 in full, until what is returned is closed; on a CPU it does anyway."""
    asked = contextlib.ExitStack()
    if compat.device_name():
        {"tensorflow": full_of_tensorflow, "jax": full_of_jax, "torch": full_of_torch}[compat.backend_name()](asked)
    return asked


def full_of_tensorflow(asked: contextlib.ExitStack) -> None:
    """`tf.config.experimental.enable_tensor_float_32_execution`."""
    settings = sys.modules["tensorflow"].config.experimental
    asked.callback(settings.enable_tensor_float_32_execution, settings.tensor_float_32_execution_enabled())
    settings.enable_tensor_float_32_execution(False)


def full_of_jax(asked: contextlib.ExitStack) -> None:
    """`jax_default_matmul_precision`, which convolutions follow too."""
    config = importlib.import_module("jax").config
    asked.callback(config.update, "jax_default_matmul_precision", config.jax_default_matmul_precision)
    config.update("jax_default_matmul_precision", "float32")


def full_of_torch(asked: contextlib.ExitStack) -> None:
    """By both kinds of switches that torch has: the newer ones alone leave the older ones unreadable for a model."""
    torch = importlib.import_module("torch")
    cudnn, matmul = torch.backends.cudnn, torch.backends.cuda.matmul
    newer = [cudnn.conv, cudnn.rnn, matmul] if hasattr(cudnn, "conv") else []  # since torch 2.9
    for part in newer:
        asked.callback(setattr, part, "fp32_precision", part.fp32_precision)
    with contextlib.suppress(RuntimeError):  # the older ones can't be read where the newer ones were set otherwise
        before, products = cudnn.allow_tf32, torch.get_float32_matmul_precision()
        asked.callback(setattr, cudnn, "allow_tf32", before)
        asked.callback(torch.set_float32_matmul_precision, products)
        cudnn.allow_tf32 = False
        torch.set_float32_matmul_precision("highest")
    for part in newer:
        part.fp32_precision = _FULL
