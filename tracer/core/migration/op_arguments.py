"""Arguments of TensorFlow's functions as the operations of `keras.ops` take them; what they don't take is refused."""

from __future__ import annotations

import math

from tracer.core.migration.op_rule import Bound
from tracer.core.migration.rules import UnsupportedError


def padding_with_zeros(bound: Bound) -> Bound:
    """Padding with zeros, or with what is there; `keras.ops` takes other values in the call alone."""
    if bound.get("constant_values", 0) != 0:
        raise UnsupportedError("`tf.pad` with other values than zeros is not carried over")
    mode = str(bound.get("mode", "CONSTANT")).lower()
    return {**{name: value for name, value in bound.items() if name != "constant_values"}, "mode": mode}


def is_transposed(bound: Bound) -> bool:
    """Whether a matrix of a product is transposed first, for which `keras.ops.matmul` has no argument."""
    return bool(bound.get("transpose_a") or bound.get("transpose_b"))


def einstein_sum(bound: Bound) -> Bound:
    """A product of transposed matrices by the names of its axes."""
    first = "...ji" if bound.get("transpose_a") else "...ij"
    second = "...kj" if bound.get("transpose_b") else "...jk"
    rest = {name: value for name, value in bound.items() if name not in ("transpose_a", "transpose_b")}
    return {**rest, "subscripts": f"{first},{second}->...ik"}


def images_by_rows(bound: Bound) -> Bound:
    """Resizing as TensorFlow does it: channels last; the methods that both have under one name."""
    if bound["method"] not in ("bilinear", "nearest", "bicubic"):
        raise UnsupportedError(f"`tf.image.resize` with method={bound['method']!r} is not carried over")
    return {**bound, "data_format": "channels_last"}


def running(bound: Bound) -> Bound:
    """A sum or product along an axis, in the order of the axis and with the element itself."""
    if bound.get("exclusive") or bound.get("reverse"):
        raise UnsupportedError("exclusive or reverse running sums and products are not carried over")
    return bound


def euclidean(bound: Bound) -> Bound:
    """The norm that both call by default: over all axes that are named."""
    if bound.get("ord", "euclidean") != "euclidean":
        raise UnsupportedError(f"`tf.norm` with ord={bound['ord']!r} is not carried over")
    axis = bound.get("axis")
    if not isinstance(axis, int):
        raise UnsupportedError("`tf.norm` over several axes is not carried over")
    return {name: value for name, value in bound.items() if name != "ord"}


def smallest_norm(bound: Bound) -> Bound:
    """The least that is divided by: TensorFlow is given its square, `keras.ops` the norm itself."""
    return {**bound, "epsilon": math.sqrt(bound["epsilon"])}


def short_indices(bound: Bound) -> Bound:
    """Positions in int32, as `keras.ops` returns them."""
    if bound.get("output_type") != "int32":
        raise UnsupportedError(
            "`tf.argmax` and `tf.argmin` return int64, those of `keras.ops` int32",
            "Give them output_type=tf.int32, in the code that built the model.",
        )
    return {name: value for name, value in bound.items() if name != "output_type"}


def plain_gather(bound: Bound) -> Bound:
    """Rows along one axis, the same ones for all samples."""
    rest = dict(bound)
    if rest.pop("batch_dims", 0):
        raise UnsupportedError("`tf.gather` with batch_dims has no equivalent in `keras.ops.take`")
    return {**rest, "axis": rest.get("axis") or 0}


def equal_parts(bound: Bound) -> Bound:
    """Sizes of parts as the positions where they end."""
    sizes = bound.get("num_or_size_splits")
    if isinstance(sizes, list):
        if -1 in sizes:
            raise UnsupportedError("`tf.split` with a size of -1 is not carried over")
        ends = [sum(sizes[: index + 1]) for index in range(len(sizes) - 1)]
        return {**bound, "num_or_size_splits": ends}
    return bound


def axes_of_squeeze(bound: Bound) -> Bound:
    """One axis as a number; none for all of size 1."""
    axis = bound.get("axis")
    if isinstance(axis, list):
        axis = axis[0] if len(axis) == 1 else axis or None
    return {**bound, "axis": axis}


def index_parts(bound: Bound) -> Bound:
    """What stands in `x[…]`, part by part."""
    return {**bound, "slice_spec": [_part(part) for part in _parts(bound)]}


def is_reversal(bound: Bound) -> bool:
    """Whether `x[…]` takes everything and turns axes round (`x[:, ::-1]`), for which torch has no slices."""
    steps = [_step(part) for part in _parts(bound)]
    return None not in steps and -1 in steps


def axes_of_reversal(bound: Bound) -> Bound:
    """The axes that are turned round: those behind `...` are counted from the last one."""
    steps = [_step(part) for part in _parts(bound)]
    behind = steps.index(0) if 0 in steps else len(steps)
    axes = [index if index < behind else index - len(steps) for index, step in enumerate(steps) if step == -1]
    return {"tensor": bound["tensor"], "axis": axes}


def _parts(bound: Bound) -> list[object]:
    spec = bound.get("slice_spec")
    return spec if isinstance(spec, list) else [spec]


def _step(part: object) -> int | None:
    """1 for `:`, -1 for `::-1`, 0 for `...`, None for what takes less than everything."""
    if not isinstance(part, dict):
        return None
    if part.get("class_name") == "__ellipsis__":
        return 0
    if part.get("start", 0) is not None or part.get("stop", 0) is not None:
        return None
    step = part.get("step")
    return {None: 1, 1: 1, -1: -1}.get(step) if step is None or isinstance(step, int) else None


def _part(part: object) -> object:
    """One part of `x[…]`: a number, None, `...`, or a slice, as Keras 3 writes it."""
    if isinstance(part, dict) and {"start", "stop", "step"} <= part.keys():
        ends = {name: part[name] for name in ("start", "stop", "step")}
        if any(isinstance(end, (list, dict)) for end in ends.values()):
            raise UnsupportedError("a slice whose ends are tensors is not carried over")
        return {"class_name": "__slice__", "config": ends}
    if isinstance(part, dict) and part.get("class_name") == "__ellipsis__":
        return {"class_name": "__ellipsis__", "config": {}}
    if part is None or isinstance(part, int):
        return part
    raise UnsupportedError("indexing by a tensor is not carried over", "Write it with `keras.ops.take`.")


def index_of_box(bound: Bound) -> Bound:
    """`tf.slice` by where it begins and how large it is, as `x[…]`."""
    begin, size = bound.get("begin"), bound.get("size")
    if not isinstance(begin, list) or not isinstance(size, list) or not all(map(_is_number, (*begin, *size))):
        raise UnsupportedError("`tf.slice` with ends that are tensors is not carried over")
    ends = [None if width == -1 else start + width for start, width in zip(begin, size, strict=True)]
    spec = [{"start": start, "stop": stop, "step": None} for start, stop in zip(begin, ends, strict=True)]
    return index_parts({"input_": bound["input_"], "slice_spec": spec})


def _is_number(value: object) -> bool:
    return isinstance(value, int)
