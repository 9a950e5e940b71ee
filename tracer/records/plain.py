"""Records as plain JSON types, and the parts of a report from these again."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, TypeVar, runtime_checkable

from tracer.records.layers import INLINE, Difference, ErrorMap, Histogram, LayerReport
from tracer.records.parts import Cause, Evidence, EvidenceKind, Fault, Inputs, Predictions, Proof, Side, Verdict

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

# What `json.loads` returns for an object: its values are of any type until they were read.
JsonObject: TypeAlias = dict[str, Any]
# What can be written as JSON.
JsonValue: TypeAlias = "Mapping[str, JsonValue] | Sequence[JsonValue] | str | int | float | bool | None"

_Record = TypeVar("_Record", LayerReport, Difference, Fault, Inputs, Predictions)


@runtime_checkable
class _NumPyScalar(Protocol):
    def item(self) -> bool | int | float | complex | str | bytes:
        """The same as Python's own type."""


# --- writing


def to_plain(value: object) -> JsonValue:
    """Records, tuples and mappings as plain JSON types; what JSON can't say of a number is null."""
    if isinstance(value, Mapping):
        return {str(key): to_plain(item) for key, item in value.items()}
    if isinstance(value, (tuple, list)):
        return [to_plain(item) for item in value]
    if is_dataclass(value) and not isinstance(value, type):
        return dict(_plain_items(value))
    return _plain_value(value)


def _plain_items(record: DataclassInstance) -> Iterator[tuple[str, JsonValue]]:
    for each in fields(record):
        part = getattr(record, each.name)
        if each.metadata == INLINE:
            yield from _plain_items(part)
        else:
            yield each.name, to_plain(part)


def _plain_value(value: object) -> JsonValue:
    if isinstance(value, StrEnum):
        return str(value)
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    # A NumPy scalar says its number; of anything else a report holds the text.
    return to_plain(value.item()) if isinstance(value, _NumPyScalar) else str(value)


# --- reading


def layer_from(data: JsonObject) -> LayerReport:
    """One layer of a saved report."""
    known = _known_fields(LayerReport, data)
    local = known.get("local_error")
    known.update(
        verdict=Verdict(known["verdict"]),
        difference=_difference_from(data),
        tolerance=_number(known["tolerance"]),
        local_error=None if local is None else float(local),
        shape=tuple(known.get("shape", ())),
        inbound=tuple(known.get("inbound", ())),
        histogram=_histogram_from(known.get("histogram")),
        error_map=_map_from(known.get("error_map")),
    )
    return LayerReport(**known)


def _difference_from(data: JsonObject) -> Difference:
    """That of a layer, beside the layer's own keys."""
    known = _known_fields(Difference, data)
    known.update(
        rel_error=_number(known["rel_error"]),
        max_abs=_number(known.get("max_abs", 0.0)),
        max_ulp=_number(known.get("max_ulp", 0.0), math.nan),
        cosine=_number(known.get("cosine", 1.0), math.nan),
        worst_index=tuple(known.get("worst_index", ())),
        channels=tuple((int(channel), float(share)) for channel, share in known.get("channels", ())),
    )
    return Difference(**known)


def _histogram_from(data: JsonObject | None) -> Histogram | None:
    if data is None:
        return None
    counts = {side: tuple(map(int, data[side])) for side in ("reference", "candidate")}
    return Histogram(low=float(data["low"]), high=float(data["high"]), **counts)


def _map_from(data: JsonObject | None) -> ErrorMap | None:
    if data is None:
        return None
    fields = tuple(tuple(_number(value, math.nan) for value in row) for row in data["fields"])
    return ErrorMap(height=int(data["height"]), width=int(data["width"]), fields=fields)


def fault_from(data: JsonObject) -> Fault:
    """One fault of a saved report."""
    known = _known_fields(Fault, data)
    known.update(
        side=Side(known["side"]),
        cause=Cause(known["cause"]),
        evidence=tuple(map(_evidence_from, known.get("evidence", ()))),
        proof=_proof_from(known.get("proof")),
    )
    return Fault(**known)


def inputs_from(data: JsonObject | None) -> Inputs | None:
    """What a saved report says of the inputs; None in reports of old."""
    if data is None:
        return None
    known = _known_fields(Inputs, data)
    shapes = {str(name): tuple(shape) for name, shape in known.get("shapes", {}).items()}
    return Inputs(**{**known, "shapes": shapes, "conversions": tuple(known.get("conversions", ()))})


def predictions_from(data: JsonObject) -> Predictions:
    """What a saved report says of the predictions of one model output."""
    known = _known_fields(Predictions, data)
    return Predictions(**{**known, "samples": tuple(map(int, known.get("samples", ())))})


def timings_from(data: JsonObject) -> dict[str, float]:
    """Seconds by phase; `nan` where a phase has no number."""
    return {str(phase): _number(seconds, math.nan) for phase, seconds in data.items()}


def _evidence_from(data: JsonObject) -> Evidence:
    return Evidence(**{**data, "kind": EvidenceKind(data["kind"])})


def _proof_from(data: JsonObject | None) -> Proof | None:
    if data is None:
        return None
    return Proof(
        healed=_number(data["healed"]),
        broken=_number(data["broken"]),
        output_error=_number(data["output_error"]),
        holds=bool(data["holds"]),
        implied=bool(data.get("implied", False)),
        batch=data.get("batch"),
    )


def _known_fields(kind: type[_Record], data: JsonObject) -> JsonObject:
    """The values of a record's fields; what a newer tracer has added is left out."""
    return {each.name: data[each.name] for each in fields(kind) if each.name in data}


def _number(value: float | None, missing: float = math.inf) -> float:
    return missing if value is None else float(value)
