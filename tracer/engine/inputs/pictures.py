"""A picture file as the input of a model."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import keras
import numpy as np

from tracer.core.inputs.specs import InputSpec
from tracer.core.source import Array
from tracer.engine.inputs.signature import channel_axis
from tracer.errors import InputError

if TYPE_CHECKING:
    from PIL.Image import Image

IMAGE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff"})
_COLOURS = (("grayscale", "grey"), ("rgba", "RGBA"), ("rgb", "RGB"))


@dataclass(frozen=True, slots=True)
class _File:
    """What a picture file holds: Pillow's name of its mode, and its size in pixels."""

    mode: str
    height: int
    width: int


def read_picture(specs: list[InputSpec], path: Path) -> tuple[Array, tuple[str, ...]]:
    """A batch of the one picture, resized to the model's input, and sentences that say what was changed.

    Raises:
        InputError: if the model takes something else, or the file can't be read.
    """
    spec, channel = _only_picture(specs, path)
    sides = tuple(s for axis, s in enumerate(spec.shape) if axis not in (0, channel))
    size = None if None in sides else sides
    colours = {1: "grayscale", 4: "rgba"}.get(spec.shape[channel] or 3, "rgb")
    file, image = _open(path, colours, size)
    array = keras.utils.img_to_array(image, data_format="channels_last" if channel == 3 else "channels_first")[None]
    samples = spec.shape[0] or 1
    done = [f"The single picture was made a batch of {samples if samples > 1 else 'one'}."]
    if size is not None and size != (file.height, file.width):
        done.append(f"The picture was resized from {file.height} × {file.width} to {size[0]} × {size[1]} pixels.")
    done += _recoloured(file.mode, dict(_COLOURS)[colours])
    values, rescaled = _in_range(spec, np.repeat(array, samples, axis=0))
    return values, (*done, *rescaled)


def _only_picture(specs: list[InputSpec], path: Path) -> tuple[InputSpec, int]:
    """The one input, with the axis of its channels.

    Raises:
        InputError: if there are others, or it takes no pictures.
    """
    channel = channel_axis(specs[0])
    if len(specs) != 1 or channel is None:
        taken = ", ".join(f"{s.name} {s.shape}" for s in specs)
        raise InputError(f"inputs file {str(path)!r} is a picture; this model takes {taken}. Give a .npz file.")
    return specs[0], channel


def _open(path: Path, colours: str, size: tuple[int | None, ...] | None) -> tuple[_File, Image]:
    """What the file holds, and the picture in these colours and this size.

    Raises:
        InputError: if it can't be read.
    """
    try:
        file, image = _look_at(path), keras.utils.load_img(path, color_mode=colours, target_size=size)
        image.load()  # one of the right size and colours hasn't been read beyond its header yet
        return file, image
    except ImportError as error:
        raise InputError(f"reading a picture needs Pillow: pip install pillow, or give {path.stem}.npy.") from error
    # Pillow raises almost anything for a damaged picture, and an error of its own for one that unpacks to gigabytes.
    except (OSError, ValueError, SyntaxError, EOFError, IndexError, struct.error, _bomb()) as error:
        raise InputError(f"inputs file {str(path)!r} can't be read as a picture: {error}") from error


def _bomb() -> type[Exception]:
    from PIL import Image

    return Image.DecompressionBombError


def _in_range(spec: InputSpec, pixels: Array) -> tuple[Array, tuple[str, ...]]:
    """Pixels as the input takes them, and what was done to them for that."""
    if "int" in spec.dtype:
        return np.asarray(pixels, spec.dtype), ()
    if spec.demand is not None:
        return np.asarray(pixels), ()
    return np.asarray(pixels / 127.5 - 1.0), ("Its values were rescaled from 0 … 255 to -1 … 1.",)


def _look_at(path: Path) -> _File:
    """What the file holds.

    Raises:
        InputError: if a part of it would be dropped.
    """
    from PIL import Image

    with Image.open(path) as image:
        frames = int(getattr(image, "n_frames", 1))
        mode, (width, height) = image.mode, image.size
    if frames > 1:
        raise InputError(f"inputs file {str(path)!r} has {frames} pictures in it; give one alone, or all as .npy.")
    if mode[:1] in "IF":
        raise InputError(
            f"inputs file {str(path)!r} has more than 8 bits a channel (mode {mode}), which pixels of 0 … 255 can't "
            "hold; give the values as .npy."
        )
    return _File(mode, height, width)


def _recoloured(mode: str, colours: str) -> list[str]:
    """What became of the colours."""
    had = {"L": "grey", "1": "black and white", "P": "a palette", "LA": "grey with alpha"}.get(mode, mode)
    return [] if had == colours else [f"Its colours were converted from {had} to {colours}."]
