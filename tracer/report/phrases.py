"""What a report says in words: the verdict of the first line, causes, sides, verdicts, and what to do next."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from types import MappingProxyType

from tracer.core.numbers.tolerance import PER_SAMPLE, share_of_tolerance
from tracer.core.releases import parse_release
from tracer.records import (
    Cause,
    Evidence,
    EvidenceKind,
    Fault,
    Inputs,
    LayerReport,
    Predictions,
    Proof,
    Report,
    Side,
    Status,
    Verdict,
)
from tracer.report.style import Tone, beside, counted, error_number

_HEALED = "healed: the candidate with the reference's outputs at the faults alone"
_IMPLIED = " (without a run: every other layer returns the very bits that the reference's does)"
CODE = 30  # characters of code in a remedy from which on it has a line of its own
FULL_FAULTS = 3  # faults told in full; the others are named, by cause
_NAMED = 3  # faults that the first line can name and still be read as one line

_ARRAYS = 4  # inputs that are told by name; a model rarely has more
_RULES = MappingProxyType({"argmax": "the largest of several outputs", "threshold": "above 0.5 or not"})

_CAUSES = MappingProxyType(
    {
        Cause.UNSAVED_STATE: "state that is neither weight nor configuration differs: it was not saved or not restored",
        Cause.CONFIG: "its configuration differs",
        Cause.WEIGHTS: "its weights differ",
        Cause.DTYPE_POLICY: "its dtype policy differs",
        Cause.TOPOLOGY: "it is wired otherwise: its inputs come from other places",
        Cause.CALL_CONTEXT: "it is called otherwise: another training flag, mask or argument",
        Cause.QUANTIZATION: "it is quantized on one side: a loss that is expected of quantization",
        Cause.TRAINING_CONFIG: "what training needs differs: loss, optimizer settings, regularizers or trainable flags",
        Cause.OPTIMIZER_STATE: "the state of the optimizer differs: training goes on from another place",
        Cause.IMPLEMENTATION: "configuration, weights and state are equal, the numbers aren't: other code computes it",
        Cause.UNKNOWN: "nothing was found that explains the difference",
    }
)

_SIDES = MappingProxyType(
    {
        Side.REFERENCE: "the reference is wrong",
        Side.CANDIDATE: "the candidate is wrong",
        Side.UNKNOWN: "which side is wrong is not known",
    }
)

_VERDICT_TONES = MappingProxyType(
    {
        Verdict.IDENTICAL: Tone.DIM,
        Verdict.CLOSE: Tone.GOOD,
        Verdict.INHERITED: Tone.WARN,
        Verdict.INTRODUCED: Tone.BAD,
        Verdict.MASKED: Tone.BAD,
        Verdict.NONDETERMINISTIC: Tone.WARN,
        Verdict.INCOMPARABLE: Tone.WARN,
    }
)

_STATUS_TONES = MappingProxyType(
    {
        Status.PASS: Tone.GOOD,
        Status.WITHIN_TOLERANCE: Tone.GOOD,
        Status.DIVERGED: Tone.BAD,
        Status.INCONCLUSIVE: Tone.WARN,
    }
)

_STATUS_WORDS = MappingProxyType(
    {
        Status.PASS: "PASS",
        Status.WITHIN_TOLERANCE: "PASS within tolerance",
        Status.DIVERGED: "DIVERGED",
        Status.INCONCLUSIVE: "INCONCLUSIVE",
    }
)


def cause_words(fault: Fault) -> str:
    """Who is wrong, and why, as a sentence without its full stop; the cause's own name behind it."""
    return f"{_SIDES[fault.side]}: {_CAUSES[fault.cause]} (cause: {fault.cause})"


def cause_meaning(fault: Fault) -> str:
    """Why, in words."""
    return _CAUSES[fault.cause]


def side_words(fault: Fault) -> str:
    """Who is wrong."""
    return _SIDES[fault.side]


def verdict_tone(verdict: Verdict) -> Tone:
    """How a verdict is meant."""
    return _VERDICT_TONES[verdict]


def status_tone(status: Status) -> Tone:
    """How a status is meant."""
    return _STATUS_TONES[status]


def status_words(status: Status) -> str:
    """The status as the first word of a report."""
    return _STATUS_WORDS[status]


def headline(report: Report) -> str:
    """The verdict in one line."""
    return f"{status_words(report.status)}: {headline_detail(report)}"


def headline_detail(report: Report) -> str:
    """The verdict in one line, without the status before it."""
    if report.status is Status.INCONCLUSIVE:
        return _inconclusive_detail(report)
    if report.status is Status.DIVERGED:
        return _diverged_detail(report)
    outputs = counted(report.compared, "layer output")
    worst = worst_layer(report)
    if report.status is Status.PASS or worst is None:
        return f"{outputs} {'is' if report.compared == 1 else 'are'} bit-identical"
    error, allowed = beside(worst.rel_error, worst.tolerance)
    return f"{outputs} compared, worst layer {worst.layer}: {error} of {allowed} allowed"


