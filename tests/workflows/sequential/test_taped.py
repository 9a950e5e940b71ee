"""Two models of which one is loaded at a time say what the two say when both are there."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from planted_scripts import WRONG, Case, cases
from scripted import INPUTS, Script, ScriptedSource, Step, changed

from tracer.core.drive import running
from tracer.core.golden.fingerprint import Identity
from tracer.core.layer.holdings import Holding, Place
from tracer.core.layer.nearly import answer, on_moved_inputs
from tracer.core.source import Array, Call, Facts, Run
from tracer.errors import ModelError
from tracer.records import Report, Verdict
from tracer.workflows.comparing import Options, Timings, compare
from tracer.workflows.sequential.taped import Taped
from tracer.workflows.sequential.turns import InTurns, Turn

CHAIN = tuple(Step(name) for name in "abcd")


class Loads:
    """Counts which scripts are loaded, and how many at once."""

    def __init__(self, *, apart: bool = False) -> None:
        self.apart = apart  # the candidate is of another backend
        self.log: list[str] = []
        self.now, self.most = 0, 0

    def of(self, script: Script, name: str) -> Callable[[], Any]:
        def load() -> Any:
            self.log.append(name)
            self.now += 1
            self.most = max(self.most, self.now)
            return Loaded(script, name, self)

        return load


class Loaded(ScriptedSource):
    """A script as a host, as far as a comparison asks one."""

    def __init__(self, script: Script, name: str, loads: Loads) -> None:
        super().__init__(script, name, "other" if loads.apart and name == "candidate" else "numpy")
        self._script_text, self._loads = str(script), loads

    def identities(self) -> Mapping[str, Identity]:
        return {"all": Identity(weights=self._script_text, settings={})}

    def holdings(self) -> Mapping[str, Holding]:
        return {"w": Holding(name="w", class_name="Step", names=("gain",), shapes=((3,),), dtypes=("float32",))}

    def weight_values(self, batches: Sequence[Sequence[Place]]) -> Iterator[Sequence[Array]]:
        return ([np.ones(3, "float32")[start:stop] for _, _, start, stop in places] for places in batches)

    def settings(self, paths: Sequence[str], *, rebuilt: bool = False) -> Mapping[str, Facts]:
        raise AssertionError((paths, rebuilt))

    def close(self) -> None:
        super().close()
        self._loads.now -= 1


@contextlib.contextmanager
def in_turns(
    reference: Script, candidate: Script, folder: Path, *, apart: bool = False
) -> Iterator[tuple[Taped, InTurns, Loads]]:
    loads, turn = Loads(apart=apart), Turn()
    sides = (
        Taped("reference", loads.of(reference, "reference"), turn, folder),
        InTurns("candidate", loads.of(candidate, "candidate"), turn),
    )
    yield *sides, loads
    for side in sides:
        side.close()
    assert loads.now == 0


def compared(reference: Any, candidate: Any) -> Report:
    report = compare(reference, candidate, INPUTS, Options(), Timings())
    return replace(report, timings={}, notes=tuple(note for note in report.notes if "at a time" not in note))


def plain(reference: Script, candidate: Script, *, apart: bool = False) -> Report:
    loads = Loads(apart=apart)
    return compared(loads.of(reference, "reference")(), loads.of(candidate, "candidate")())


@settings(max_examples=60)
@given(case=cases())
def test_they_say_what_two_loaded_models_say(tmp_path_factory: pytest.TempPathFactory, case: Case) -> None:
    with in_turns(case.reference, case.candidate, tmp_path_factory.mktemp("tape")) as (reference, candidate, loads):
        found = compared(reference, candidate)
        assert loads.most == 1
    assert found == plain(case.reference, case.candidate)


@settings(max_examples=30)
@given(case=cases((*WRONG, {"offset": 0.250005}, {"gain": 1.00001})))
def test_they_say_the_same_of_two_environments(tmp_path_factory: pytest.TempPathFactory, case: Case) -> None:
    with in_turns(case.reference, case.candidate, tmp_path_factory.mktemp("tape"), apart=True) as (*sides, loads):
        found = compared(*sides)
        assert loads.most == 1
    assert found == plain(case.reference, case.candidate, apart=True)


@pytest.mark.parametrize(
    ("off", "said"), [(1e-8, Verdict.CLOSE), (1e-7, Verdict.INHERITED), (1e-5, Verdict.INTRODUCED)]
)
def test_what_nearly_equal_inputs_do_is_asked_of_the_reference_too(off: float, said: Verdict, tmp_path: Path) -> None:
    """Of two numbers that cancel, about 1e-6 of their own size is what inputs that count as the same leave."""
    cancels = (Step("a"), Step("b", gain=-1.0, offset=1e-3), Step("c", ("a", "b")))
    faulty = changed(cancels, "c", offset=off)
    with in_turns(cancels, faulty, tmp_path, apart=True) as (reference, candidate, loads):
        found = compared(reference, candidate)
        assert loads.most == 1 and loads.log.count("reference") > 1  # told, and asked
    assert found == plain(cancels, faulty, apart=True)
    assert found.layers[-1].verdict is said
    assert found.layers[-1].note.startswith("" if said is Verdict.INTRODUCED else "rounding, ")


def test_moved_inputs_are_asked_of_the_reference_and_nothing_else_is_told_for_them(tmp_path: Path) -> None:
    with in_turns(CHAIN, CHAIN, tmp_path) as (reference, _, _loads):
        reference.prepare(INPUTS, training=False)
        before, moved = _on_moved(reference)
        assert reference.catch_up()
        after, _ = _on_moved(reference)
    assert np.array_equal(before, INPUTS)  # what it returned, until it is asked
    assert np.array_equal(after, moved) and not np.array_equal(after, before)  # the first step hands on what it gets


def _on_moved(reference: Taped) -> tuple[Array, Array]:
    """What the first step says of moved inputs, and these."""
    with running(reference, Run(inputs=INPUTS, training=False)) as calls:
        call = next(iter(calls))
        question = on_moved_inputs(call, 1)
        return answer(reference, call, question).outputs[0].array, question[1][0].array


@settings(max_examples=30)
@given(case=cases(({"drift": 3.0}, {"offset": 50.0}, {"drift": 1e-9})), swapped=st.booleans())
def test_they_say_the_same_of_chance(tmp_path_factory: pytest.TempPathFactory, case: Case, swapped: bool) -> None:
    pair = (case.candidate, case.reference) if swapped else (case.reference, case.candidate)
    with in_turns(*pair, tmp_path_factory.mktemp("tape")) as (reference, candidate, _):
        found = compared(reference, candidate)
    assert _told(found) == _told(plain(*pair))


def _told(report: Report) -> tuple[object, ...]:
    """What doesn't depend on how often something drifting was evaluated."""
    return (
        report.status,
        [(f.layer, f.cause) for f in report.faults],
        [(one.layer, one.verdict) for one in report.layers],
    )


