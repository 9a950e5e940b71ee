"""`tracer.core.golden.evidence`: what two fingerprints, and two identities, say of each other."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tracer.core.golden import evidence
from tracer.core.golden.fingerprint import Identity, fingerprint
from tracer.core.source import Value


def activation(seed: int = 0, channels: int = 16) -> np.ndarray:
    scales = np.linspace(1.0, 2.0, channels)
    means = np.linspace(-3.0, 3.0, channels)
    return np.random.RandomState(seed).normal(size=(2, 9, 9, channels)) * scales + means


def told(changed: np.ndarray, truth: np.ndarray | None = None) -> str:
    taken = [fingerprint(Value(array=a)) for a in (activation() if truth is None else truth, changed)]
    (found,) = evidence.output_evidence("conv", *taken)
    return found.detail


def test_the_same_numbers_say_nothing() -> None:
    assert told(activation()) == ""


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda x: -x, "the sign is flipped"),
        (lambda x: 1.5 * x, "all samples are 1.5 times the truth"),
        (lambda x: np.where(x > 2.5, np.nan, x), "values are NaN or infinite"),
        (lambda x: 0.0 * x, "every value is zero"),
    ],
)
def test_a_change_of_all_values_is_put_into_words(change: Any, words: str) -> None:
    assert words in told(change(activation()))


def test_a_change_of_one_channel_names_it() -> None:
    changed = activation()
    changed[..., 5] += 4.0
    assert told(changed) == "mostly in channel 5 of 16"


def test_exchanged_channels_are_seen_by_their_means() -> None:
    changed = activation()
    changed[..., [2, 13]] = changed[..., [13, 2]]
    assert told(changed).startswith("mostly in channels 2, 13 of 16; with the means of these channels exchanged")


def test_many_channels_are_told_as_groups_of_neighbours() -> None:
    truth = activation(channels=256)
    changed = truth.copy()
    changed[..., 8:12] += 5.0
    assert told(changed, truth) == "mostly in channels 8-11 of 256"


def test_another_shape_says_nothing_of_the_numbers() -> None:
    assert told(activation()[:, :4, :4]) == ""


def identity(weights: str = "a" * 32, **settings: Any) -> Identity:
    return Identity(weights=weights, settings=settings)


def test_weights_and_settings_that_differ_from_what_was_recorded_are_evidence() -> None:
    found = evidence.identity_evidence("conv", identity(strides=1), identity("b" * 32, strides=2))
    assert [(e.kind, e.name, e.reference, e.candidate) for e in found] == [
        ("weight", "conv", "aaaaaaaa", "bbbbbbbb"),
        ("config", "strides", "1", "2"),
    ]


@pytest.mark.parametrize(
    ("recorded", "now"),
    [
        ({"strides": 2}, {"strides": [2, 2]}),
        ({"strides": [2, 2]}, {"strides": 2}),
        ({"data_format": "channels_last"}, {}),
        ({}, {"groups": 1}),
    ],
)
def test_another_spelling_and_a_key_that_one_release_lacks_are_no_difference(recorded: Any, now: Any) -> None:
    assert evidence.identity_evidence("conv", identity(**recorded), identity(**now)) == ()


def test_a_layer_that_wasnt_recorded_says_nothing() -> None:
    assert evidence.identity_evidence("conv", None, identity()) == ()


def test_settings_of_the_other_generation_of_keras_are_written_in_other_words() -> None:
    held = {"norm": identity(axis=[3])}
    keras_2, keras_3 = {"keras": "2.15.0"}, {"keras": "3.15.1"}
    for recorded, now in ((keras_3, keras_2), (keras_2, keras_3)):
        found = evidence.in_the_same_words(held, recorded, now)
        assert found == {"norm": identity()}
        assert evidence.identity_evidence("norm", identity(axis=-1), found["norm"]) == ()
        assert evidence.identity_evidence("norm", identity("b" * 32), found["norm"]) != ()
    for one in (keras_2, keras_3, {}):
        assert evidence.in_the_same_words(held, one, one) == held
