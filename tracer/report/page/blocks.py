"""The model as a graph that is folded by block: blocks in execution order, and what each layer gets its inputs from.

The blocks of a model follow from the names of its layers alone: `block1a_dwconv` and `block1a_bn` are of one, and what
is in a nested model isn't of a block with what is outside.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from itertools import groupby, pairwise
from typing import Final

from tracer.records import LayerReport, Report, Verdict

_LONGEST: Final = 12  # layers that stand side by side without a name in common
_OPEN: Final = 3  # blocks that are unfolded because a layer at fault is in them
_NUMBERED: Final = re.compile(r"(.*?\d[a-z]?)_")  # `block1a_`, `block_1_`, `expanded_conv_1_`
_INPUT: Final = re.compile(r"(.*)<input (\d+)>")


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One layer output.

    Attributes:
        row: its number, from 1.
        layer: what is known of it.
        sources: name and number of each layer output that it is computed from; number 0 for what is no layer. None
            where that is the layer before it alone.
        faulty: it is at fault.
    """

    row: int
    layer: LayerReport
    sources: tuple[tuple[str, int], ...] | None
    faulty: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """Layers that belong together.

    Attributes:
        title: what their names have in common, or the first and the last of them.
        counts: how many there are of each verdict, the most frequent first.
        nodes: the layers, in execution order.
        unfolded: a layer at fault is among them, or the first divergence.
        sources: titles of the blocks that it gets inputs from, but for the one before it.
    """

    title: str
    counts: tuple[tuple[Verdict, int], ...]
    nodes: tuple[Node, ...]
    unfolded: bool
    sources: tuple[str, ...]


def blocks(report: Report) -> Sequence[Block]:
    """All layer outputs of a report, each in exactly one block, in execution order."""
    groups = [tuple(range(first, end)) for first, end in pairwise(_bounds(report.layers))]
    titles = [_title([report.layers[index].layer for index in group]) for group in groups]
    home = {index: number for number, group in enumerate(groups) for index in group}
    nodes = _nodes(report)
    unfolded = _unfolded(report, {node.layer.layer: home[node.row - 1] for node in nodes})
    return [
        _block(tuple(nodes[index] for index in group), number, titles, home, number in unfolded)
        for number, group in enumerate(groups)
    ]


def _block(
    nodes: tuple[Node, ...], number: int, titles: Sequence[str], home: Mapping[int, int], unfolded: bool
) -> Block:
    return Block(
        title=titles[number],
        counts=tuple(Counter(node.layer.verdict for node in nodes).most_common()),
        nodes=nodes,
        unfolded=unfolded,
        sources=tuple(titles[other] for other in _skipped_to(number, nodes, home)),
    )


def _skipped_to(number: int, nodes: Sequence[Node], home: Mapping[int, int]) -> Sequence[int]:
    """The blocks that one gets inputs from, but for itself and the one before it."""
    origins = {home[row - 1] for node in nodes for _, row in node.sources or () if row}
    return sorted(origins - {number, number - 1})


def _unfolded(report: Report, home: Mapping[str, int]) -> frozenset[int]:
    """The numbers of the blocks in which a reader will look first."""
    marked = [*(fault.layer for fault in report.faults), report.first_divergence or ""]
    return frozenset(list(dict.fromkeys(home[name] for name in marked if name in home))[:_OPEN])


# --- which layers belong together


def _bounds(layers: Sequence[LayerReport]) -> Iterator[int]:
    """Where a block begins, and the end. Layers whose name is like no neighbour's are gathered within their model."""
    alone: tuple[str, int] | None = None  # the model of those, and where they begin
    first = 0
    for (parent, _), run in groupby(layers, key=lambda layer: _key(layer.layer)):
        size = sum(1 for _ in run)
        single = parent if size == 1 else None
        if alone is None or alone[0] != single or first - alone[1] >= _LONGEST:
            yield first
            alone = None if single is None else (single, first)
        first += size
    yield first


def _key(path: str) -> tuple[str, str]:
    """The model or layer around it, and the name of its block."""
    parent, _, name = path.rpartition("/")
    numbered = _NUMBERED.match(name)
    return parent, numbered[1] if numbered else re.split("[_#:]", name)[0]


def _title(group: Sequence[str]) -> str:
    parent, common = _key(group[0])
    if len(group) == 1:
        return group[0]
    if all(_key(path) == (parent, common) for path in group):
        return f"{parent}/{common}" if parent else common
    return f"{group[0]} … {group[-1].rpartition('/')[2]}"


# --- where the inputs come from


def _nodes(report: Report) -> Sequence[Node]:
    rows = {layer.layer: row for row, layer in enumerate(report.layers, 1)}
    faulty = {fault.layer for fault in report.faults}
    return [_node(row, layer, rows, faulty) for row, layer in enumerate(report.layers, 1)]


def _node(row: int, layer: LayerReport, rows: Mapping[str, int], faulty: Set[str]) -> Node:
    sources = tuple(dict.fromkeys(_source(label, rows) for label in layer.inbound))
    after = [number for _, number in sources] == [row - 1] and row > 1
    return Node(row=row, layer=layer, sources=None if after else sources, faulty=layer.layer in faulty)


def _source(label: str, rows: Mapping[str, int]) -> tuple[str, int]:
    """What a label of the graph names: a layer output, the last one in a nested model, or an input."""
    if label in rows:
        return label, rows[label]
    if given := _INPUT.fullmatch(label):
        return f"input {given[2]} of {given[1] or 'the model'}", 0
    inside = [(name, row) for name, row in rows.items() if name.startswith(f"{label.partition(':')[0]}/")]
    return inside[-1] if inside else (label, 0)
