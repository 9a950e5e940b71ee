"""The lock-step run, over scripted sources: what is paired, who waits, who is asked, and what the trace says."""

from __future__ import annotations

import pytest
from scripted import INPUTS, Away, ScriptedSource, Step, changed

from tracer.core.comparison import localize
from tracer.core.comparison.lockstep import Trace, lockstep
from tracer.errors import ModelError
from tracer.records import Verdict

CHAIN = tuple(Step(name) for name in ("a", "b", "c", "d"))


def traced(reference: tuple[Step, ...], candidate: tuple[Step, ...], **options: object) -> Trace:
    sides = ScriptedSource(reference), ScriptedSource(candidate)
    return lockstep(*sides, INPUTS, **options)  # type: ignore[arg-type]


def verdicts(trace: Trace) -> dict[str, str]:
    return {layer.layer: str(layer.verdict) for judgement in trace.judgements for layer in judgement.layers}


def blamed(trace: Trace) -> list[tuple[str, str]]:
    return [(blame.layer, blame.kind) for blame in localize.blames(trace)]


def test_equal_scripts_are_identical_and_nobody_is_asked_anything() -> None:
    sides = ScriptedSource(CHAIN), ScriptedSource(CHAIN)
    trace = lockstep(*sides, INPUTS)
    assert set(verdicts(trace).values()) == {"identical"} and len(trace.judgements) == 4
    assert all(g.same for g in trace.outputs)
    assert sides[0].asked == sides[1].asked == ["begin", *["proceed"] * 4]


def test_every_independent_fault_is_introduced_and_what_only_passes_it_on_is_inherited() -> None:
    trace = traced(CHAIN, changed(changed(CHAIN, "a", gain=1.5), "c", offset=1.0))
    assert verdicts(trace) == {"a": "introduced", "b": "inherited", "c": "introduced", "d": "inherited"}
    assert [judgement.mend.action for judgement in trace.judgements if judgement.mend] == [
        "copy_weights",
        "set_attribute",
    ]


def test_a_fault_where_no_glance_falls_brings_both_back() -> None:
    sides = ScriptedSource(CHAIN), Away(changed(CHAIN, "b", speck=9.0))
    trace = lockstep(*sides, INPUTS)
    assert verdicts(trace)["b"] == "introduced" and verdicts(trace)["c"] == "inherited"
    assert [side.asked.count("begin") for side in sides] == [2, 2]


@pytest.mark.parametrize("tail", range(4))
@pytest.mark.parametrize(
    ("here", "there"),
    [("make", "drop"), ("drop", "make"), ("make", "other"), ("keep", "make"), ("make", "keep")],
)
def test_a_mask_lost_added_or_other_is_its_layers_fault_alone(here: str, there: str, tail: int) -> None:
    chain = (Step("emb", mask=here), *(Step(f"act_{i}") for i in range(tail)), Step("out", mask="drop"))
    trace = traced(chain, changed(chain, "emb", mask=there))
    assert blamed(trace) == [("emb", "layer")]
    assert verdicts(trace) == {
        "emb": "introduced",
        **{f"act_{i}": "inherited" for i in range(tail)},
        "out": "identical",
    }


def test_a_mask_that_matters_further_down_is_still_the_fault_of_who_lost_it() -> None:
    chain = (Step("emb", mask="make"), Step("act"), Step("pool", heeds_mask=True, mask="drop"), Step("out"))
    trace = traced(chain, changed(chain, "emb", mask="drop"))
    assert blamed(trace) == [("emb", "layer")]
    assert verdicts(trace)["pool"] == "inherited"


def test_sparse_or_dense_is_part_of_what_a_layer_returns() -> None:
    chain = (Step("a", sparse=True), Step("b"), Step("c"))
    assert blamed(traced(chain, changed(chain, "a", sparse=False))) == [("a", "layer")]


def test_who_leaks_training_is_named_and_not_who_is_called_with_it() -> None:
    chain = (
        Step("a"),
        Step("b"),
        Step("c"),
        Step("noise", training_gain=3.0, outputs=2),
        Step("d", ("noise", "noise:1")),
    )
    trace = traced(chain, changed(chain, "b", leaks=True))
    assert trace.leak == {"c": "b", "noise": "b", "d": "b"}
    assert blamed(trace)[0] == ("b", "context")
    assert verdicts(trace)["noise"] == "inherited"


def test_another_argument_is_no_fault_of_the_layer_that_is_right() -> None:
    chain = (Step("a"), Step("b", context={"shift": "1"}), Step("c"))
    trace = traced(chain, changed(chain, "b", context={"shift": "2"}))
    assert [judgement.context_differs for judgement in trace.judgements] == [False, True, False]
    assert not any(judgement.introduced for judgement in trace.judgements)


