"""Two backends: what many layers add up to may be wider, a layer's own error may not."""

import numpy as np
import pytest

from tracer.core.comparison.gap import Terms, gaps
from tracer.core.numbers.tolerance import slack, tolerance_for
from tracer.core.source import Value


@pytest.mark.parametrize(("backends", "factor"), [(("jax", "jax"), 1.0), (("jax", "torch"), 3.0), (("", ""), 1.0)])
def test_only_different_backends_are_given_slack(backends: tuple[str, str], factor: float) -> None:
    assert slack(*backends) == factor


def test_slack_is_for_what_came_and_not_for_the_layer_itself() -> None:
    reference = Value(array=np.ones(8, "float32"))
    candidate = Value(array=np.ones(8, "float32") * np.float32(1 + 4e-6))
    assert gaps([reference], [candidate])[0].beyond
    (between,) = gaps([reference], [candidate], Terms(slack=slack("jax", "torch")))
    assert not between.beyond
    assert between.beyond_locally
    assert between.local_tolerance == tolerance_for("float32")