def _inconclusive_detail(report: Report) -> str:
    if report.reason:
        return report.reason
    why = f": {report.notes[0]}" if report.notes else ""
    if report.compared == 0:
        return f"nothing was compared{why}"
    return f"{counted(report.compared, 'layer output')} compared, not enough for a verdict{why}"


def _diverged_detail(report: Report) -> str:
    told = _faulty(report.faults) or report.reason or _without_faults(report)
    hidden = _hidden_detail(report.hidden, "more " if report.faults else "")
    if told and hidden:
        return f"{told}; {hidden}, which these inputs don't show"
    if hidden:
        agree = all(layer.verdict in (Verdict.IDENTICAL, Verdict.CLOSE) for layer in report.layers)
        return f"{'the outputs agree on these inputs' if agree else 'these inputs do not show it'}, but {hidden}"
    return told or "the sides differ, but no layer could be blamed"


def _faulty(faults: tuple[Fault, ...]) -> str:
    if len(faults) == 1:
        return f"1 layer is at fault: {faults[0].layer} ({_SIDES[faults[0].side]})"
    return f"{len(faults)} layers are at fault: {_names(faults)}" if faults else ""


def _without_faults(report: Report) -> str:
    if report.first_divergence is not None:
        return f"from {report.first_divergence} on, but no layer could be blamed"
    without_partner = sum(len(paths) for paths in report.unmatched.values())
    return f"the structures differ: {counted(without_partner, 'layer')} without a partner" if without_partner else ""


def _hidden_detail(hidden: tuple[Fault, ...], more: str) -> str:
    """`the weights of 1 layer differ: emb`; of what fails in a strict comparison only where no weights differ."""
    weights = tuple(fault for fault in hidden if fault.cause is Cause.WEIGHTS)
    if weights:
        return f"the weights of {counted(len(weights), f'{more}layer')} differ: {_names(weights)}"
    optimizers = tuple(fault for fault in hidden if fault.cause is Cause.OPTIMIZER_STATE)
    if optimizers:
        return f"the state of the optimizer ({optimizers[0].class_name}) differs"
    if hidden:
        are = "is" if len(hidden) == 1 else "are"
        return f"{counted(len(hidden), f'{more}layer')} {are} set otherwise: {_names(hidden)}"
    return ""


def _names(faults: tuple[Fault, ...]) -> str:
    more = f" and {len(faults) - _NAMED} more" if len(faults) > _NAMED else ""
    return ", ".join(fault.layer for fault in faults[:_NAMED]) + more


def hidden_words(fault: Fault) -> str:
    """What differs of a layer though these inputs don't show it; the cause's own name behind it."""
    return f"{_CAUSES[fault.cause]} (cause: {fault.cause})"


def evidence_kind(evidence: Evidence) -> str:
    """What an observation is of, before its name."""
    return "state recomputed by" if evidence.kind == EvidenceKind.STALE else str(evidence.kind)


def fixed_words(fault: Fault) -> str:
    """The release in which a known issue is fixed."""
    return f"fixed in Keras {fault.fixed_in}" if fault.fixed_in else "not fixed in any release known here"


def proof_words(proof: Proof | None) -> str:
    """Whether the blame was proved, with the relative errors of the model outputs."""
    told = proof_verdict(proof)
    if proof is None:
        return told
    errors = map(error_number, (proof.output_error, proof.healed, proof.broken))
    return "{}; error of the model outputs {} as it is, {} healed, {} broken".format(told, *errors)


_NOT_FOLLOWED = "unproved: the model outputs don't follow the blame"


def proof_verdict(proof: Proof | None) -> str:
    """Whether the blame was proved."""
    if proof is None:
        return "unproved: no proof was made"
    where = "" if proof.batch is None else f" (tried on batch {proof.batch})"
    return f"{'the blame holds both ways' if proof.holds else _NOT_FOLLOWED}{where}"


def proof_lines(proof: Proof) -> Iterator[tuple[str, str]]:
    """The relative errors of the model outputs, each with what was run."""
    yield error_number(proof.output_error), "the candidate as it is"
    yield error_number(proof.healed), f"{_HEALED}{_IMPLIED if proof.implied else ''}"
    yield error_number(proof.broken), "broken: the reference with the candidate's outputs at the faults alone"


def error_words(layer: LayerReport) -> str:
    """How far a layer is off, beside what is allowed."""
    if layer.rel_error <= layer.tolerance and (layer.sample_error or 0.0) > layer.tolerance * PER_SAMPLE:
        error, allowed = beside(layer.sample_error, layer.tolerance * PER_SAMPLE)
        whole = f"{error_number(layer.rel_error)} over the whole batch"
        return f"{error} in sample {layer.worst_sample}{_of_batch(layer)}, {allowed} allowed; {whole}"
    if layer.local_error is None:
        error, allowed = beside(layer.rel_error, layer.tolerance)
        return f"{error} of its output{_of_batch(layer)}, {allowed} allowed"
    error, allowed = beside(layer.local_error, layer.tolerance)
    came = error_number(layer.rel_error)
    own = f"; {came} on the inputs that each side has" if came != error_number(layer.local_error) else ""
    return f"{error} on the same inputs{_of_batch(layer)}, {allowed} allowed{own}"


