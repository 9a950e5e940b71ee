"""Every way that Keras offers out of a process and back, by the name that `--format` takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, TypeAlias

from tracer.core.spec import nearest
from tracer.errors import SpecError

ALL = "all"
FormatName: TypeAlias = Literal[
    "keras",
    "h5",
    "weights",
    "config",
    "keras-compiled",
    "keras-dir",
    "checkpoint",
    "pickle",
    "copy",
    "sharded",
    "checkpoint-weights",
    "h5-weights",
    "h5-by-name",
    "from-config",
    "clone",
    "savedmodel",
]


@dataclass(frozen=True, slots=True)
class Format:
    """One way to save a model and to get it back.

    Attributes:
        name: what `--format` takes.
        words: the calls that a user makes.
        family: the format whose code in Keras restores it, hence whose known defects it has; "" for none.
        everyday: tried when no format is named.
        live: the model never leaves its process.
        outputs_only: what comes back has no layers.
    """

    name: FormatName
    words: str
    family: str
    everyday: bool = False
    live: bool = False
    outputs_only: bool = False


_JSON = "model_from_json(model.to_json())"

FORMATS: Mapping[str, Format] = MappingProxyType(
    {
        format.name: format
        for format in (
            Format("keras", "save('m.keras'), load_model(compile=False)", "keras", everyday=True),
            Format("h5", "save('m.h5'), load_model (legacy HDF5)", "h5", everyday=True),
            Format("weights", f"save_weights('m.weights.h5'), {_JSON} + load_weights", "weights", everyday=True),
            Format("config", f"get_weights(), {_JSON} + set_weights", "config", everyday=True),
            Format("keras-compiled", "save('m.keras'), load_model with its optimizer and losses", "keras"),
            Format("keras-dir", "save('folder', zipped=False), load_model", "keras"),
            Format("checkpoint", "ModelCheckpoint('m.keras'), load_model", "keras"),
            Format("pickle", "pickle.dumps, pickle.loads", "keras"),
            Format("copy", "copy.deepcopy, in the same process", "keras", live=True),
            Format("sharded", f"save_weights('m.weights.json', max_shard_size), {_JSON} + load_weights", "weights"),
            Format("checkpoint-weights", f"ModelCheckpoint(save_weights_only=True), {_JSON} + load_weights", "weights"),
            Format("h5-weights", f"save('m.h5'), {_JSON} + load_weights('m.h5') by topology", "h5"),
            Format("h5-by-name", f"save('m.h5'), {_JSON} + load_weights('m.h5', by_name=True)", "h5"),
            Format("from-config", "from_config(get_config()) + set_weights, in the same process", "config", live=True),
            Format("clone", "clone_model + set_weights, in the same process", "config", live=True),
            Format("savedmodel", "export('folder'), TFSMLayer: outputs only", "", outputs_only=True),
        )
    }
)


def format_named(name: str) -> Format:
    """The format of that name.

    Raises:
        SpecError: if there is none.
    """
    if name not in FORMATS:
        known = f"known are {', '.join(FORMATS)}, and {ALL} for every one"
        raise SpecError(f"unknown format {name!r}; {known}.{nearest(name, FORMATS)}")
    return FORMATS[name]


def chosen(asked: Sequence[str] | None, supported: Sequence[str]) -> tuple[str, ...]:
    """Names of the formats to try, each once.

    Args:
        asked: names, maybe `all`; None or empty: those of every day.
        supported: names that the model can be saved in; what is asked for by its own name is tried in any case.

    Raises:
        SpecError: if a name is unknown.
    """
    if not asked:
        return tuple(name for name in supported if FORMATS[name].everyday)
    names: list[str] = []
    for name in asked:
        names += supported if name == ALL else [format_named(name).name]
    return tuple(dict.fromkeys(names))
