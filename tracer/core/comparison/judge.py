"""Judge one call site that both sides have just run: what differs, and whether this layer is what made it differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from tracer.core.comparison.gap import ALONE, NO_NUMBER, Gap, Terms, gaps
from tracer.core.comparison.same_call import CallMatch
from tracer.core.numbers.blocks import name_of
from tracer.core.numbers.pictures import Pictures, pictures, small_pictures
from tracer.core.source import Array, Call, Facts, Patch, Replay, Stop, Value
from tracer.records import LayerReport, Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """One call site, judged.

    Attributes:
        reference: the reference's call.
        candidate: the candidate's call.
        layers: a `LayerReport` for each output.
        introduced: the layer is wrong by itself.
        exact: on the reference's inputs it returns the very bits that the reference's returned, and whatever else it
            may be given is equal, so that it does so wherever the layers before it return the reference's bits.
        other_inputs: names of the arguments that have other tensors on the two sides.
        context_differs: a layer that is right was called otherwise, and that alone changes what it returns.
        inner_inputs: within a box: the call site that the box's own code hands other inputs, or None.
        facts: of the layer on both sides, when it is blamed.
        stale: by side, whether deriving the layer's state anew changes what it computes; None where it has no state
            to derive.
        mend: the change to the candidate's layer that was seen to put it right, or None.
        rounding: relative L2 error that it has by rounding alone, on both sides alike, where its bound allows less.
    """

    reference: Call
    candidate: Call
    layers: tuple[LayerReport, ...]
    introduced: bool
    exact: bool = False
    other_inputs: tuple[str, ...] = ()
    context_differs: bool = False
    inner_inputs: str | None = None
    facts: tuple[Facts | None, Facts | None] = (None, None)
    stale: tuple[bool | None, bool | None] = (None, None)
    mend: Patch | None = None
    rounding: float = 0.0

    @property
    def same_inputs(self) -> bool:
        """Both sides gave it the same tensors."""
        return not self.other_inputs


def judge(
    r: Call,
    c: Call,
    match: CallMatch,
    candidate: Stop,
    inner: Sequence[Judgement] = (),
    *,
    terms: Terms = ALONE,
) -> Judgement:
    """Judge one pair of calls. Whoever is found guilty has to be confirmed.

    Args:
        r: the reference's call.
        c: the candidate's call.
        match: in what the two were called otherwise.
        candidate: at this call site, to feed its layer the reference's inputs.
        inner: judgements of the call sites inside, when this is a box.
        terms: of this run.
    """
    if r.error:
        return _no_reference(r, c, match)
    dtypes = (r.compute_dtype, c.compute_dtype)
    came = () if c.error else gaps(r.outputs, c.outputs, terms, dtypes=dtypes, inputs=r.inputs)
    if r.is_box and c.is_box:
        return _judge_box(r, c, match, came, candidate, inner, terms)
    unchanged = match.same and not c.error
    local = came if unchanged else local_gaps(r, candidate.replay(r.inputs, r.context), terms, dtypes)
    judged = _judgement(r, c, match, came, local)
    if c.error and match.same and not judged.introduced:
        return as_random(judged, f"the candidate raises {c.error} at one time and not at another")
    return _in_context(judged, match, candidate, terms)


def _in_context(judged: Judgement, match: CallMatch, candidate: Stop, terms: Terms) -> Judgement:
    """Whether the candidate's context alone changes what a layer returns that is also wrong, or given other inputs."""
    r, c = judged.reference, judged.candidate
    if c.error or not match.other_context or not (match.other_inputs or judged.introduced):
        return judged
    # A layer that is wrong by itself is held against what it returns in the reference's context.
    right = candidate.replay(r.inputs, r.context).outputs if judged.introduced else r.outputs
    again = candidate.replay(r.inputs, c.context)
    differs = any(g.beyond_locally for g in local_gaps(replace(r, outputs=right), again, terms, _dtypes(r, c)))
    return replace(judged, context_differs=bool(right) and differs)


def _dtypes(r: Call, c: Call) -> tuple[str, str]:
    return r.compute_dtype, c.compute_dtype


def pictured(judged: Judgement) -> Judgement:
    """The judgement with small pictures of all outputs that aren't the same; a layer at fault has its own."""
    r, c = judged.reference.outputs, judged.candidate.outputs
    shown = min(len(r), len(c))
    layers = [
        with_pictures(layer, r[index].array, c[index].array) if index < shown else layer
        for index, layer in enumerate(judged.layers)
    ]
    return replace(judged, layers=tuple(layers))


def with_pictures(layer: LayerReport, here: Array, there: Array) -> LayerReport:
    """The layer with small pictures of both sides' outputs, unless it has pictures or there is nothing to draw."""
    if not layer.rel_error > 0 or layer.histogram is not None or here.shape != there.shape:
        return layer
    histogram, error_map = small_pictures(here, there)
    return replace(layer, histogram=histogram, error_map=error_map)


def local_gaps(r: Call, replay: Replay, terms: Terms, dtypes: Sequence[str]) -> tuple[Gap, ...]:
    """How far what a layer returns on the reference's inputs is from what the reference's returned."""
    if replay.error:
        kind = f"the candidate can't run here, it raises {replay.error}"
        return tuple(Gap(difference=NO_NUMBER, kind=kind, same=False) for _ in r.outputs or (None,))
    return gaps(r.outputs, replay.outputs, terms.alone, dtypes=dtypes, inputs=r.inputs)


