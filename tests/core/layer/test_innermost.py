"""What is blamed inside a layer whose inner calls nobody sees."""

from __future__ import annotations

from typing import Any

import numpy as np

from tracer.core.layer.innermost import innermost_of
from tracer.core.source import Facts


def facts(config: dict[str, Any], **weights: float) -> Facts:
    arrays = {name.replace("__", "/"): np.full((2,), value) for name, value in weights.items()}
    return Facts(class_name="Layer", config=config, weights=arrays, state={}, policy={}, arguments=())


def layer(class_name: str, name: str, **config: Any) -> dict[str, Any]:
    return {"class_name": class_name, "config": {"name": name, **config}}


def test_a_wrapper_is_blamed_by_the_layer_that_it_holds() -> None:
    told = facts({"name": "each", "layer": layer("Dense", "inner")})
    assert innermost_of("m/each", "TimeDistributed", told, None) == ("m/each/inner", "Dense")
    assert innermost_of("m/each", "Bidirectional", told, None) == ("m/each", "Bidirectional")


def test_a_recurrent_layer_is_blamed_by_the_one_cell_whose_weights_differ() -> None:
    cells = layer("StackedRNNCells", "stacked_rnn_cells_3", cells=[layer("LSTMCell", "a"), layer("LSTMCell", "b")])
    config = {"name": "rnn", "cell": cells}
    here = facts(config, stacked_rnn_cells_3__a__kernel=1.0, stacked_rnn_cells_3__b__kernel=1.0)
    there = facts(config, stacked_rnn_cells_3__a__kernel=1.0, stacked_rnn_cells_3__b__kernel=2.0)
    assert innermost_of("rnn", "RNN", here, there) == ("rnn/stacked_rnn_cells/b", "LSTMCell")
    both = facts(config, stacked_rnn_cells_3__a__kernel=3.0, stacked_rnn_cells_3__b__kernel=2.0)
    assert innermost_of("rnn", "RNN", here, both) == ("rnn", "RNN")
    assert innermost_of("rnn", "RNN", here, None) == ("rnn", "RNN")
    assert innermost_of("rnn", "RNN", None, None) == ("rnn", "RNN")


def test_of_two_cells_that_keras_numbered_the_blamed_one_keeps_its_number() -> None:
    def rnn(*names: str) -> dict[str, Any]:
        cells = [layer("GRUCell", names[0]), layer("GRUCell", names[1]), layer("LSTMCell", names[2])]
        return {"name": "rnn", "cell": layer("StackedRNNCells", "stacked_rnn_cells_3", cells=cells)}

    config = rnn("gru_cell_6", "gru_cell_7", "lstm_cell_2")
    for inside, told in [("gru_cell_6", "gru_cell_6"), ("gru_cell_7", "gru_cell_7"), ("lstm_cell_2", "lstm_cell")]:
        here, there = (facts(config, **{f"stacked_rnn_cells_3__{inside}__kernel": value}) for value in (1.0, 2.0))
        assert innermost_of("rnn", "RNN", here, there)[0] == f"rnn/stacked_rnn_cells/{told}"