def test_where_nothing_differs_each_is_loaded_once(tmp_path: Path) -> None:
    with in_turns(CHAIN, CHAIN, tmp_path) as (reference, candidate, loads):
        report = compared(reference, candidate)
        assert report.matches and report.compared == 4
        assert loads.log == ["reference", "candidate"]
        assert loads.most == 1


def test_a_fault_is_proved_both_ways(tmp_path: Path) -> None:
    with in_turns(CHAIN, changed(CHAIN, "b", offset=5.0), tmp_path) as (reference, candidate, loads):
        (fault,) = compared(reference, candidate).faults
        assert loads.most == 1
    assert fault.layer == "b" and fault.proof is not None and fault.proof.holds
    assert ("offset", "5.0") in {(e.name, e.candidate) for e in fault.evidence}, fault.evidence


def test_a_layer_that_differs_from_itself_in_the_reference_isnt_blamed(tmp_path: Path) -> None:
    with in_turns(changed(CHAIN, "b", drift=3.0), CHAIN, tmp_path) as (reference, candidate, _):
        report = compared(reference, candidate)
    assert not report.faults
    assert {layer.layer: layer.verdict for layer in report.layers}["b"] is Verdict.NONDETERMINISTIC


@pytest.mark.parametrize("drawing", [True, False])
def test_a_box_is_at_fault_though_a_layer_inside_the_reference_draws(tmp_path: Path, drawing: bool) -> None:
    box = Step("b", inside=(Step("p", drift=3.0 if drawing else 0.0), Step("q")))
    reference = (*CHAIN[:1], box, *CHAIN[2:])
    with in_turns(reference, changed(reference, "b", offset=50.0), tmp_path) as (told, candidate, _):
        report = compared(told, candidate)
    assert [fault.layer for fault in report.faults] == ["b"]


def test_what_is_loaded_again_goes_by_the_names_that_it_was_given(tmp_path: Path) -> None:
    with in_turns(CHAIN, CHAIN, tmp_path) as (_, candidate, loads):
        candidate.rename({"b": "mine"})
        candidate.sleep()
        with running(candidate, Run(inputs=INPUTS)) as calls:
            assert [call.path for call in calls] == ["a", "mine", "c", "d"]
        assert loads.log == ["candidate", "candidate"]


def test_a_model_that_comes_back_as_another_one_is_refused(tmp_path: Path) -> None:
    loads, turn, scripts = Loads(), Turn(), [CHAIN, changed(CHAIN, "c", gain=2.0)]
    reference = Taped("mine:make", lambda: loads.of(scripts.pop(0), "reference")(), turn, tmp_path)
    candidate = InTurns("candidate", loads.of(changed(CHAIN, "b", offset=5.0), "candidate"), turn)
    with pytest.raises(ModelError, match=r"^mine:make: loaded a second time, it is another model \(all\).*saved file"):
        compared(reference, candidate)


def test_no_room_on_the_disk_says_so(tmp_path: Path) -> None:
    (tmp_path / "numbers").mkdir()  # where a file has to be
    loads, turn = Loads(), Turn()
    reference = Taped("reference", loads.of(CHAIN, "reference"), turn, tmp_path)
    with pytest.raises(ModelError, match=r"^reference: what it computes can't be kept on disk: .* TMPDIR"):
        reference.prepare(INPUTS, training=False)


def test_nothing_can_be_put_into_a_run_that_is_told(tmp_path: Path) -> None:
    with in_turns(CHAIN, CHAIN, tmp_path) as (reference, _, _):
        reference.prepare(INPUTS, training=False)
        run = Run(inputs=INPUTS, training=False, seeds=reference.seeds())
        with running(reference, run) as calls:
            call = next(calls)
            assert isinstance(call, Call)
            with pytest.raises(ModelError, match="where something is put in"):
                reference.proceed(call.outputs)
        reference.begin(run.inputs, training=False, seeds=run.seeds)
        with pytest.raises(ModelError, match="it stands at no call"):
            reference.replay((), {})


def test_variables_are_told_from_disk_when_the_model_is_gone(tmp_path: Path) -> None:
    with in_turns(CHAIN, CHAIN, tmp_path) as (reference, candidate, loads):
        reference.prepare(INPUTS, training=False)
        candidate.prepare(INPUTS, training=False)
        assert [list(piece) for (piece,) in reference.weight_values([[("w", 0, 1, 3)]])] == [[1.0, 1.0]]
        assert reference.holdings()["w"].shapes == ((3,),)
        assert loads.log == ["reference", "candidate"]
