"""Models that make layers or weights only when they are run: run once, before anything is paired by what it has."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

import keras
import numpy as np

from tracer.engine import compat
from tracer.engine.layer.naming import Tree, is_layer
from tracer.engine.run import state, tensors
from tracer.engine.run.hooks import observed, start
from tracer.engine.types import Args, Graph, Kwargs, Method, Structure, Tensor
from tracer.errors import ModelError


def is_unbuilt(tree: Tree) -> bool:
    """Whether a layer of the model, or the model itself, has yet to be built."""
    return any(is_layer(layer) and not getattr(layer, "built", True) for layer in tree.all_layers().values())


def grow(tree: Tree, run: Callable[[], Structure]) -> None:
    """Run the model once, for what it builds; every variable keeps the value that it was made with.

    A model that fails here fails in the comparison too, where the layer is named.
    """
    settings, watch = compat.dialect().keras_settings(), _FirstValues()
    watch.note(tree)
    drawn, drawn_by_numpy = random.getstate(), np.random.get_state()

    def work() -> None:
        compat.dialect().apply_settings(settings)
        try:
            with observed(watch), compat.inference_scope():
                run()
        # In a thread of its own nothing that the model's code raises (`sys.exit`) ends more than this run.
        except BaseException:
            return

    start(work, "tracer: builds the model").join()
    random.setstate(drawn)
    np.random.set_state(drawn_by_numpy)
    watch.restore()


def check_kept(model: keras.Model, made: Sequence[tuple[str, keras.Layer]]) -> None:
    """Refuse a model that makes layers with weights of their own at every run.

    Args:
        model: after the run.
        made: the layers that got their weights in it, each with its layer path.

    Raises:
        ModelError: names some of those that the model doesn't hold.
    """
    kept = Tree(model).descendants(model) if made else {}
    anew = [path for path, layer in made if layer is not model and id(layer) not in kept]
    if anew:
        raise ModelError(
            f"{', '.join(anew[:3])}: made anew, with new weights, at every run of the model, which keeps none of "
            "them. No two runs of such a model are alike. Make layers in __init__ or build, and keep them as "
            "attributes."
        )


class _FirstValues:
    """The observer of such a run: keeps the value of every variable as it is once its layer has been built."""

    def __init__(self) -> None:
        self._noted: dict[int, tuple[keras.Variable, Tensor]] = {}

    def layer_call(self, original: Method, layer: keras.Layer, args: Args, kwargs: Kwargs) -> Structure:
        """Builds the layer, and comes to `operation_call`."""
        return original(layer, *args, **kwargs)

    def operation_call(self, original: Method, operation: keras.Operation, args: Args, kwargs: Kwargs) -> Structure:
        """A layer that is built, and hasn't run yet."""
        if is_layer(operation) and not tensors.any_symbolic((args, kwargs)):
            self.note(Tree(operation))
        return original(operation, *args, **kwargs)

    def graph_run(self, original: Method, graph: Graph, args: Args, kwargs: Kwargs) -> Structure:
        """Of no interest here."""
        return original(graph, *args, **kwargs)

    def note(self, tree: Tree) -> None:
        """Keep the values of what hasn't been seen before."""
        for variable, value in state.snapshot(tree).held:
            self._noted.setdefault(id(variable), (variable, value))

    def restore(self) -> None:
        """Put them back."""
        state.Snapshot(tuple(self._noted.values())).restore()
