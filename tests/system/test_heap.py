"""What layers free is kept, and given back when it is too much; in processes of their own, because it stays so."""

import subprocess
import sys

import pytest

_SIZE = 400 << 20

_FREED = f"""
import sys, threading
import numpy as np
from tracer.system import heap

if sys.argv[1] == "settled":
    heap.settle()

def work():  # a model runs in a thread of its own
    size = int(sys.argv[2])
    blocks = [np.ones(size, np.uint8) for _ in range({_SIZE} // size)]
    blocks.clear()

spare = heap.Spare()
before = heap._held()
thread = threading.Thread(target=work); thread.start(); thread.join()
kept = heap._held() - before
widest = int(sys.argv[3])
for _ in range({_SIZE} // widest):
    spare.passed(widest)  # a layer's output
print(kept >> 20, heap._held() - before >> 20)
"""


def _kept(how: str, block: int = 8 << 20, widest: int = 8 << 20) -> tuple[int, int]:
    words = [sys.executable, "-c", _FREED, how, str(block), str(widest)]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    kept, left = map(int, done.stdout.split())
    return kept, left


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc's allocator")
def test_a_settled_process_keeps_what_is_freed_and_gives_it_back_when_it_is_too_much() -> None:
    kept, left = _kept("settled")
    assert kept > 300
    assert left < 100


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc's allocator")
def test_by_default_it_goes_back_at_once() -> None:
    kept, left = _kept("default")
    assert kept < 100
    assert left < 100


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc's allocator")
def test_what_the_widest_layer_needs_in_any_case_is_kept() -> None:
    _, left = _kept("settled", widest=130 << 20)
    assert left > 300


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc's allocator")
def test_blocks_larger_than_32_mib_go_back_at_once() -> None:
    kept, _ = _kept("settled", block=50 << 20)
    assert kept < 100


_NEXT = f"""
import numpy as np
from tracer.system import heap

heap.settle()
before = heap._held()
blocks = [np.ones(8 << 20, np.uint8) for _ in range({_SIZE} // (8 << 20))]
blocks.clear()
kept = heap._held() - before
spare = heap.Spare()
print(kept >> 20, heap._held() - before >> 20)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc's allocator")
def test_what_a_run_has_left_goes_back_before_the_next_one() -> None:
    done = subprocess.run([sys.executable, "-c", _NEXT], capture_output=True, text=True, check=True)
    kept, left = map(int, done.stdout.split())
    assert kept > 300
    assert left < 100


_HOLDING = """
import numpy as np
from tracer.system import heap

heap.settle()
asked, give_back = [], heap.give_back
def counted():
    asked.append(1)
    give_back()
heap.give_back = counted
spare = heap.Spare()
block = np.ones(100 << 20, np.uint8)
for _ in range(20):
    spare.passed(9 << 20)
print(len(asked) - 1)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc's allocator")
def test_what_is_in_use_is_not_asked_for_again_and_again() -> None:
    done = subprocess.run([sys.executable, "-c", _HOLDING], capture_output=True, text=True, check=True)
    assert int(done.stdout) == 1
