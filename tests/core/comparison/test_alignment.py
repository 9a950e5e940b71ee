"""`tracer.core.comparison.alignment`: layers are paired by name and by rule, never by resemblance."""

from __future__ import annotations

from collections.abc import Iterator

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
