"""The model folded by block: every layer in one block, and where its inputs come from."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from makers import fault, layer_report, remeasured, report

from tracer.records import Report, Verdict
from tracer.report.page.blocks import blocks


def of(*paths: str, faults: tuple[str, ...] = (), **inbound: tuple[str, ...]) -> Report:
    """A report of these layers; `inbound` by the last part of a layer's path."""
    layers = [remeasured(layer_report(path), inbound=inbound.get(path.rpartition("/")[2], ())) for path in paths]
    return report(*layers, faults=tuple(map(fault, faults)))


def titles(*paths: str) -> list[tuple[str, int]]:
    return [(block.title, len(block.nodes)) for block in blocks(of(*paths))]


@pytest.mark.parametrize(
    ("paths", "found"),
    [
        (("b0/block1a_conv", "b0/block1a_bn", "b0/block1b_a", "b0/block1b_b"), [("b0/block1a", 2), ("b0/block1b", 2)]),
        (("block_1_expand", "block_1_bn", "block_2_expand", "block_2_bn"), [("block_1", 2), ("block_2", 2)]),
        (("long_conv_1_a", "long_conv_1_b", "long_conv_2_a"), [("long_conv_1", 2), ("long_conv_2_a", 1)]),
        (("stem_conv", "stem_bn", "gap", "head"), [("stem", 2), ("gap … head", 2)]),
        (("inner/norm", "inner/dense", "out"), [("inner/norm … dense", 2), ("out", 1)]),
        (("a", "inner/b", "c"), [("a", 1), ("inner/b", 1), ("c", 1)]),
        (("dense", "dense_1", "dense#1", "dense:1"), [("dense", 4)]),
        ((), []),
    ],
)  # fmt: skip
def test_blocks_follow_from_the_names(paths: tuple[str, ...], found: list[tuple[str, int]]) -> None:
    assert titles(*paths) == found


def test_no_more_than_a_dozen_unlike_layers_are_in_a_block() -> None:
    assert [size for _, size in titles(*(chr(97 + i) for i in range(26)))] == [12, 12, 2]


@given(st.lists(st.text("ab_1/#:", min_size=1, max_size=6), max_size=30))
def test_each_layer_is_in_one_block_in_order(paths: list[str]) -> None:
    nodes = [node for block in blocks(of(*paths)) for node in block.nodes]
    assert [node.row for node in nodes] == list(range(1, len(paths) + 1))
    assert [node.layer.layer for node in nodes] == paths


def test_only_what_isnt_obvious_is_said_of_the_inputs() -> None:
    found = of("a", "inner/b", "inner/c", "d", "e", a=("<input 0>",), b=("inner<input 0>",), c=("inner/b",),
               d=("inner",), e=("d", "a", "constant"))  # fmt: skip
    sources = {node.layer.layer: node.sources for block in blocks(found) for node in block.nodes}
    assert sources == {
        "a": (("input 0 of the model", 0),),
        "inner/b": (("input 0 of inner", 0),),
        "inner/c": None,
        "d": None,  # the nested model's output is that of its last layer, which comes before
        "e": (("d", 4), ("a", 1), ("constant", 0)),
    }


def test_an_unknown_origin_is_not_taken_for_the_layer_before() -> None:
    [block] = blocks(of("a", "b"))
    assert [node.sources for node in block.nodes] == [(), ()]


def test_a_block_names_the_blocks_that_it_skips_to() -> None:
    found = blocks(of("x1_a", "x1_b", "x2_a", "x2_b", "x3_a", "x3_b", x2_b=("x2_a", "x1_b"), x3_a=("x2_b", "x1_a")))
    assert [block.sources for block in found] == [(), (), ("x1",)]


def test_the_first_blocks_with_a_fault_or_the_first_divergence_are_unfolded() -> None:
    paths = [f"x{i}_{part}" for i in range(6) for part in "ab"]
    found = replace(of(*paths, faults=("x4_a", "x4_b", "x2_a", "elsewhere")), first_divergence="x1_b")
    assert [block.unfolded for block in blocks(found)] == [False, True, True, False, True, False]
    assert [node.layer.layer for block in blocks(found) for node in block.nodes if node.faulty] == [
        "x2_a",
        "x4_a",
        "x4_b",
    ]
    many = of(*paths, faults=tuple(paths))
    assert sum(block.unfolded for block in blocks(many)) == 3


def test_verdicts_are_counted() -> None:
    layers = [layer_report(f"x_{i}", Verdict.CLOSE if i else Verdict.IDENTICAL) for i in range(3)]
    [block] = blocks(report(*layers))
    assert block.counts == ((Verdict.CLOSE, 2), (Verdict.IDENTICAL, 1))
