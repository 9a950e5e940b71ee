"""Does a comparison show anything?  From the signal that went through the reference to the reason why it doesn't.

Two models that both return NaN, zeros, or the same number for every sample are bit for bit equal, and nothing of their
layers was seen.  What is looked at, and when it is too little:

    inputs      every value is NaN or infinite
    calls       more than half carry nothing: one value throughout, or no finite value
    outputs     one has no finite value, or has none for one of several samples; or none depends on the inputs

Some infinities are meant (the −inf of an attention mask or of masked logits), some tensors are constant by nature
(truth values, a handful of ids): such alone are no reason.  A fault that was found is never hidden by a reason.
"""

from __future__ import annotations

from typing import Final

from tracer.core.soundness.signals import Signal, Signals, is_dead

# Of all calls: with more that carry nothing, the comparison shows little.
_SHARE: Final = 0.5


def reason_to_doubt(signals: Signals) -> str:
    """Why equal sides show nothing, in one sentence; "" where they show something."""
    return _without_numbers(signals) or _without_life(signals)


def is_doubt(note: str) -> bool:
    """Whether a note of a report is what `reason_to_doubt` says."""
    return note.endswith((_OTHER, _LIVELIER))


def _without_numbers(signals: Signals) -> str:
    """NaN and infinities on both sides alike: what comes of them can't be told apart."""
    for output in signals.outputs:
        if reason := _blind_output(signals, output):
            return f"{reason} {_OTHER}"
    if signals.fed.blind:
        return f"every value of the inputs is NaN or infinite, so nothing was compared. {_OTHER}"
    blind = [call for call in signals.calls if call.blind]
    if len(blind) > _SHARE * len(signals.calls):
        count = f"{len(blind)} of {len(signals.calls)} activations"
        return f"{_origin(signals, blind[0])}: {count} hold no number to compare. {_OTHER}"
    return ""


def _blind_output(signals: Signals, output: Signal) -> str:
    """Why nothing can be told by a model output; "" where something can."""
    if output.blind:
        return f"{_origin(signals, output)}: the model output {output.layer} holds no number to compare."
    if output.blind_samples:
        places = ", ".join(map(str, output.blind_samples[:4])) + (", …" if len(output.blind_samples) > 4 else "")
        where = f"sample {places} of the model output {output.layer}"
        return f"{_origin(signals, output)}: {where} holds no number to compare."
    last = _last_number(signals) if _is_exact(output) and output.constant else None
    if last is not None and last.blind:
        return f"{_origin(signals, last)}: the model output {output.layer} comes of these."
    return ""


_OTHER: Final = "Give inputs for which the reference returns finite numbers."


def _origin(signals: Signals, seen: Signal) -> str:
    """Where it begins: a NaN at the first NaN, for a mask may hold infinities on purpose."""
    what = "NaN" if seen.nan else "infinite values"
    first = next((call.layer for call in signals.calls if (call.nan if seen.nan else call.infinite)), seen.layer)
    given = ", and the inputs hold such values already" if signals.fed.nonfinite else ""
    return f"both sides return {what} from {first} on{given}"


def _without_life(signals: Signals) -> str:
    """One value throughout, whatever goes in: dead, saturated, or weights of zero."""
    dead = signals.dead
    weak = [call for call in signals.calls if call.blind or is_dead(call, signals.fed)]
    if len(weak) > _SHARE * len(signals.calls):
        first = dead[0] if dead else weak[0].layer
        return (
            f"the signal is dead: {len(weak)} of {len(signals.calls)} activations are constant (the first is {first}), "
            f"so that equal numbers show little. {_LIVELIER}"
        )
    lifeless = _lifeless_outputs(signals)
    if lifeless:
        since = f" (the first constant activation is {dead[0]})" if dead else ""
        named = ", ".join(lifeless)
        return f"the signal is dead: {named}, the model's output, is the same whatever goes in{since}. {_LIVELIER}"
    return ""


def _lifeless_outputs(signals: Signals) -> list[str]:
    """Model outputs that don't depend on the inputs; none where one of the others does."""
    lifeless = {output.layer: _is_lifeless(output, signals) for output in signals.outputs}
    if False in lifeless.values():
        return []
    return [name for name, is_lifeless in lifeless.items() if is_lifeless]


_LIVELIER: Final = "Give other inputs, or a model with other weights."


def _is_lifeless(output: Signal, signals: Signals) -> bool | None:
    """Whether a model output doesn't depend on the inputs; None where it can't be told.

    Whole numbers and truth values are judged by the last activation of floating point that they may come from: a few
    classes or a mask are often all the same, without anything being dead.
    """
    fed = signals.fed
    if _is_exact(output):
        last = _last_number(signals)
        return None if output.constant and (last is None or not is_dead(last, fed)) else output.constant
    if is_dead(output, fed) or (output.alike and fed.differ):
        return True
    return False if output.telling else None


def _is_exact(signal: Signal) -> bool:
    return signal.exact or signal.truths


def _last_number(signals: Signals) -> Signal | None:
    """The last activation of floating point: what whole numbers behind it are made of."""
    return next((call for call in reversed(signals.calls) if not _is_exact(call)), None)