def _of_batch(layer: LayerReport) -> str:
    """The batch that a layer's numbers are of, where there are several."""
    return "" if layer.worst_batch is None else f" (batch {layer.worst_batch})"


def worst_layer(report: Report) -> LayerReport | None:
    """The layer that comes nearest to its tolerance, or is farthest beyond it; None when none differs."""
    differing = [layer for layer in report.layers if layer.verdict is not Verdict.IDENTICAL and layer.rel_error != 0]
    return max(differing, key=lambda layer: share_of_tolerance(layer.rel_error, layer.tolerance), default=None)


def inputs_words(inputs: Inputs, batches: int = 1) -> str:
    """`batch.npz: 41 samples, x (41, 4) float32. x was cast from float64 to float32.`"""
    arrays = [
        f"{name} ({', '.join(map(str, shape))}{',' if len(shape) == 1 else ''}) {inputs.dtypes.get(name, '')}".rstrip()
        for name, shape in inputs.shapes.items()
    ]
    more = f" and {len(arrays) - _ARRAYS} more" if len(arrays) > _ARRAYS else ""
    source = inputs.source or "given as arrays"
    several = f" in {batches} batches" if batches > 1 else ""
    fed = f"{source}: {', '.join([counted(inputs.samples, 'sample') + several, *arrays[:_ARRAYS]])}{more}"
    return ". ".join([fed, *(sentence.rstrip(".") for sentence in inputs.conversions)]) + "." * bool(inputs.conversions)


def predictions_words(report: Report) -> Iterator[str]:
    """`3 of 41 changed (the largest output): samples 4, 7, 9`, for each output; where the sides are equal, nothing."""
    for each in report.predictions if report.status is not Status.PASS else ():
        name = f"{each.output}: " if len(report.predictions) > 1 else ""
        yield f"{name}{each.changed} of {each.total} changed ({_RULES[each.rule]}){_samples(each)}"


def _samples(predictions: Predictions) -> str:
    """Those with a prediction that changed; of many, the first."""
    if not predictions.samples:
        return ""
    noun = "sample" if len(predictions.samples) == 1 else "samples"
    more = ", …" if predictions.changed > len(predictions.samples) else ""
    return f": {noun} {', '.join(map(str, predictions.samples))}{more}"


def verdict_counts(layers: tuple[LayerReport, ...]) -> str:
    """`231 inherited, 8 identical, 1 introduced`, the most frequent first."""
    counts = Counter(layer.verdict for layer in layers)
    return ", ".join(f"{count} {verdict}" for verdict, count in counts.most_common())


def next_steps(report: Report) -> Iterator[str]:
    """What to do next, a sentence each."""
    if report.status is Status.INCONCLUSIVE:
        yield from _steps_to_a_verdict(report)
    elif report.status is Status.DIVERGED:
        yield from _steps_to_equality(report)


def _steps_to_a_verdict(report: Report) -> Iterator[str]:
    if report.unmatched and not report.compared:
        yield "Check that both sides are the same model: no layer of one has a partner in the other."
    else:
        yield "Give inputs like your real ones with --inputs FILE.npz, and see the notes above."
    yield "`tracer doctor` says what is installed and what works."


def _steps_to_equality(report: Report) -> Iterator[str]:
    for fault in report.faults[:FULL_FAULTS]:
        if fault.remedy:
            yield f"Apply the remedy for {fault.layer} (above), then run the same command again."
        older = _older_environments(report, fault.fixed_in)
        if older:
            yield f"Upgrade Keras to {fault.fixed_in} or newer: {fault.known_issue} is fixed there (ran: {older})."
    if any(fault.cause is Cause.OPTIMIZER_STATE for fault in report.hidden):
        yield "Don't go on training from this file: save the model again, and verify that file."
    elif report.hidden and not report.faults:
        yield f"Give inputs that reach {report.hidden[0].layer} (--inputs FILE.npz), to see what it changes."
    if any(report.unmatched.values()) and not report.faults:
        yield "Look at the layers without a partner: one of the models was built or saved otherwise."


def _older_environments(report: Report, fixed_in: str | None) -> str:
    """The Keras releases that ran and are older than the one with the fix."""
    if not fixed_in:
        return ""
    ran = dict.fromkeys(env["keras"] for env in report.environments.values() if "keras" in env)
    return ", ".join(version for version in ran if _final(version) < _final(fixed_in))


def _final(version: str) -> tuple[int, ...]:
    """`3.6.0` → (3, 6, 0), also of a build from before that release: whether it has a fix can't be told."""
    return (parse_release(version) or ())[:3]
