"""Run a Keras graph node by node, in an order that its wiring decides, dropping each tensor after its last use."""

from __future__ import annotations

import contextlib
import inspect
from collections import Counter
from collections.abc import Callable, Sequence

import keras

from tracer.engine import compat
from tracer.engine.layer.naming import is_layer
from tracer.engine.run import tensors
from tracer.engine.types import Graph, Kwargs, Method, Node, Structure


def node_order(graph: Graph) -> list[Node]:
    """The nodes of a graph from inputs to outputs, depth first from the outputs.

    Calls of a shared layer come in an order that follows from how the graph is wired, not from the order in which
    somebody wrote the calls, so that a reloaded model numbers them alike.
    """
    stop = {id(tensor) for tensor in graph.inputs}
    order: dict[int, Node] = {}
    for output in graph.outputs:
        stack = [(output, False)]
        while stack:
            tensor, visited = stack.pop()
            if id(tensor) in stop:
                continue
            node = compat.dialect().node_of(tensor)
            if id(node) in order or node.is_input:
                continue
            if visited:
                order[id(node)] = node
            else:
                stack.append((tensor, True))
                stack.extend((parent, False) for parent in reversed(node.input_tensors))
    return list(order.values())


def mask_nodes(order: Sequence[Node], outputs: Sequence[keras.KerasTensor]) -> set[int]:
    """`id`s of the operations that only compute masks which Keras hands on by itself.

    Some releases put what a layer's `compute_mask` does into the graph, as operations in front of a `mask` argument.
    They aren't the user's, and a mask is compared as part of the output that it travels with.
    """
    found: set[int] = set()
    needed = {id(tensor) for tensor in outputs}
    for node in reversed(order):
        if is_layer(node.operation) or not needed.isdisjoint(map(id, node.outputs)):
            automatic = _automatic_masks(node)
            needed.update(id(t) for t in node.arguments.keras_tensors if id(t) not in automatic)
        else:
            found.add(id(node))
    return found


def _automatic_masks(node: Node) -> set[int]:
    """`id`s of the masks among a call's arguments that Keras has filled in."""
    masks = (value for key, value in node.arguments.kwargs.items() if _is_mask(node, key))
    return {id(tensor) for value in masks for tensor in tensors.leaves(value)}


def _is_mask(node: Node, key: str) -> bool:
    """Keras fills in `mask`, and `query_mask` where there is an argument `query`; `attention_mask` is the user's."""
    if key == "mask":
        return True
    return key.endswith("_mask") and key.removesuffix("_mask") in inspect.signature(node.operation.call).parameters


def _masked_argument(node: Node, key: str) -> Structure:
    """What a call's mask goes with: its first argument, or the one that the mask is named after."""
    names = list(inspect.signature(node.operation.call).parameters)
    place = 0 if key == "mask" else names.index(key.removesuffix("_mask"))
    args = node.arguments.args
    return args[place] if place < len(args) else node.arguments.kwargs.get(names[place])


class GraphRun:
    """One run of a graph.

    Args:
        graph: the Keras `Function` or `Functional`.
        path: layer path of the layer that runs it, "" at the top.
    """

    def __init__(self, graph: Graph, path: str) -> None:
        self._graph = graph
        self._order = node_order(graph)
        self._labels = {id(tensor): f"{path}<input {i}>" for i, tensor in enumerate(graph.inputs)}
        self._uses = Counter(id(tensor) for node in self._order for tensor in node.input_tensors)
        self._uses.update(id(tensor) for tensor in graph.outputs)
        self._of_masks = mask_nodes(self._order, graph.outputs)
        self._changed: set[int] = set()  # `id`s of what was computed from tensors that were put in

    def run(
        self,
        inputs: Structure,
        operation_fn: Callable[[keras.Operation], Method] = lambda operation: operation,
        *,
        before: Callable[[tuple[str, ...], tuple[bool, ...]], None],
        after: Callable[[], str],
        put_in: Callable[[], int],
        unseen: Callable[[], contextlib.AbstractContextManager[None]],
    ) -> Structure:
        """The outputs, in the graph's structure.

        Args:
            inputs: live tensors in the structure that Keras passes on.
            operation_fn: Keras' wrapper that hands `training` and masks down.
            before: told where each input of the next call comes from, and for each output whether the graph has a mask
                for it, which it hands on whatever the call returns.
            after: asked for the layer path of the call just made.
            put_in: asked how many calls so far were made to return other tensors than their own.
            unseen: a scope in which calls aren't recorded.
        """
        live = dict(zip(map(id, self._graph.inputs), tensors.leaves(inputs), strict=True))
        del inputs
        for node in self._order:
            args, kwargs = node.arguments.fill_in(live)
            kwargs, count, masks = self._with_current_masks(node, kwargs), put_in(), self._masks_of(node)
            if id(node) in self._of_masks:
                with unseen():
                    outputs = operation_fn(node.operation)(*args, **kwargs)
                path = ""
            else:
                before(tuple(label for tensor in node.input_tensors if (label := self._labels[id(tensor)])), masks)
                outputs = operation_fn(node.operation)(*args, **kwargs)
                path = after()
            del args, kwargs
            if put_in() != count or not self._changed.isdisjoint(map(id, node.input_tensors)):
                self._changed.update(map(id, node.outputs))
            self._keep(node, outputs, path, live)
            del outputs
            self._drop(node, live)
        supply = iter([live[id(tensor)] for tensor in self._graph.outputs])
        return tensors.rebuild(self._graph._outputs_struct, lambda _: next(supply))

    def _masks_of(self, node: Node) -> tuple[bool, ...]:
        """For each output of a call, whether the graph has a mask for it."""
        if not self._of_masks:
            return ()
        return tuple(compat.dialect().get_mask(tensor) is not None for tensor in node.outputs)

    def _with_current_masks(self, node: Node, kwargs: Kwargs) -> Kwargs:
        """The keywords of a call; a mask that Keras filled in belongs to tensors that may have been replaced since.

        Left out, Keras takes it from the tensors that the layer is given.
        """
        if not self._changed:
            return kwargs
        return {**kwargs, **{key: None for key in kwargs if _is_mask(node, key) and self._is_stale(node, key)}}

    def _is_stale(self, node: Node, key: str) -> bool:
        """Whether the tensors that a mask goes with were computed from others, and carry one of their own."""
        dialect = compat.dialect()
        held = tensors.leaves(_masked_argument(node, key))
        given = (tensor for tensor in held if isinstance(tensor, dialect.placeholder_class()))
        return any(id(tensor) in self._changed and dialect.get_mask(tensor) is not None for tensor in given)

    def _keep(self, node: Node, outputs: Structure, path: str, live: dict[int, Structure]) -> None:
        """Until the last use of it: what a call has returned, and where it comes from."""
        for index, (symbol, tensor) in enumerate(zip(node.outputs, tensors.leaves(outputs), strict=False)):
            live[id(symbol)] = tensor
            self._labels[id(symbol)] = f"{path}:{index}" if index and path else path

    def _drop(self, node: Node, live: dict[int, Structure]) -> None:
        for symbol in node.input_tensors:
            self._uses[id(symbol)] -= 1
        for symbol in (*node.input_tensors, *node.outputs):
            if self._uses[id(symbol)] <= 0:
                live.pop(id(symbol), None)

    def output_wiring(self) -> tuple[str, ...]:
        """Where each output comes from, as layer paths."""
        return tuple(self._labels[id(tensor)] for tensor in self._graph.outputs)
