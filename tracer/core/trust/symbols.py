"""Names of TensorFlow's public interface that a graph of Keras 2 may call: functions that compute with tensors.

Keras 2 writes a function in a graph by its public name, and calls whatever has that name: also `io.write_file`,
`load_op_library` and `saved_model.load`.
"""

from __future__ import annotations

import re
from typing import Final

from tracer.core.trust.names import is_function_of_keras

# Modules whose functions read, write, load and run nothing, apart from those in `_OTHERS`.
_ROOMS: Final = frozenset(
    {
        "__operators__",
        "bitwise",
        "dtypes",
        "image",
        "linalg",
        "math",
        "nn",
        "quantization",
        "ragged",
        "random",
        "sets",
        "signal",
        "sparse",
        "strings",
    }
)
# These take the name of a file that they read, or set something for the whole process.
_OTHERS: Final = re.compile(r"\w+_candidate_sampler|set_\w+")
# Functions of `tf` itself.  Not among them: `print`, which writes to any file, `load_library` and others.
_NAMES: Final = """
    abs acos acosh add add_n argmax argmin argsort as_string asin asinh atan atan2 atanh batch_to_space bitcast
    boolean_mask broadcast_to cast ceil clip_by_global_norm clip_by_norm clip_by_value complex concat constant conv
    convert_to_tensor cos cosh cross cumprod cumsum div div_no_nan divide dynamic_partition dynamic_stitch einsum
    ensure_shape equal erf exp expand_dims expm1 eye fftnd fill floor floor_div floordiv floormod gather gather_nd
    greater greater_equal histogram_fixed_width identity identity_n ifftnd irfftnd is_finite is_inf is_nan lbeta
    less less_equal linspace log log1p logical_and logical_not logical_or logical_xor matmul matrix_inverse
    matrix_transpose maximum meshgrid minimum mod multiply negative norm not_equal one_hot ones ones_like pad pow
    range rank realdiv reciprocal reduce_all reduce_any reduce_logsumexp reduce_max reduce_mean reduce_min
    reduce_prod reduce_sum repeat reshape reverse reverse_sequence rfftnd roll round rsqrt saturate_cast scalar_mul
    scatter_nd searchsorted sequence_mask shape shape_n sigmoid sign sin sinh size slice sort space_to_batch
    space_to_batch_nd split sqrt square squared_difference squeeze stack stop_gradient strided_slice subtract tan
    tanh tensor_scatter_nd_add tensor_scatter_nd_max tensor_scatter_nd_min tensor_scatter_nd_sub
    tensor_scatter_nd_update tensordot tile to_double to_float to_int32 to_int64 transpose truediv truncatediv
    truncatemod unique unravel_index unstack where zeros zeros_like
"""
_TOP: Final = frozenset(_NAMES.split())
# In a module that also reads and writes files: what turns the bytes in a tensor into numbers.
_DECODERS: Final = re.compile(r"io\.(?:encode_base64|decode_(?:and_crop_jpeg|base64|bmp|csv|gif|image|jpeg|png|raw))")
_FUNCTION: Final = re.compile(r"[a-z]\w*")
# Classes whose methods make a tensor of other tensors.
_CLASSES: Final = frozenset({"RaggedTensor", "SparseTensor", "sparse.SparseTensor"})


def is_function_of_tensorflow(symbol: str) -> bool:
    """Whether a public name (`nn.relu`, `compat.v1.gather`, `keras.backend.mean`) is that of a function on tensors."""
    name = symbol.removeprefix("compat.v1.")
    room, _, function = name.rpartition(".")
    if _FUNCTION.fullmatch(function) is None:
        return False
    if not room:
        return function in _TOP
    if room.partition(".")[0] == "keras":
        return room == "keras.backend" or is_function_of_keras(room, function)
    return _DECODERS.fullmatch(name) is not None or (
        room.partition(".")[0] in _ROOMS and _OTHERS.fullmatch(function) is None
    )


def is_harmless(layer: str, *called: str) -> bool:
    """Whether a layer that stands for a call does nothing but compute with tensors.

    Args:
        layer: its class.
        called: the name of a function; of a class and its method; of a method or property of a tensor.
    """
    if layer in ("TFOpLambda", "SlicingOpLambda"):
        return is_function_of_tensorflow(*called)
    return called[0] in (_CLASSES if layer == "ClassMethod" else called) and _FUNCTION.fullmatch(called[-1]) is not None