def _judge_box(
    r: Call,
    c: Call,
    match: CallMatch,
    came: tuple[Gap, ...],
    candidate: Stop,
    inner: Sequence[Judgement],
    terms: Terms,
) -> Judgement:
    """A layer with layers inside is at fault only for what its own code does.

    Where neither its result nor what it hands on differs, it isn't asked.  Else it is called on the reference's inputs
    while every call site inside returns what the reference's returned there; what still differs, in its result or in
    what it hands to a call site inside, is its own.
    """
    if came and all(g.same for g in came) and all(judgement.same_inputs for judgement in inner):
        return _judgement(r, c, match, came, came)
    replay = candidate.replay(r.inputs, r.context, forced_by(inner))
    local = local_gaps(r, replay, terms, (r.compute_dtype, c.compute_dtype))
    return _judgement(r, c, match, came, local, handed_otherwise(handed_in(inner), replay))


def forced_by(inner: Sequence[Judgement]) -> dict[str, tuple[Value, ...]]:
    """What the call sites inside a box are to return while its own code is called, by layer path."""
    return {judgement.reference.path: judgement.reference.outputs for judgement in inner}


def handed_in(inner: Sequence[Judgement]) -> dict[str, tuple[Value, ...]]:
    """What the reference's box handed to the call sites inside, by layer path."""
    return {judgement.reference.path: judgement.reference.inputs for judgement in inner}


def handed_otherwise(handed: Mapping[str, tuple[Value, ...]], replay: Replay) -> str | None:
    """The first call site inside that a box's own code hands other tensors in a replay, by its layer path."""
    for path, expected in handed.items():
        received = replay.inner.get(path)
        if received is None:
            continue
        values = received[0]
        if len(values) != len(expected) or any(g.beyond for g in gaps(expected, values)):
            return path
    return None


def as_random(judged: Judgement, note: str) -> Judgement:
    """Nobody is blamed for chance."""
    layers = tuple(replace(layer, verdict=Verdict.NONDETERMINISTIC, note=note) for layer in judged.layers)
    return replace(judged, layers=layers, introduced=False, context_differs=False)


def _no_reference(r: Call, c: Call, match: CallMatch) -> Judgement:
    layer = LayerReport(
        layer=r.path,
        class_name=r.class_name,
        verdict=Verdict.INCOMPARABLE,
        difference=NO_NUMBER,
        local_error=None,
        tolerance=0.0,
        note=f"the reference's layer raises {r.error}",
        inbound=r.wiring or (),
    )
    return Judgement(reference=r, candidate=c, layers=(layer,), introduced=False, other_inputs=match.other_inputs)


def _judgement(
    r: Call, c: Call, match: CallMatch, came: Sequence[Gap], local: Sequence[Gap], inner_inputs: str | None = None
) -> Judgement:
    """Put the gaps as they came beside the gaps on the reference's inputs."""
    if not came:  # the candidate's layer raised: there are no numbers as they came
        kind = f"the candidate can't run here, it raises {c.error}"
        came = [replace(g, difference=NO_NUMBER, kind=kind, same=False) for g in local]
    guilty = inner_inputs is not None
    pairs = enumerate(zip(came, local, strict=False))
    layers = tuple(_layer(r, c, index, out, own, guilty) for index, (out, own) in pairs)
    introduced = guilty or any(g.beyond_locally for g in local)
    called_otherwise = not match.other_inputs and match.other_context and any(g.beyond for g in came)
    return Judgement(
        reference=r,
        candidate=c,
        layers=layers,
        introduced=introduced,
        exact=not guilty and _is_exact(r, c, match, local),
        other_inputs=match.other_inputs,
        context_differs=bool(called_otherwise) and not introduced,
        inner_inputs=inner_inputs,
    )


def _is_exact(r: Call, c: Call, match: CallMatch, local: Sequence[Gap]) -> bool:
    """See `Judgement.exact`."""
    return all(g.same for g in local) and (match.same or _hang_on_layers(r, c))


def _hang_on_layers(*calls: Call) -> bool:
    """Whether all that these are given is what layers of their own graph return, as they return it.

    What a model is given it may convert, a constant is its own, and a mask may be made on the way to a call site: while
    such a thing differs, it isn't known what it would be if the layers before it were right.
    """
    labels = [label for call in calls for label in call.wiring or ()]
    values = [value for call in calls for value in call.inputs]
    unsure = any("<input" in label for label in labels) or any(value.mask is not None for value in values)
    return len(labels) == len(values) and not unsure


def _layer(r: Call, c: Call, index: int, out: Gap, own: Gap, guilty: bool) -> LayerReport:
    if own.beyond_locally or guilty:
        verdict = Verdict.INTRODUCED
    elif out.same:
        verdict = Verdict.IDENTICAL
    else:
        verdict = Verdict.INHERITED if out.beyond else Verdict.CLOSE
    value = r.outputs[index] if index < len(r.outputs) else None
    histogram, error_map = _pictures(r, c, index) if verdict is Verdict.INTRODUCED else (None, None)
    return LayerReport(
        layer=f"{r.path}:{index}" if index else r.path,
        class_name=r.class_name,
        verdict=verdict,
        difference=out.difference,
        local_error=own.difference.rel_error,
        tolerance=out.tolerance,
        shape=() if value is None else tuple(value.array.shape),
        dtype="" if value is None else name_of(value.array.dtype),
        note=_note(out, own),
        inbound=r.wiring or (),
        histogram=histogram,
        error_map=error_map,
    )


def _pictures(r: Call, c: Call, index: int) -> Pictures:
    """Of an output that both have."""
    if index >= min(len(r.outputs), len(c.outputs)):
        return None, None
    return pictures(r.outputs[index].array, c.outputs[index].array)


def _note(out: Gap, own: Gap) -> str:
    if own.kind:
        return f"on the reference's inputs: {own.kind}"
    return out.kind or own.hidden_sample or out.hidden_sample
