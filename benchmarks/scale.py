"""What large things cost: `python -m benchmarks.scale` measures, and prints what docs/scale.md tells.

* A language model of KerasHub with more than 1 GB of random weights: the memory of all processes of a round trip,
  beside that of a process which loads the same file and predicts.
* A thousand tasks on a Dask cluster with two workers on loopback, of which one is killed half-way and another one joins
  late: what the cluster adds to each task.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

_LAYERS, _WIDTH, _HEADS, _WORDS, _LENGTH = 24, 1024, 16, 30522, 64
_TASKS, _SECONDS = 1000, 0.2
_LOADED = """
import sys, numpy, keras, keras_hub
model = keras.saving.load_model(sys.argv[1], compile=False)
print("loaded", flush=True); sys.stdin.readline()
fed = {{"token_ids": numpy.ones((2, {length}), "int32"), "segment_ids": numpy.zeros((2, {length}), "int32"),
       "padding_mask": numpy.ones((2, {length}), "int32")}}
model(fed, training=False)
"""


def language_model() -> Any:
    """A BERT as large as `bert_large_en`, with random weights: 335 million parameters, 1.34 GB."""
    import keras_hub

    return keras_hub.models.BertBackbone(
        vocabulary_size=_WORDS,
        num_layers=_LAYERS,
        num_heads=_HEADS,
        hidden_dim=_WIDTH,
        intermediate_dim=4 * _WIDTH,
        max_sequence_length=512,
    )


class Watch:
    """The most that a process and all below it have had at once, in bytes of their own: shared pages by their share."""

    def __init__(self, process: int) -> None:
        self.most = 0
        self.now = 0
        self._process, self._over = process, threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def _look(self) -> None:
        import psutil

        while not self._over.wait(0.05):
            try:
                top = psutil.Process(self._process)
                found = sum(_proportional(each.pid) for each in (top, *top.children(recursive=True)))
            except psutil.NoSuchProcess:
                continue
            self.now, self.most = found, max(self.most, found)

    def end(self) -> int:
        """The most."""
        self._over.set()
        self._thread.join()
        return self.most


def _proportional(process: int) -> int:
    try:
        lines = Path(f"/proc/{process}/smaps_rollup").read_text(encoding="ascii").splitlines()
    except OSError:  # it has ended meanwhile
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:")), 0)


def memory() -> dict[str, Any]:
    """Bytes, and seconds, of each way; the model is saved once."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.keras"
        made = f"from benchmarks.scale import language_model; language_model().save({str(path)!r})"
        subprocess.run([sys.executable, "-c", made], check=True, env=_quiet())
        found: dict[str, Any] = {"file": path.stat().st_size, "load and predict": _one_model(path)}
        roundtrip = [sys.executable, "-m", "tracer", "roundtrip", str(path), "--format", "keras"]
        roundtrip += ["--custom-objects", "keras_hub"]
        for name, more in (("tracer roundtrip", []), ("tracer roundtrip --sequential", ["--sequential"])):
            found[name] = _watched([*roundtrip, *more])
        return found


def _one_model(path: Path) -> dict[str, float]:
    start = time.monotonic()
    with subprocess.Popen(
        [sys.executable, "-c", _LOADED.format(length=_LENGTH), str(path)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=_quiet(), text=True,
    ) as process:  # fmt: skip
        watch = Watch(process.pid)
        assert process.stdout is not None and process.stdin is not None
        assert process.stdout.readline() == "loaded\n"
        time.sleep(0.5)
        loaded = watch.now
        process.stdin.write("\n")
        process.stdin.flush()
        assert process.wait() == 0
        return {"loaded": loaded, "most": watch.end(), "seconds": time.monotonic() - start}


def _watched(command: list[str]) -> dict[str, float]:
    start = time.monotonic()
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=_quiet(), text=True) as process:
        watch = Watch(process.pid)
        said = process.communicate()[0]
    assert process.returncode == 0, said
    return {"most": watch.end(), "seconds": time.monotonic() - start}


def _quiet() -> dict[str, str]:
    return {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""}


def answer(task: dict[str, Any]) -> dict[str, Any]:
    """What a worker of the cluster does: nothing, for a while."""
    time.sleep(task["seconds"])
    return {"number": task["number"], "process": os.getpid()}


@contextmanager
def _worker(address: str) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-m", "distributed.cli.dask_worker", address, "--nthreads", "1", "--no-dashboard"]
    with subprocess.Popen(
        [*command, "--no-nanny"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=_here()
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def _here() -> dict[str, str]:
    root = str(Path(__file__).resolve().parent.parent)
    return {**os.environ, "PYTHONPATH": os.pathsep.join([root, os.environ.get("PYTHONPATH", "")])}


def cluster() -> dict[str, Any]:
    """Seconds that the cluster adds to a task; nothing may be lost, and nothing answered twice."""
    import distributed

    from benchmarks.scale import answer as function  # as the workers know it
    from tracer.envs.cluster import run_all

    tasks = [{"number": number, "seconds": _SECONDS} for number in range(_TASKS)]
    with ExitStack() as stack:
        scheduler = distributed.LocalCluster(n_workers=0, host="127.0.0.1", dashboard_address=None)
        address = stack.enter_context(scheduler).scheduler_address
        first, _ = (stack.enter_context(_worker(address)) for _ in range(2))
        with distributed.Client(address, set_as_default=False) as client:
            client.wait_for_workers(2, timeout=60)
        found: dict[int, Any] = {}
        moments = [time.monotonic()]  # begun, one worker killed, another one's first answer, done
        for index, result in run_all(tasks, function, address):
            assert index not in found and isinstance(result, dict) and result["number"] == index, result
            found[index] = result
            if len(found) == _TASKS // 2:
                os.kill(first.pid, signal.SIGKILL)
                moments.append(time.monotonic())
            if len(found) == _TASKS * 3 // 4:
                stack.enter_context(_worker(address))
            if len(moments) == 2 and len(_by_process(found)) == 3:
                moments.append(time.monotonic())
        moments.append(time.monotonic())
    shares = _by_process(found)
    assert len(found) == _TASKS and len(shares) == 3, shares
    spans = [after - before for before, after in pairwise(moments)]
    spent = 2 * spans[0] + spans[1] + 2 * spans[2]
    return {"tasks": len(found), "by worker": shares, "wall": sum(spans), "added to a task": spent / _TASKS - _SECONDS}


def _by_process(found: dict[int, Any]) -> list[int]:
    return sorted(Counter(result["process"] for result in found.values()).values())


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", default="memory,cluster")
    for part in parser.parse_args().parts.split(","):
        print(json.dumps({part: {"memory": memory, "cluster": cluster}[part]()}, indent=2))


if __name__ == "__main__":
    main()
