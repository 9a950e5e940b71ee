"""`tracer.core.comparison.alignment`: layers are paired by name and by rule, never by resemblance."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracer.core.comparison.alignment import align, all_paths, static_path, translated
from tracer.core.source import Outline


def layer(name: str, class_name: str = "Dense", *children: Outline) -> Outline:
    base = {"Dense": "dense", "Conv2D": "conv2d", "Functional": "functional"}[class_name]
    return Outline(name, class_name, base, children)


def model(*children: Outline | str) -> Outline:
    inside = tuple(layer(child) if isinstance(child, str) else child for child in children)
    return Outline("model", "Functional", "functional", inside)


# --- by rule


@pytest.mark.parametrize(
    ("reference", "candidate", "names"),
    [
        (("dense", "dense_1"), ("dense_2", "dense_3"), {"dense_2": "dense", "dense_3": "dense_1"}),
        (("dense_1", "dense_2"), ("dense_2", "dense_3"), {"dense_2": "dense_1", "dense_3": "dense_2"}),  # overlapping
        (("dense_9", "dense_10"), ("dense", "dense_1"), {"dense": "dense_9", "dense_1": "dense_10"}),  # as numbers
        (("dense_1", "dense"), ("dense_4", "dense_3"), {"dense_3": "dense", "dense_4": "dense_1"}),  # in any order
        (("dense",), ("dense",), {}),
        (("dense", "dense_1"), ("dense_1", "dense"), {}),
    ],
)
def test_shifted_numbers_are_renumbered_in_their_order(
    reference: tuple[str, ...], candidate: tuple[str, ...], names: dict[str, str]
) -> None:
    assert align(model(*reference), model(*candidate)).names == names


def test_classes_are_numbered_apart() -> None:
    reference = model("dense", layer("conv2d", "Conv2D"), "dense_1")
    candidate = model("dense_5", layer("conv2d_2", "Conv2D"), "dense_6")
    assert align(reference, candidate).names == {"dense_5": "dense", "conv2d_2": "conv2d", "dense_6": "dense_1"}


def test_unequally_many_are_paired_by_name_only() -> None:
    assert align(model("dense", "dense_1"), model("dense_1", "dense_2", "dense_3")).names == {}
    assert align(model("dense", "dense_1"), model("dense_7")).names == {}


def test_one_class_too_many_does_not_keep_another_from_being_renumbered() -> None:
    reference = model("dense", layer("conv2d", "Conv2D"))
    candidate = model("dense_1", layer("conv2d_1", "Conv2D"), layer("conv2d_2", "Conv2D"))
    assert align(reference, candidate).names == {"dense_1": "dense"}


@pytest.mark.parametrize("name", ["dense_head", "my_dense_1", "dense_1_", "dense_x1", "Dense_1", "dense-1", "dense~1"])
def test_names_that_only_resemble_are_not_touched(name: str) -> None:
    assert align(model("dense"), model(name)).names == {}


def test_a_user_name_that_looks_auto_keeps_its_partner() -> None:
    """Somebody called a layer `dense_7`: as long as the others keep their order, so does it."""
    assert align(model("dense", "dense_7"), model("dense_1", "dense_7")).names == {"dense_1": "dense"}
    assert align(model("dense_7"), model("dense_7")).names == {}


def test_another_class_of_an_auto_name_is_no_partner() -> None:
    """`dense_1` as the name of a `Conv2D` was given by somebody."""
    assert align(model("dense"), model(layer("dense_1", "Conv2D"))).names == {}


def test_a_renumbered_name_never_falls_on_another_layer() -> None:
    reference = model("dense", layer("x", "Conv2D"))
    candidate = model("dense_1", layer("dense", "Conv2D"))
    names = align(reference, candidate).names
    assert len(all_paths(candidate, names)) == len(all_paths(candidate))


# --- nested


def test_nested_layers_are_renumbered_within_their_own_model() -> None:
    reference = model(layer("functional", "Functional", layer("dense")), "dense_1")
    candidate = model(layer("functional_3", "Functional", layer("dense_8")), "dense_9")
    expected = {"functional_3": "functional", "functional_3/dense_8": "dense", "dense_9": "dense_1"}
    assert align(reference, candidate).names == expected


def test_a_model_without_a_partner_is_left_alone_with_all_it_holds() -> None:
    candidate = model(layer("decoder", "Functional", layer("dense_4")))
    assert align(model(layer("encoder", "Functional", layer("dense"))), candidate).names == {}


def test_the_same_name_in_two_models_is_renumbered_in_each() -> None:
    reference = model(layer("a", "Functional", layer("dense")), layer("b", "Functional", layer("dense_1")))
    candidate = model(layer("a", "Functional", layer("dense_5")), layer("b", "Functional", layer("dense_6")))
    assert align(reference, candidate).names == {"a/dense_5": "dense", "b/dense_6": "dense_1"}


def test_the_names_can_not_be_changed() -> None:
    with pytest.raises(TypeError):
        align(model("dense"), model("dense_1")).names["dense_1"] = "other"  # type: ignore[index]


# --- by place


def placed(name: str, source: str, taker: str, config: str = "", class_name: str = "Dense") -> Outline:
    return replace(layer(name, class_name), sources=(source,), takers=(taker,), config=config)


def chained(*names: str) -> Outline:
    """Dense layers one behind the other."""
    before, behind = ["<input 0>", *(f"{n}:0" for n in names)], [*(f"{n}:0" for n in names[1:]), "<output 0>"]
    return model(*(placed(name, before[i], behind[i]) for i, name in enumerate(names)))


def test_a_layer_that_lost_its_name_is_paired_by_class_and_place() -> None:
    found = align(chained("a", "mine", "b"), chained("a", "dense", "b"))
    assert found.names == {"dense": "mine"}
    assert found.renamed == (("mine", "dense"),)
    assert found.reference == found.candidate


def called_twice(name: str) -> Outline:
    """A layer in the middle that is called on what it returned."""
    twice = replace(placed(name, "a:0", "b:0"), sources=("a:0", f"{name}:0"), takers=(f"{name}:0", "b:0"))
    return model(placed("a", "<input 0>", f"{name}:0"), twice, placed("b", f"{name}:0", "<output 0>"))


def test_a_layer_called_on_its_own_output_that_lost_its_name_is_paired() -> None:
    found = align(called_twice("mine"), called_twice("dense"))
    assert found.names == {"dense": "mine"}
    assert found.renamed == (("mine", "dense"),)


def test_a_layer_called_once_is_no_partner_of_one_called_on_its_own_output() -> None:
    assert align(called_twice("mine"), chained("a", "dense", "b")).names == {}


def test_many_in_a_row_are_paired_one_after_the_other() -> None:
    names = align(chained("a", "one", "two", "three", "b"), chained("a", "dense_4", "dense_5", "dense", "b")).names
    assert names == {"dense_4": "one", "dense_5": "two", "dense": "three"}


def test_a_lost_name_that_shifts_the_numbers_of_others_takes_nobodys_place() -> None:
    """`mine` came back as `dense`, so that what was `dense` came back as `dense_1`."""
    found = align(chained("mine", "a", "dense"), chained("dense", "a", "dense_1"))
    assert found.names == {"dense": "mine", "dense_1": "dense"}
    assert found.renamed == (("mine", "dense"),)


def test_another_name_that_somebody_gave_is_no_lost_one() -> None:
    assert align(chained("a", "mine", "b"), chained("a", "yours", "b")).names == {}


def test_another_class_at_the_place_is_no_partner() -> None:
    candidate = model(placed("a", "<input 0>", "conv2d:0"), placed("conv2d", "a:0", "b:0", "", "Conv2D"),
                      placed("b", "conv2d:0", "<output 0>"))  # fmt: skip
    assert align(chained("a", "mine", "b"), candidate).names == {}


def twins(left: str, right: str, configs: tuple[str, str], takers: tuple[str, str] = ("add:0", "add:0")) -> Outline:
    """Two layers between the same input and the same taker."""
    both = (placed(left, "<input 0>", takers[0], configs[0]), placed(right, "<input 0>", takers[1], configs[1]))
    return model(*both, placed("add", "<input 0>", "<output 0>"))


def test_two_that_only_their_configuration_tells_apart_are_paired_by_it() -> None:
    found = align(twins("left", "right", ("l", "r")), twins("dense", "dense_1", ("r", "l")))
    assert found.names == {"dense": "right", "dense_1": "left"}


def test_two_that_feed_different_arguments_are_paired_by_them() -> None:
    here = twins("left", "right", ("", ""), ("add:0", "add:1"))
    assert align(here, twins("dense", "dense_1", ("", ""), ("add:1", "add:0"))).names == {
        "dense": "right",
        "dense_1": "left",
    }


def test_two_that_nothing_tells_apart_are_left_alone() -> None:
    assert align(twins("left", "right", ("", "")), twins("dense", "dense_1", ("", ""))).names == {}


def test_where_nothing_is_known_of_places_nothing_is_paired_by_them() -> None:
    assert align(model("mine"), model("dense")).names == {}


def test_what_is_inside_a_layer_that_lost_its_name_is_paired_too() -> None:
    outer, inner = placed("mine", "<input 0>", "<output 0>"), placed("core", "<core>", "x:0")
    here = model(replace(outer, children=(inner,)))
    there = model(replace(outer, name="dense_9", children=(replace(inner, name="dense"),)))
    assert align(here, there).renamed == (("mine", "dense_9"), ("mine/core", "dense"))
    assert align(here, there).candidate == {"mine", "mine/core"}


# --- properties

words = st.sampled_from(["dense", "conv2d", "head", "a"])
numbers = st.none() | st.integers(0, 12)
labels = st.builds(lambda word, number: word if number is None else f"{word}_{number}", words, numbers)
classes = st.sampled_from(["Dense", "Conv2D", "Functional"])


def _outlines(children: st.SearchStrategy[Outline]) -> st.SearchStrategy[Outline]:
    unique = st.lists(children, max_size=5, unique_by=lambda child: child.name)
    return st.builds(lambda name, kind, inside: layer(name, kind, *inside), labels, classes, unique)


outlines = st.recursive(st.builds(layer, labels, classes), _outlines, max_leaves=15)


@given(outlines)
def test_aligned_with_itself_nothing_is_renamed(outline: Outline) -> None:
    assert align(outline, outline).names == {}


def _all_auto(outline: Outline, start: int) -> Outline:
    """The same layers, all of them unnamed by their maker and numbered from `start`."""
    numbered: Iterator[int] = iter(range(start, start + 10_000))

    def named(item: Outline) -> Outline:
        count = next(numbered)
        name = f"{item.base}_{count}" if count else item.base
        return Outline(name, item.class_name, item.base, tuple(named(child) for child in item.children))

    return named(outline)


@given(outlines, st.integers(0, 9), st.integers(0, 9))
def test_a_model_built_later_in_another_process_gets_the_same_paths(outline: Outline, here: int, there: int) -> None:
    reference, candidate = _all_auto(outline, here), _all_auto(outline, there)
    assert all_paths(candidate, align(reference, candidate).names) == all_paths(reference)


@given(outlines, outlines)
def test_translated_says_what_all_paths_says(reference: Outline, candidate: Outline) -> None:
    names = align(reference, candidate).names
    assert {translated(path, names) for path in all_paths(candidate)} == all_paths(candidate, names)


# --- paths


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("functional_3/dense_8", "functional/dense"),
        ("functional_3#1/dense_8#2:1", "functional#1/dense#2:1"),
        ("functional_3", "functional"),
        ("functional_3:1", "functional:1"),
        ("functional_3/other", "functional/other"),
        ("dense_8", "dense_8"),  # only within functional_3
        ("", ""),
    ],
)
def test_translated_keeps_calls_and_outputs(path: str, expected: str) -> None:
    assert translated(path, {"functional_3": "functional", "functional_3/dense_8": "dense"}) == expected


def test_static_path_has_no_calls_and_outputs() -> None:
    assert static_path("a#1/b_2#3:1") == "a/b_2"
    assert static_path("a/b") == "a/b"


def test_who_has_a_layer_is_told_of_all_its_calls() -> None:
    found = align(model("dense", "dropout"), model("dense_4", "added"))
    assert (found.reference, found.candidate) == ({"dense", "dropout"}, {"dense", "added"})
    assert [found.is_in_both(path) for path in ("dense#1:2", "dropout", "added")] == [True, False, False]
    assert [found.is_only_in_reference(path) for path in ("dense", "dropout#1", "added")] == [False, True, False]
    assert [found.is_only_in_candidate(path) for path in ("dense", "dropout", "added:1")] == [False, False, True]
