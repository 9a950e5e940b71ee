"""Who may run ahead of the comparison, who comes back, and what a candidate goes on with: `Pace` over two scripts."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from makers import call, layer_report, value
from scripted import INPUTS, Away, Script, ScriptedSource, Step, Tensor, changed

from tracer.core.comparison.judge import Judgement
from tracer.core.comparison.pace import LARGE, Pace
from tracer.core.comparison.same_call import CallMatch
from tracer.core.source import Call, End, Patch, Run, Value
from tracer.errors import ModelError
from tracer.records import Verdict

CHAIN = tuple(Step(name) for name in ("a", "b", "c"))
SAME, OTHER = CallMatch(), CallMatch(other_inputs=("args[0]",))


class Unsteady(Tensor):
    """One that may be changed in place, as torch's; `_version` counts how often it was."""

    _version = 0


class Race:
    """Two sides that stand at their first call, the candidate in another process."""

    def __init__(self, reference: Script = CHAIN, candidate: Script = CHAIN, **options: object) -> None:
        self.reference, self.candidate = ScriptedSource(reference, "r"), Away(candidate, "c")
        self.pace = Pace(self.reference, self.candidate, Run(inputs=INPUTS), **options)  # type: ignore[arg-type]
        self.pace.begin()

    @property
    def calls(self) -> tuple[Call, Call]:
        r, c = self.pace.r, self.pace.c
        assert isinstance(r, Call) and isinstance(c, Call)
        return r, c

    def ahead(self, match: CallMatch = SAME) -> str:
        """Who runs ahead of the pair that is looked at."""
        before = [len(side.asked) for side in (self.reference, self.candidate)]
        self.pace.run_ahead(*self.calls, match)
        sides = zip("rc", (self.reference, self.candidate), before, strict=True)
        return "".join(name for name, side, count in sides if len(side.asked) > count)

    def back(self, name: str, path: str) -> None:
        """Ask one side about a call site."""
        side = self.reference if name == "r" else self.candidate
        self.pace.at(side, path).facts(path)


@pytest.mark.parametrize(
    ("reference", "candidate", "match", "ahead"),
    [
        (CHAIN, CHAIN, SAME, "rc"),
        (CHAIN, CHAIN, OTHER, "r"),  # the candidate's layer will be called again on the reference's inputs
        (CHAIN, CHAIN, CallMatch(other_context=("training",)), "r"),
        (CHAIN, changed(CHAIN, "a", gain=2.0), SAME, ""),  # somebody will be asked about this
        (CHAIN, changed(CHAIN, "a", gain=2.0), OTHER, "r"),
        (CHAIN, changed(CHAIN, "a", speck=9.0), SAME, "rc"),  # a guess: nobody has looked there
        (CHAIN, changed(CHAIN, "a", error="ValueError"), SAME, ""),
        (changed(CHAIN, "a", error="ValueError"), CHAIN, SAME, ""),
    ],
)
def test_who_may_run_ahead(reference: Script, candidate: Script, match: CallMatch, ahead: str) -> None:
    assert Race(reference, candidate).ahead(match) == ahead


def test_nobody_runs_ahead_where_that_is_not_wanted_or_takes_too_much_memory() -> None:
    assert Race(ahead=False).ahead() == ""
    assert Race(large=INPUTS.nbytes - 1).ahead() == ""
    assert Race(large=INPUTS.nbytes).ahead() == "rc"


def test_two_models_in_this_process_run_in_turn_and_of_one_elsewhere_nobody_waits() -> None:
    race = Race()
    here, elsewhere = call(outputs=(live(INPUTS),)), call(outputs=(value(INPUTS),))
    for pair, waits in [((here, here), True), ((here, elsewhere), False), ((elsewhere, here), False)]:
        assert race.pace.in_turn(*pair) is waits
        race.pace.run_ahead(*pair, SAME)
        assert ("proceed" in race.reference.asked) is not waits
        race = Race()


def test_a_box_is_judged_before_anybody_goes_on() -> None:
    box = (Step("box", inside=(Step("p"),)), *CHAIN)
    race = Race(box, box)
    assert race.ahead() == "rc"  # the layer inside
    race.pace.next(in_turn=False)
    assert race.calls[0].is_box and race.ahead() == ""


