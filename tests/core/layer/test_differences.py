"""`tracer.core.layer.differences`: what happened to a weight."""

import weakref
from collections.abc import Iterator

import numpy as np

from tracer.core.layer.differences import weight_differences
from tracer.core.source import Facts


def _facts(kernel: np.ndarray) -> Facts:
    return Facts(
        class_name="Dense", config={}, weights={"kernel": kernel}, state={}, policy={}, arguments=(),
    )  # fmt: skip


def _kernel(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(4, 3)).astype(np.float32)


def test_a_weight_that_went_to_the_wrong_layer_is_found_with_few_of_the_others_in_memory() -> None:
    made: list[weakref.ref[np.ndarray]] = []
    alive: list[int] = []

    def siblings() -> Iterator[tuple[str, Facts]]:
        for seed in range(1, 9):
            alive.append(sum(kernel() is not None for kernel in made))
            kernel = _kernel(seed)
            made.append(weakref.ref(kernel))
            yield f"dense_{seed}", _facts(kernel)

    (found,) = weight_differences(_facts(_kernel(0)), _facts(_kernel(7)), siblings)
    assert found.detail.endswith("it is the weight of `dense_7`")
    assert len(made) == 7  # nobody asks for what comes after it
    assert max(alive) <= 2
