"""Reproductions of the known Keras defects in `tracer/core/diagnosis/known_issues.toml`, one function an issue.

The functions are in `repro_files.py`, `repro_releases.py` and `repro_backends.py`.  It runs on any Keras 3 release,
with nothing else installed:

    python tests/quality/repro_known.py keras#20147  # one, by its id; `all`: each, one line

A function returns (reference, candidate, inputs): two models of one release. Where two *releases* disagree the
candidate is None: `--save FILE` in one of them, and `--against FILE` in the other says how far the outputs moved.  The
same goes for two backends, which `KERAS_BACKEND` names.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import repro_backends as backends
import repro_files as files
import repro_releases as releases
from repro_parts import Repro, import_keras

# What differs only while training: dropout, and statistics of the batch.
TRAINING = frozenset({"keras#19397", "keras#20656", "keras#20815", "keras#23023", "keras#23029", "keras#23657"})


def reproductions() -> Mapping[str, Callable[[], Repro]]:
    """By the id of the issue, as `known_issues.toml` has it."""
    return {**_within_a_release(), **_between_two()}


def _within_a_release() -> Mapping[str, Callable[[], Repro]]:
    return {
        "keras#20147": files.stale_original,
        "keras#20168": files.stale_h5,
        "keras#20147/nested-h5": files.stale_h5_nested,
        "keras#20147/set-weights": files.stale_set_weights,
        "keras#22119": files.line_feeds,
        "keras#22119/line-boundaries": files.line_boundaries,
        "keras#23475": files.optimizer_taken_by_h5,
        "keras#20963": files.h5_axis,
        "keras#20973": files.h5_axis_list,
        "keras#19807": files.rms_scaling,
        "keras#23014": files.output_padding,
        "keras@7dae3e918f": files.nested_shared,
        "keras#20598": files.nested_lists,
        "keras#21139": files.lora_alpha,
        "keras#17362": files.autocast,
        "keras#23375": files.sparse_encoding,
        "keras#23023": files.image_data_format,
        "keras#23029": files.attention_seed,
        "keras#23657": files.rnn_seed,
    }


def _between_two() -> Mapping[str, Callable[[], Repro]]:
    return {
        "keras#18416": releases.merge_masks,
        "keras#19477": releases.hard_sigmoid,
        "keras#19477/gates": releases.hard_sigmoid_gates,
        "keras#20257": releases.layer_norm_half,
        "keras#20385": releases.group_norm_half,
        "keras#23070": releases.group_norm_mixed,
        "keras#20213": releases.resize_integers,
        "keras#21149": releases.softmax_all_masked,
        "keras#21595": releases.attention_value_mask,
        "keras#20815": releases.batch_norm_mask,
        "keras#19397": releases.recurrent_dropout_rate,
        "keras#20656": releases.gru_dropout_masks,
        "keras#19643": releases.rms_scaling_axis,
        "keras#21449": releases.explicit_mask,
        "keras#21721": releases.attention_axes,
        "keras#21456": releases.channels_first_images,
        "keras#22876": backends.transposed_padding,
        "keras#23233": backends.average_of_edges,
        "keras#23230": backends.symmetric_pad,
        "keras#23435": backends.half_a_turn,
    }


def _outputs(model: Any, x: Any, training: bool) -> list[np.ndarray]:
    """Outputs as arrays; a sparse one as its dense values, with one more array that says so."""
    keras = import_keras()
    called = model(x, training=training)
    arrays: list[np.ndarray] = []
    for value in called if isinstance(called, (list, tuple)) else [called]:
        if "Sparse" in type(value).__name__:
            import tensorflow as tf

            arrays.append(np.ones(1))
            value = tf.sparse.to_dense(value)
        arrays.append(np.asarray(keras.ops.convert_to_numpy(value) if hasattr(keras, "ops") else value))
    return arrays


def distance(left: list[np.ndarray], right: list[np.ndarray]) -> str:
    """Largest absolute difference, or in words what kind of thing differs."""
    if [a.shape for a in left] != [b.shape for b in right]:
        return f"shapes {[a.shape for a in left]} against {[b.shape for b in right]}"
    pairs = [(a.astype("float64"), b.astype("float64")) for a, b in zip(left, right, strict=True)]
    broken = sum(int((np.isfinite(a) != np.isfinite(b)).sum()) for a, b in pairs)
    worst = max(float(np.nanmax(np.abs(a - b), initial=0.0, where=np.isfinite(a - b))) for a, b in pairs)
    return f"{worst:.3g}" + (f" and {broken} values finite on one side only" if broken else "")


def measure(issue: str, save: dict[str, np.ndarray], against: Mapping[str, np.ndarray]) -> str:
    """One line about one issue in this release."""
    try:
        reference, candidate, x = reproductions()[issue]()
        outputs = _outputs(reference, x, issue in TRAINING)
        if candidate is not None:
            return distance(outputs, _outputs(candidate, x, issue in TRAINING))
    except Exception as error:  # a release that refuses the model is a result too: it is printed as one
        return f"{type(error).__name__}: {str(error).strip().splitlines()[0][:90]}"
    save.update({f"{issue} {i}": a for i, a in enumerate(outputs)})
    if not against:
        return "one model: give --against"
    saved = [against[k] for i in range(len(outputs)) if (k := f"{issue} {i}") in against]
    return distance(outputs, saved) if saved else "not in the file that was saved"


def main(arguments: list[str]) -> int:
    """Prints the release, then a line an issue."""
    parser = argparse.ArgumentParser()
    for name in ("issue", "--save", "--against"):
        parser.add_argument(name)
    options, kept = parser.parse_args(arguments), dict[str, np.ndarray]()
    against = dict(np.load(options.against)) if options.against else {}
    print(f"Keras {import_keras().__version__}")
    for issue in reproductions() if options.issue == "all" else [options.issue]:
        print(f"{issue:24s} {measure(issue, kept, against)}", flush=True)
    if options.save:
        np.savez(options.save, **kept)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
