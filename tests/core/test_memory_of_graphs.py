"""`tracer.core.memory`: the estimate of a graph against one that counts what is alive call by call."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tracer.core.memory import FIXED, Footprint, Step, footprint, needed

sizes = st.integers(1, 100)


@st.composite
def graphs(draw: st.DrawFn) -> tuple[list[Step], dict[int, int], list[int]]:
    """Calls in an order in which they can run; keys of tensors are numbers."""
    inputs = {key: draw(sizes) for key in range(draw(st.integers(1, 2)))}
    known, steps = list(inputs), []
    for _ in range(draw(st.integers(0, 8))):
        takes = tuple(draw(st.lists(st.sampled_from(known), min_size=1, max_size=3)))
        gives = {len(known) + i: draw(sizes) for i in range(draw(st.integers(1, 2)))}
        steps.append(Step(takes=takes, gives=gives, inside=draw(st.sampled_from([0, 0, 0, 150]))))
        known += gives
    return steps, inputs, draw(st.lists(st.sampled_from(known), min_size=1, max_size=2))


def counted(steps: list[Step], inputs: dict[int, int], outputs: list[int]) -> int:
    """The peak by definition: before each call, all that it or anybody after it takes, or that is wanted in the end."""
    held, peak = dict(inputs), 0
    for i, step in enumerate(steps):
        later = {key for each in steps[i:] for key in each.takes} | set(outputs)
        alive = sum(size for key, size in held.items() if key in later)
        peak = max(peak, alive + max(step.inside, 2 * sum(step.gives.values())))
        held.update(step.gives)
    return max(peak, sum(size for key, size in held.items() if key in outputs))


@given(graphs())
def test_the_peak_is_what_is_alive_at_the_worst_moment(graph: tuple[list[Step], dict[int, int], list[int]]) -> None:
    steps, inputs, outputs = graph
    used = {key for step in steps for key in step.takes} | set(outputs)
    inputs_used = {key: size for key, size in inputs.items() if key in used}
    found = footprint(steps, inputs_used, outputs, complete=True)
    assert found.peak == counted(steps, inputs_used, outputs)
    assert found.widest == max((sum(step.gives.values()) for step in steps), default=0)


@given(graphs(), st.integers(1, 100))
def test_more_to_hold_never_needs_less(graph: tuple[list[Step], dict[int, int], list[int]], more: int) -> None:
    steps, inputs, outputs = graph
    larger = {key: size + more for key, size in inputs.items()}
    before = footprint(steps, inputs, outputs, complete=True)
    assert footprint(steps, larger, outputs, complete=True).peak >= before.peak
    assert footprint(steps, inputs, [*outputs, *inputs], complete=True).peak >= before.peak


@given(st.integers(0, 10**9), st.integers(0, 10**9))
def test_two_sides_need_both_and_a_layer_called_again(peak: int, widest: int) -> None:
    here, there = Footprint(peak=peak, widest=widest), Footprint(peak=2 * peak, widest=0)
    assert needed(here) == peak + FIXED
    assert needed(here, there) == needed(there, here) == 3 * peak + 3 * widest + FIXED