@pytest.mark.parametrize("place", ["inputs", "outputs"])
def test_a_tensor_that_may_change_in_place_is_compared_before_its_model_runs_on(place: str) -> None:
    race = Race()
    r, c = race.calls
    unsteady = Unsteady(INPUTS)
    r = replace(r, **{place: tuple(replace(v, native=unsteady) for v in getattr(r, place))})
    race.pace.run_ahead(r, c, SAME)
    assert "proceed" not in race.reference.asked + race.candidate.asked


def test_whoever_is_asked_comes_back_to_that_very_call_and_the_other_stays() -> None:
    race = Race()
    r, _ = race.calls
    assert race.ahead() == "rc"
    stop = race.pace.at(race.candidate, "a")
    np.testing.assert_array_equal(stop.replay(r.inputs, {}).outputs[0].array, INPUTS)
    assert race.candidate.asked == ["begin", "proceed", "begin", "replay a"]
    assert race.reference.asked == ["begin", "proceed"]
    stop.attempt(Patch(action="copy_weights", weights={"gain": np.float32(2)}), r.inputs, {})
    assert race.candidate.asked[-1] == "attempt a"  # it is there already
    race.pace.next(in_turn=False)
    assert [call.path for call in race.calls] == ["b", "b"]  # each side goes on once, however it got here


def test_after_two_vain_runs_ahead_both_wait() -> None:
    race = Race()
    for path in ("a", "b"):
        assert race.ahead() == "rc"
        race.back("r", path)
        race.back("c", path)  # both sides come back for one and the same call: that counts once
        race.pace.next(in_turn=False)
    assert race.ahead() == ""


def test_a_model_that_doesnt_come_by_again_is_named() -> None:
    race = Race()
    race.ahead()
    with pytest.raises(ModelError, match=r"c: run twice .* didn't call elsewhere again.*compare its parts"):
        race.pace.come_back(race.candidate, "elsewhere")


# --- what the candidate goes on with


def judged(r: Call, c: Call, verdict: Verdict = Verdict.IDENTICAL) -> Judgement:
    return Judgement(reference=r, candidate=c, layers=(layer_report(r.path, verdict),), introduced=False)


def test_a_candidate_whose_layer_raised_goes_on_with_the_references_outputs_and_is_never_ahead_again() -> None:
    race = Race(candidate=changed(CHAIN, "a", error="ValueError: no"))
    r, c = race.calls
    outputs = race.pace.instead(r, c, judged(r, c))
    assert outputs == r.outputs
    race.pace.next(in_turn=False, outputs=outputs)
    assert race.ahead() == "r"  # it would not come this far again alone


def live(array: np.ndarray) -> Value:
    return value(array, native=Tensor(array))


@pytest.mark.parametrize(
    ("there", "verdict", "large", "shared"),
    [
        (live(INPUTS), Verdict.IDENTICAL, 0, True),
        (live(INPUTS), Verdict.CLOSE, 0, False),
        (live(INPUTS), Verdict.IDENTICAL, LARGE, False),
        (value(INPUTS), Verdict.IDENTICAL, 0, False),  # it lives in another process
        (value(INPUTS, native=INPUTS), Verdict.IDENTICAL, 0, False),  # its model may write to it
    ],
)
def test_equal_large_tensors_of_one_process_are_held_once(
    there: Value, verdict: Verdict, large: int, shared: bool
) -> None:
    r, c = call(outputs=(live(INPUTS),)), call(outputs=(there,))
    found = Race(large=large).pace.instead(r, c, judged(r, c, verdict))
    assert found == (r.outputs if shared else None)


def test_a_raise_of_both_sides_is_nothing_to_go_on_with() -> None:
    r, c = call(error="ValueError: no"), call(error="ValueError: no")
    assert Race().pace.instead(r, c, judged(r, c, Verdict.INCOMPARABLE)) is None


# --- one side alone


def test_each_side_can_go_on_alone_and_both_come_to_their_end() -> None:
    race = Race()
    race.pace.next_reference()
    assert [call.path for call in race.calls] == ["b", "a"]
    race.pace.next_candidate((value(INPUTS * 2),))
    np.testing.assert_array_equal(race.calls[1].outputs[0].array, INPUTS * 2)
    for _ in range(2):
        race.pace.next_reference()
        race.pace.next_candidate()
    assert isinstance(race.pace.r, End) and isinstance(race.pace.c, End)
