"""`tracer.engine.inputs.pictures`: one picture for one input, and a sentence for everything that was done to it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tracer.core.inputs.specs import InputDomain, InputSpec
from tracer.engine.inputs.pictures import IMAGE_SUFFIXES, read_picture
from tracer.errors import InputError

Image = pytest.importorskip("PIL.Image", reason="reads pictures")

PIXELS = InputSpec(name="x", index=0, shape=(None, 4, 6, 3), dtype="float32", demand=InputDomain(kind="pixels"))


def saved(path: Path, shape: tuple[int, ...] = (4, 6, 3), mode: str | None = None) -> Path:
    values = np.arange(np.prod(shape), dtype="uint8").reshape(shape)
    image = Image.fromarray(values)
    (image if mode is None else image.convert(mode)).save(path)
    return path


def test_a_picture_that_fits_is_a_batch_of_one_with_its_own_values(tmp_path: Path) -> None:
    values, told = read_picture([PIXELS], saved(tmp_path / "x.png"))
    np.testing.assert_array_equal(values, np.arange(72).reshape(1, 4, 6, 3))
    assert told == ("The single picture was made a batch of one.",)


@pytest.mark.parametrize(
    ("known", "shape", "told"),
    [
        ({"shape": (3, 4, 6, 3)}, (3, 4, 6, 3), "The single picture was made a batch of 3."),
        ({"shape": (None, 2, 3, 3)}, (1, 2, 3, 3), "The picture was resized from 4 × 6 to 2 × 3 pixels."),
        ({"shape": (None, None, None, 3)}, (1, 4, 6, 3), "The single picture was made a batch of one."),
        ({"demand": None}, (1, 4, 6, 3), "Its values were rescaled from 0 … 255 to -1 … 1."),
        ({"dtype": "uint8"}, (1, 4, 6, 3), "The single picture was made a batch of one."),
    ],
)
def test_it_is_made_what_the_input_takes_and_each_step_is_told(
    known: Any, shape: tuple[int, ...], told: str, tmp_path: Path
) -> None:
    values, said = read_picture([replace(PIXELS, **known)], saved(tmp_path / "x.png"))
    assert values.shape == shape and said[-1] == told
    if known.get("demand", 1) is None:
        assert -1 <= values.min() < 0
    if "dtype" in known:
        assert values.dtype == np.uint8


def test_colours_are_those_of_the_input_and_the_change_is_told(tmp_path: Path) -> None:
    grey = replace(PIXELS, shape=(None, 4, 6, 1))
    values, told = read_picture([grey], saved(tmp_path / "x.png"))
    assert values.shape == (1, 4, 6, 1)
    assert any("RGB" in line and "grey" in line for line in told)
    values, told = read_picture([PIXELS], saved(tmp_path / "y.png", (4, 6)))
    assert values.shape == (1, 4, 6, 3) and any("grey" in line for line in told)


@pytest.mark.parametrize(
    "specs",
    [
        [replace(PIXELS, shape=(None, 9))],
        [PIXELS, PIXELS],
        [replace(PIXELS, dtype="string")],
    ],
)
def test_a_model_that_takes_something_else_is_not_fed_a_picture(specs: list[InputSpec], tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"is a picture; this model takes x .+ Give a \.npz file"):
        read_picture(specs, saved(tmp_path / "x.png"))


def test_what_would_be_dropped_is_refused(tmp_path: Path) -> None:
    deep = tmp_path / "deep.png"
    Image.fromarray(np.full((4, 6), 60_000, "uint16")).save(deep)
    with pytest.raises(InputError, match=r"more than 8 bits a channel"):
        read_picture([PIXELS], deep)
    moving = tmp_path / "moving.gif"
    frames = [Image.fromarray(np.full((4, 6, 3), value, "uint8")) for value in (0, 200)]
    frames[0].save(moving, save_all=True, append_images=frames[1:])
    with pytest.raises(InputError, match=r"has 2 pictures in it"):
        read_picture([PIXELS], moving)


def test_a_damaged_picture_is_one_sentence(tmp_path: Path) -> None:
    file = saved(tmp_path / "x.png")
    file.write_bytes(file.read_bytes()[:50])
    with pytest.raises(InputError, match=r"can't be read as a picture"):
        read_picture([PIXELS], file)
    assert file.suffix in IMAGE_SUFFIXES
