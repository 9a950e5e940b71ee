"""How far two activations may be apart and still count as the same: one table, with the reason of each bound.

Bounds are relative L2 errors of one call site.  They are never stored with recorded data.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, NamedTuple


class Bound(NamedTuple):
    """What one dtype allows.

    Attributes:
        rel_error: largest relative L2 error at which a call site is still `close`.
        reason: where the number comes from.
        local: the same for one layer on identical inputs, where rounding has not added up yet; None: no tighter.
        stored: how far two elements of a weight may be apart and still be one number, stored or written twice, in units
            of the weight's scale.
    """

    rel_error: float
    reason: str
    local: float | None = None
    stored: float = 0.0


_EXACT: Final = Bound(0.0, "no rounding to allow for: a difference is a difference")
# One eps of the stored dtype: two roundings of one number are at most that far apart.  In float32 and float64 eight,
# because an adapter (LoRA) that is merged into its kernel rounds at every product and sum on the way there.
_EIGHT_BITS: Final = "1 eps: two independent roundings of equal values are 0.3 eps apart, times 3"

BOUNDS: Final[Mapping[str, Bound]] = MappingProxyType(
    {
        "float64": Bound(
            1e-10, "another Keras release agrees to about 1e-10 at every layer, most bit for bit", stored=2**-49
        ),
        "float32": Bound(
            2e-6, "noise floor 4e-8 … 9e-7 at every depth, two backends up to 3e-7 apart; 17 eps", stored=2**-20
        ),
        "float16": Bound(
            1e-2, "noise floor up to 3.6e-3 (MobileNetV2), Keras 3.0 and 3.15 up to 2.9e-3 apart; 10 eps", 2**-9, 2**-10
        ),
        "bfloat16": Bound(
            8e-2, "noise floor up to 2.8e-2 (MobileNetV2), Keras 3.0 and 3.15 up to 2.0e-2 apart; 10 eps", 2**-6, 2**-7
        ),
        "float8_e3m4": Bound(2**-4, _EIGHT_BITS, stored=2**-4),
        "float8_e4m3": Bound(2**-3, _EIGHT_BITS, stored=2**-3),
        "float8_e4m3fn": Bound(2**-3, _EIGHT_BITS, stored=2**-3),
        "float8_e4m3fnuz": Bound(2**-3, _EIGHT_BITS, stored=2**-3),
        "float8_e4m3b11fnuz": Bound(2**-3, _EIGHT_BITS, stored=2**-3),
        "float8_e5m2": Bound(2**-2, _EIGHT_BITS, stored=2**-2),
        "float8_e5m2fnuz": Bound(2**-2, _EIGHT_BITS, stored=2**-2),
        "complex64": Bound(2e-6, "two float32", stored=2**-20),
        "complex128": Bound(1e-10, "two float64", stored=2**-49),
        "bool": _EXACT,
        **{f"{sign}int{bits}": _EXACT for sign in ("", "u") for bits in (2, 4, 8, 16, 32, 64)},
        "string": _EXACT,
        "object": _EXACT,
    }
)


# What many layers add up to where the sides run on two backends, in units of the bound above: at most 1.7 on
# EfficientNetB0 at 224 × 224 (3.4e-6, torch 2.15 against TensorFlow 2.21; JAX 0.10 1.4e-6), while no layer is beyond
# the bound on identical inputs.  Each layer's own error is held against the bound itself.
BETWEEN_BACKENDS: Final = 3.0


# What a single sample may be off, in units of the bound of the whole batch.  Rounding averages out less over so few
# values: at most 0.6 was measured where the batch kept within its bound, on 35 kinds of models with 4 and 32 samples
# (475 unequal outputs, with oneDNN on against off and with JAX 0.10 against TensorFlow 2.21).
PER_SAMPLE: Final = 4.0


def slack(*backends: str) -> float:
    """The factor that the bound of an output as it came has between sides on these backends, and devices if named."""
    return BETWEEN_BACKENDS if len(set(backends)) > 1 else 1.0


def tolerance_for(*dtypes: str, local: bool = False) -> float:
    """The relative L2 error that the least precise of some dtypes allows.

    Args:
        dtypes: names as NumPy and Keras spell them, of the outputs and of whatever they were computed in.
        local: for one layer on identical inputs: two eps in half precision, where the noise of many layers is wider.

    Raises:
        ValueError: if a dtype has no bound, or none is given.
    """
    if not dtypes:
        raise ValueError("no dtype was given, so there is no tolerance to choose.")
    bounds = [_bound(dtype) for dtype in dtypes]
    return max(b.local if local and b.local is not None else b.rel_error for b in bounds)


def is_rounded(dtype: str) -> bool:
    """Whether numbers of a dtype are rounded."""
    return dtype.startswith(("float", "bfloat"))


@functools.lru_cache(maxsize=1024)
def least_precise(*dtypes: str) -> str:
    """Of those dtypes that are rounded the one that allows most; "" where none is.

    Raises:
        ValueError: if a dtype has no bound.
    """
    return max(filter(is_rounded, dtypes), key=lambda dtype: _bound(dtype).rel_error, default="")


@functools.lru_cache(maxsize=1024)
def most_precise(*dtypes: str) -> str:
    """Of those dtypes the one that allows least; "", which allows nothing, where one of them isn't rounded.

    Raises:
        ValueError: if a dtype has no bound.
    """
    if not all(map(is_rounded, dtypes)):
        return ""
    return min(dtypes, key=lambda dtype: _bound(dtype).rel_error, default="")


def rounding_of(*dtypes: str) -> float:
    """How far two elements of a weight may be apart, in units of its scale: of the least precise of some dtypes.

    Raises:
        ValueError: if a dtype has no bound.
    """
    return max(_bound(dtype).stored for dtype in dtypes)


def _bound(dtype: str) -> Bound:
    # NumPy's names of text types carry their width (`str96`, `bytes8`, `StringDType128`).
    name = "string" if dtype.lower().startswith(("str", "bytes")) else dtype
    if name not in BOUNDS:
        raise ValueError(f"no tolerance is known for dtype {dtype!r}; known are {', '.join(BOUNDS)}.")
    return BOUNDS[name]


def share_of_tolerance(error: float, tolerance: float) -> float:
    """An error in units of what is allowed: 0 for none, infinite where nothing is allowed or the error is no number."""
    if error == 0:
        return 0.0
    return error / tolerance if tolerance > 0 and not math.isnan(error) else math.inf
