"""The applications of a real Keras 2, by `.h5`, alone and as a part of another model."""

from __future__ import annotations

from pathlib import Path

import pytest
from keras2_files import CLOSE, error_of, write_in_keras_2

import tracer

pytestmark = [pytest.mark.slow, pytest.mark.releases, pytest.mark.nightly]
# One of each architecture; the larger ones of a family are made of the same layers.
_NAMES = (
    "ConvNeXtTiny",
    "DenseNet121",
    "EfficientNetB0",
    "EfficientNetV2B0",
    "InceptionResNetV2",
    "InceptionV3",
    "MobileNet",
    "MobileNetV2",
    "MobileNetV3Small",
    "NASNetMobile",
    "RegNetX002",
    "ResNet50",
    "ResNet50V2",
    "ResNetRS50",
    "VGG16",
    "Xception",
)


@pytest.mark.parametrize("nested", [False, True], ids=["flat", "nested"])
@pytest.mark.parametrize("name", _NAMES)
def test_an_application_is_migrated_and_proved(name: str, nested: bool, tmp_path: Path) -> None:
    write_in_keras_2(tmp_path, "keras2_application.py", name, str(int(nested)))
    target = tmp_path / "new.keras"
    report = tracer.migrate(tmp_path / "model.h5", target, str(tmp_path / "model.npz"))
    assert report.matches, report
    assert error_of(target, tmp_path / "model.npz", tmp_path / "model_y.npz") <= CLOSE
