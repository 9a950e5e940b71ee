"""The benchmark harness runs end to end, and the page in docs is what its JSON renders to; nothing is timed."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import command, scale, small, table, targets, training

_ROOT = Path(__file__).resolve().parent.parent


def _result(cold: float, warm: tuple[float, ...] = (), peak: float = 10.0) -> dict:
    return {
        "cold_s": cold, "warm_s": list(warm), "peak_mib": peak, "loaded_mib": 100.0,
        "machine": "a machine", "versions": {"keras": "3"}, "date": "2026-01-01",
    }  # fmt: skip


def test_the_page_is_what_the_json_renders_to() -> None:
    results = json.loads((_ROOT / "docs" / "benchmarks.json").read_text(encoding="utf-8"))
    assert (_ROOT / "docs" / "benchmarks.md").read_text(encoding="utf-8") == table.rendered(results)
    assert (_ROOT / "benchmarks" / "TARGETS.md").read_text(encoding="utf-8") == table.aimed_at(results)


@pytest.mark.slow
def test_a_model_is_measured_end_to_end(tmp_path: Path) -> None:
    words = ["--models", "tracer.zoo:tiny_functional", "--batch", "1", "--parts", "models"]
    sides = ["--sides", "plain", "naive", "clean", "check"]
    subprocess.run(
        [sys.executable, "benchmarks/run.py", *words, *sides, "--repeat", "1", "--processes", "1", "--out", tmp_path],
        cwd=_ROOT, check=True, timeout=600,
    )  # fmt: skip
    results = json.loads((tmp_path / "benchmarks.json").read_text())
    assert [key.rpartition("/")[2] for key in results] == ["check", "clean", "naive", "plain"]
    for key, record in results.items():
        assert len(record["cold_s"]) == 1 and record["cold_s"][0] > 0, (key, record)
        assert len(record["warm_s"]) == 1
        assert record["versions"]["keras"]
    page = (tmp_path / "benchmarks.md").read_text(encoding="utf-8")
    assert page == table.rendered(results)
    assert page.count("\n| ") == 1 + len(results)  # a head and a row for each


def test_walks_are_measured_each_in_seconds_and_core_seconds() -> None:
    run = "import json; from benchmarks import limits; print(json.dumps(limits.walks(1, 'tracer.zoo:tiny_functional')))"
    done = subprocess.run([sys.executable, "-c", run], cwd=_ROOT, capture_output=True, text=True, check=True)
    found = json.loads(done.stdout.splitlines()[-1])
    ways = [way for way in found if not way.endswith(", core seconds")]
    assert len(ways) == 4 and len(found) == 8
    assert all(found[way] > 0 for way in ways)
    assert all(f"{way}, core seconds" in found for way in ways)


def test_processes_of_one_side_are_merged() -> None:
    record = table.merged(table.first(_result(1.0, (2.0,))), _result(3.0, (6.0,)))
    assert record["cold_s"] == [1.0, 3.0] and record["warm_s"] == [2.0, 6.0]
    plain = table.first(_result(1.0, (1.0,)))
    results = {"tensorflow/M/batch 1/plain": plain, "tensorflow/M/batch 1/clean": record}
    assert table.ratio(results, "tensorflow/M/batch 1/clean", "warm_s") == 4.0


def test_a_process_that_failed_before_is_replaced() -> None:
    assert table.merged({"failed": "killed"}, _result(1.0))["cold_s"] == [1.0]


def test_ratios_are_to_as_many_models_as_run() -> None:
    place = "tensorflow/M/batch 1"
    results = {
        f"{place}/{side}": table.first(_result(cold)) for side, cold in (("plain", 2.0), ("clean", 3.0), ("check", 3.0))
    }
    assert table.ratio(results, f"{place}/clean", "cold_s") == 1.5
    assert table.ratio(results, f"{place}/check", "cold_s") == 3.0


def test_what_was_skipped_says_why() -> None:
    page = table.rendered({"tensorflow/M/batch 1/naive": {"skipped": "needs about 16 GiB, 3 GiB are free"}})
    assert "needs about 16 GiB" in page


@pytest.mark.parametrize(("figure", "mark"), [(0.5, "✗"), (1.5, "✓")])
def test_a_target_is_reached_or_not(figure: float, mark: str) -> None:
    results = {"small/sketch": {"figures": {"sketch, float32, one core": figure}, "unit": "GB/s"}}
    assert [row[-1] for row in targets.rows(results)] == [mark]


def test_what_was_not_measured_is_no_row() -> None:
    assert list(targets.rows({})) == []


def test_the_page_says_what_limits_a_diff_once_that_was_measured() -> None:
    stopped = "stopped at every call site, one model after the other"
    ways = ("plain passes", stopped, "both at once, nothing compared", "diff: in lock-step, compared")
    figures = {way + unit: 2.0 + i for unit in ("", ", core seconds") for i, way in enumerate(ways)}
    page = table.rendered({"small/walks": {"figures": figures, "unit": "s"}})
    assert "it takes 2.50 × two plain passes" in page
    assert "takes 1.50 × already, both models at once 2.00 ×" in page
    assert "with 1.0 cores busy on average" in page
    assert "What limits" not in table.rendered({})


def test_every_side_has_a_name_on_the_page() -> None:
    assert set(command.SIDES) == set(table.NAMES)
    parts = {"sketch", "compare", "start", "files", "roundtrips", "workers", "walks", "training"}
    assert parts == set(small.names())


@pytest.mark.slow
def test_a_training_is_measured_with_and_without_the_callback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "_EPOCHS", 1)
    monkeypatch.setattr(training, "_PICTURES", 64)
    found = training.training(1)
    ways = ["fit, VerifiedCheckpoint", "fit, VerifiedCheckpoint in the background"]
    assert list(found) == ["fit, no callback", "fit, ModelCheckpoint", *ways, *(f"{way}, more" for way in ways)]
    for way in ways:  # a process that imports a backend takes longer than a second
        assert found[f"{way}, more"] == found[way] - found["fit, ModelCheckpoint"] > 0.5


def test_memory_is_that_of_all_processes_below_one() -> None:
    held = "x = bytearray(60 << 20); import time; time.sleep(1.5)"
    code = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {held!r}])"
    with subprocess.Popen([sys.executable, "-c", code]) as process:
        watch = scale.Watch(process.pid)
        process.wait()
    assert 60 << 20 < watch.end() < 200 << 20
