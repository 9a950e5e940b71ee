"""Reports as pages: one as large as EfficientNetB7, one whose names try to be more than names; and a browser."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from browsing import Reader
from makers import remeasured

from tracer.records import ErrorMap, Evidence, Histogram, Inputs, LayerReport, Report, Verdict

if TYPE_CHECKING:
    from playwright.sync_api import Browser

_CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
_HISTOGRAM = Histogram(low=-1.25, high=3.5, reference=tuple(range(24)), candidate=tuple(range(24, 0, -1)))
_MAP = ErrorMap(height=300, width=300, fields=tuple(tuple(0.001 * i * j for j in range(6)) for i in range(6)))
EVIL = "<script>document.title='broken'</script>"


@pytest.fixture(scope="session")
def b7(samples: Mapping[str, Report]) -> Report:
    """816 layer outputs with all the numbers that a report can have."""
    report = samples["nested_h5"]
    fault = report.layers[2]
    layers = [
        remeasured(
            fault,
            layer=f"efficientnetb7/block{i // 100}{'abcdefghijklmn'[i % 14]}_expand_activation_{i}",
            verdict=Verdict.INTRODUCED if i == 2 else Verdict.INHERITED if i > 2 else Verdict.IDENTICAL,
            rel_error=0.0 if i < 2 else 0.1 + i * 1e-4,
            channels=tuple((j, 0.125) for j in range(8)),
            sample_error=0.2,
            worst_sample=1,
            histogram=_HISTOGRAM if i > 1 else None,
            error_map=_MAP if i > 1 else None,
        )
        for i in range(816)
    ]
    return replace(report, layers=tuple(layers), compared=816, first_divergence=layers[2].layer)


@pytest.fixture(scope="session")
def evil(samples: Mapping[str, Report]) -> Report:
    """Foreign names wherever a report has words of somebody else."""
    report = samples["nested_h5"]
    (fault,) = report.faults
    told = Evidence(kind="state", name=EVIL, reference=EVIL, candidate=EVIL, detail=EVIL)
    layers = [_named(layer, f"a/b#1 {EVIL}" if number == 2 else EVIL) for number, layer in enumerate(report.layers[:6])]
    return replace(
        report,
        layers=tuple(layers),
        faults=(
            replace(fault, layer=layers[2].layer, class_name=EVIL, evidence=(told,), remedy=EVIL, known_issue=EVIL),
        ),
        hidden=(replace(fault, layer=EVIL, evidence=(told,)),),
        first_divergence=layers[2].layer,
        notes=(EVIL,),
        specs={"reference": EVIL, "candidate": EVIL},
        environments={"reference": {"keras": EVIL}, "candidate": {EVIL: "</style>"}},
        unmatched={"reference": (EVIL,), "candidate": ()},
        inputs=Inputs(origin="file", source=EVIL, samples=1, shapes={EVIL: (1,)}, dtypes={}, conversions=(EVIL,)),
        command=f"tracer diff '{EVIL}' b",
    )


def _named(layer: LayerReport, name: str) -> LayerReport:
    return remeasured(layer, layer=name, class_name=EVIL, note=EVIL, dtype=EVIL, worst_reference=EVIL)


# --- a browser


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    api = pytest.importorskip("playwright.sync_api")
    found = next(filter(None, map(shutil.which, _CHROMIUM)), None)
    if found is None:
        # CI says that there has to be one: there, a test that is skipped would hide that nothing was opened.
        told = "no Chromium is installed (Debian's package is `chromium`)"
        pytest.fail(told) if os.environ.get("TRACER_BROWSER") == "required" else pytest.skip(told)
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def reader(browser: Browser, tmp_path: Path) -> Iterator[Reader]:
    reader = Reader(browser, tmp_path)
    yield reader
    for number, opened in enumerate(reader.opened):
        assert opened.console == []
        assert [Path(url).name for url in opened.requests] == [f"page{number}.html"]
        opened.page.context.close()