def test_a_layer_that_differs_from_itself_is_not_blamed() -> None:
    chain = (Step("a"), Step("b", drift=0.5), Step("c"))
    trace = traced(chain, changed(chain, "b", drift=0.25))
    assert verdicts(trace)["b"] == str(Verdict.NONDETERMINISTIC)
    assert not blamed(trace)


# --- errors


def test_a_candidate_whose_layer_raises_is_helped_on_with_the_references_outputs() -> None:
    trace = traced(CHAIN, changed(changed(CHAIN, "b", error="ValueError: not these"), "d", offset=1.0))
    assert verdicts(trace) == {"a": "identical", "b": "introduced", "c": "identical", "d": "introduced"}


def test_a_reference_whose_layer_raises_ends_the_run_and_says_why() -> None:
    with pytest.raises(ModelError, match="ValueError: not these"):
        traced(changed(CHAIN, "b", error="ValueError: not these"), CHAIN)


def test_a_layer_that_raises_on_other_inputs_alone_is_no_fault() -> None:
    box = (Step("a"), Step("box", inside=(Step("p"), Step("q"))), Step("d"))
    trace = traced(box, changed(box, "box/q", error="ValueError: not these"))
    assert verdicts(trace)["box/q"] == "introduced"
    assert blamed(trace) == [("box/q", "layer")]


# --- boxes


def test_a_box_is_at_fault_for_its_own_code_only() -> None:
    box = (Step("a"), Step("box", inside=(Step("p"), Step("q"))), Step("d"))
    assert blamed(traced(box, changed(box, "box/q", gain=2.0))) == [("box/q", "layer")]
    assert blamed(traced(box, changed(box, "box", offset=2.0))) == [("box", "layer")]
    handing = traced(box, changed(box, "box", hands=2.0))
    assert blamed(handing) == [("box", "layer")]
    assert [j.inner_inputs for j in handing.judgements if j.inner_inputs] == ["box/p"]


# --- pairing


def test_calls_in_another_order_are_held_until_their_partner_comes() -> None:
    chain = (Step("a"), Step("b", ("a",)), Step("c", ("a",)), Step("d", ("b", "c")))
    swapped = (chain[0], chain[2], chain[1], chain[3])
    trace = traced(chain, swapped)
    assert set(verdicts(trace)) == {"a", "b", "c", "d"} and set(verdicts(trace).values()) == {"identical"}
    assert not trace.unmatched_reference and not trace.unmatched_candidate
    faulty = traced(chain, changed(swapped, "b", gain=3.0))
    assert blamed(faulty) == [("b", "layer")] and verdicts(faulty)["d"] == "inherited"


def test_what_only_one_side_has_is_unmatched_and_never_paired_by_guessing() -> None:
    trace = traced(CHAIN, tuple(step for step in CHAIN if step.path != "c"))
    assert [call.path for call in trace.unmatched_reference] == ["c"]
    trace = traced(CHAIN, (*CHAIN[:2], Step("extra"), *CHAIN[2:]))
    assert [call.path for call in trace.unmatched_candidate] == ["extra"]
    assert "extra" not in verdicts(trace) and set(verdicts(trace).values()) == {"identical"}


def test_a_model_that_does_not_come_by_again_is_told_so() -> None:
    class Fickle(ScriptedSource):
        def begin(self, inputs: object, **options: object) -> None:
            if "begin" in self.asked:
                self._script = self._script[2:]
            super().begin(inputs, **options)  # type: ignore[arg-type]

    with pytest.raises(ModelError, match="didn't call b again"):
        lockstep(Fickle(CHAIN), Away(changed(CHAIN, "b", speck=9.0)), INPUTS)


def test_a_source_is_never_asked_where_it_does_not_stand() -> None:
    source = ScriptedSource(CHAIN)
    source.begin(INPUTS, training=False)
    call = source.receive()
    source.proceed()
    with pytest.raises(ModelError, match="doesn't stand"):
        source.replay(call.inputs, call.context)


def test_large_layers_run_one_side_after_the_other_and_share_what_is_equal() -> None:
    order: list[str] = []

    class Noting(ScriptedSource):
        def receive(self) -> object:
            order.append(self.spec)
            return super().receive()

    lockstep(Noting(CHAIN, "r"), Noting(CHAIN, "c"), INPUTS, large=0)
    assert order == ["r", "c", *["c", "r"] * 4]
