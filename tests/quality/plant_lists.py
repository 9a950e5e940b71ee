"""Which faults are planted in which model, with what the tracer has to say of each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

import plants as p
from plants import Plant

_CALLS: Mapping[str, tuple[str, ...]] = MappingProxyType({"twin": ("twin", "twin#1")})
# In mixed precision kernels are rounded to eleven bits before they are used: 1e-4 is below that.
_FACTORS: Mapping[str, float] = MappingProxyType({"mixed": 1.05})

# Layer path and other values for keys of its configuration, read from the saved file.
_CONFIG: Mapping[str, tuple[tuple[str, dict[str, Any]], ...]] = MappingProxyType(
    {
        "convnet": (
            ("rescaling", {"offset": 0.2}),
            ("rescaling", {"scale": 0.25}),
            ("stem", {"strides": [2, 2], "dilation_rate": [1, 1]}),
            ("stem", {"dilation_rate": [2, 2]}),
            ("stem_bn", {"epsilon": 1e-5}),
            ("stem_act", {"activation": "relu"}),
            ("depthwise", {"activation": "tanh"}),
            ("depthwise_bn", {"epsilon": 1e-2}),
            ("se_reduce", {"activation": "relu"}),
            ("se_expand", {"activation": "hard_sigmoid"}),
            ("group_norm", {"groups": 2}),
            ("pool", {"strides": [1, 1]}),
            ("wide", {"padding": "valid"}),
            ("up", {"activation": "tanh"}),
            ("leaky", {"negative_slope": 0.3}),
            ("softmax", {"axis": 0}),
        ),
        "mlp": (
            ("first", {"activation": "sigmoid"}),
            ("norm", {"epsilon": 1e-2}),
            ("second", {"activation": "swish"}),
            ("bn", {"epsilon": 1e-4}),
            ("head", {"activation": "sigmoid"}),
        ),
        "branches": (
            ("left_in", {"activation": "relu"}),
            ("third_unit", {"axis": [0]}),
            ("right_norm", {"epsilon": 0.1}),
        ),
        "nested": (
            ("middle/core/bn", {"epsilon": 1e-2}),
            ("middle/core/conv", {"activation": "relu"}),
            ("middle/conv", {"activation": "gelu"}),
            ("conv", {"dilation_rate": [2, 2]}),
        ),
        "shared": (("twin", {"activation": "relu"}), ("head", {"activation": "tanh"})),
        "sequential": (
            ("front/conv", {"dilation_rate": [2]}),
            ("front/relu", {"negative_slope": 0.1}),
            ("back/bn", {"epsilon": 1e-2}),
            ("front/conv", {"padding": "causal"}),
        ),
        "encoder": (("head", {"activation": "tanh"}),),
        "recurrent": (
            ("bi", {"merge_mode": "sum"}),
            ("gru", {"recurrent_activation": "hard_sigmoid"}),
            ("gru", {"go_backwards": True}),
            ("embedding", {"mask_zero": False}),
        ),
        "mixed": (("act", {"activation": "relu"}), ("second", {"strides": [2, 2]})),
        "several": (
            ("conv", {"activation": "relu"}),
            ("score", {"activation": "tanh"}),
            ("kind", {"activation": "sigmoid"}),
        ),
    }
)
# The same where no configuration of a saved model reaches: layers that a custom layer or model makes itself.
_ATTRIBUTES: Mapping[str, tuple[tuple[str, dict[str, Any]], ...]] = MappingProxyType(
    {
        "encoder": (("encoder/norm_first", {"epsilon": 0.1}), ("encoder_b/norm_second", {"epsilon": 0.1})),
        "subclassed": (("norm", {"epsilon": 0.1}),),
    }
)
_TRANSPOSED: Mapping[str, tuple[tuple[str, tuple[int, ...]], ...]] = MappingProxyType(
    {
        "convnet": (
            ("project", (0, 1, 3, 2)),
            ("stem", (1, 0, 2, 3)),
            ("depthwise", (1, 0, 2, 3)),
            ("wide", (1, 0, 3, 2)),
        ),
        "mlp": (("second", (1, 0)), ("third", (1, 0))),
        "branches": (("left_out", (1, 0)), ("stem", (1, 0))),
        "nested": (("conv", (0, 1, 3, 2)), ("middle/core/conv", (1, 0, 2, 3)), ("middle/out", (0, 1, 3, 2))),
        "shared": (("twin", (1, 0)), ("own", (1, 0))),
        "sequential": (("back/dense", (1, 0)),),
        "encoder": (("encoder_b/mha/query", (0, 2, 1)),),
        "mixed": (("dense", (1, 0)), ("second", (1, 0, 2, 3))),
        "subclassed": (("block_0", (1, 0)), ("first", (1, 0))),
    }
)
_SWAPPED: Mapping[str, tuple[tuple[str, str], ...]] = MappingProxyType(
    {
        "convnet": (("project", "wide"), ("stem_bn", "depthwise_bn")),
        "mlp": (("second", "third"),),
        "branches": (("left_in", "left_out"), ("right_out", "third_out"), ("stem", "third_out")),
        "nested": (("conv", "middle/conv"), ("middle/conv", "middle/core/conv")),
        "shared": (("twin", "own"),),
        "sequential": (("back/dense", "back/last"),),
        "encoder": (("encoder/mha/query", "encoder/mha/key"), ("encoder/norm_first", "encoder/norm_second"),
                    ("encoder/project", "encoder_b/project")),
        "recurrent": (("bi/forward_lstm", "bi/backward_lstm"),),
        "subclassed": (("block_0", "block_1"),),
    }
)  # fmt: skip
_POLICIES: Mapping[str, tuple[tuple[str, str], ...]] = MappingProxyType(
    {
        "convnet": (("wide", "mixed_float16"), ("stem_bn", "mixed_bfloat16"), ("pool", "float16")),
        "mlp": (("second", "mixed_bfloat16"), ("norm", "mixed_float16")),
        "nested": (("middle/core/conv", "mixed_float16"),),
        "sequential": (("back/dense", "mixed_float16"),),
        "recurrent": (("head", "mixed_float16"), ("gru", "mixed_float16")),
        "mixed": (("conv", "float32"), ("bn", "float32"), ("act", "float32"), ("dense", "float32"),
                  ("head", "mixed_float16"), ("second", "mixed_bfloat16")),
        "several": (("score", "mixed_float16"), ("conv", "mixed_bfloat16")),
    }
)  # fmt: skip
_STALE: Mapping[str, tuple[tuple[str, dict[str, Any], str], ...]] = MappingProxyType(
    {
        "convnet": (
            ("normalization", {"mean": 0.0}, "unsaved-state"),
            ("normalization", {"variance": 1.0}, "unsaved-state"),
        ),
        "mlp": (("offset", {"shift": 0.0}, "unsaved-state"), ("gain", {"factor": 1.0}, "config")),
        "encoder": (("encoder/mha", {"_inverse_sqrt_key_dim": 0.5}, "unsaved-state"),),
    }
)
_RECODED: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "convnet": ("stem", "stem_bn", "gap", "residual"),
        "mlp": ("second", "bn"),
        "branches": ("add", "left_out"),
        "nested": ("middle/core/bn", "middle/out"),
        "shared": ("twin",),
        "sequential": ("front/relu",),
        "encoder": ("encoder/mha/value", "encoder/norm_second", "encoder/project"),
        "recurrent": ("each/step", "gru", "bi/forward_lstm"),
        "mixed": ("dense",),
        "subclassed": ("block_1", "norm"),
        "several": ("embedding", "score"),
    }
)


def plants_of(name: str, model: Any) -> Iterator[Plant]:
    """Everything that is planted in one of the models."""
    yield from _in_weights(name, model)
    for path, axes in _TRANSPOSED.get(name, ()):
        yield Plant(name=f"transposed {path}", layers=_CALLS.get(path, (path,)), cause="weights", says="transposed",
                    planted=p.transposed(path, axes))  # fmt: skip
    for one, other in _SWAPPED.get(name, ()):
        paths = (*_CALLS.get(one, (one,)), *_CALLS.get(other, (other,)))
        yield Plant(name=f"swapped {one}, {other}", layers=paths, cause="weights", planted=p.swapped(one, other),
                    says="weight of `")  # fmt: skip
    yield from _in_configuration(name)
    for path, values, cause in _STALE.get(name, ()):
        yield Plant(name=f"stale {path}", layers=(path,), cause=cause, planted=p.attribute(path, **values),
                    says=next(iter(values)))  # fmt: skip
    for path in _RECODED.get(name, ()):
        paths = _CALLS.get(path, (path,))
        yield Plant(name=f"recoded {path}", layers=paths, cause="implementation", planted=p.recoded_instance(path))
        yield Plant(name=f"new class {path}", layers=paths, cause="implementation", planted=p.recoded_class(path))


def _in_weights(name: str, model: Any) -> Iterator[Plant]:
    """In every layer that has weights: all of them too large, and one kind of damage besides."""
    paths_in = [path for path in p.weighted(model) if not path.startswith("encoder_b/mha")]  # as in the block before it
    for position, path in enumerate(paths_in):
        paths = _CALLS.get(path, (path,))
        factor = _FACTORS.get(name, 1 + 1e-4)
        if path.rpartition("/")[2] not in ("normalization",):  # it computes with attributes, not with its weights
            yield Plant(
                name=f"scaled {path}", layers=paths, cause="weights", planted=p.scaled(path, factor), says="max abs"
            )
            kind = (p.flipped, p.zeroed)[position % 2]
            yield Plant(
                name=f"{kind.__name__} {path}", layers=paths, cause="weights", planted=kind(path), says="max abs"
            )


def _in_configuration(name: str) -> Iterator[Plant]:
    for path, changes in _CONFIG.get(name, ()):
        yield Plant(name=f"config {path} {changes}", layers=_CALLS.get(path, (path,)), cause="config",
                    planted=p.reconfigured(path, **changes), says=next(iter(changes)))  # fmt: skip
    for path, changes in _ATTRIBUTES.get(name, ()):
        yield Plant(name=f"config {path} {changes}", layers=(path,), cause="config",
                    planted=p.attribute(path, **changes), says=next(iter(changes)))  # fmt: skip
    for path, policy in _POLICIES.get(name, ()):
        yield Plant(name=f"policy {path} {policy}", layers=(path,), cause="dtype-policy",
                    planted=p.reconfigured(path, dtype=policy), says="float")  # fmt: skip
