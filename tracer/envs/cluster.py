"""Tasks on a Dask cluster: lost workers lose nothing, because a cell leaves nothing behind and can be run again."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from tracer.errors import WorkerError
from tracer.records import JsonObject

# So many deaths of the worker that ran it, and a task itself is to blame.
_RETRIES = 3
_CONNECT = 30  # seconds
# Tasks that the scheduler knows of at once, by worker thread: enough to keep all busy, whatever the size of the matrix.
_AHEAD = 8


def run_all(
    tasks: Sequence[JsonObject], function: Callable[[JsonObject], JsonObject], address: str
) -> Iterator[tuple[int, JsonObject | WorkerError]]:
    """Runs tasks on the workers of a scheduler, and yields each with its index as it is done.

    Args:
        tasks: as plain types.
        function: importable on the workers; it is called with one task.
        address: of the scheduler, such as `tcp://…:8786`.

    Raises:
        WorkerError: if `distributed` isn't installed, or the scheduler can't be reached.
    """
    try:
        import distributed
    except ImportError as error:
        raise WorkerError(
            "a cluster needs dask.distributed, which isn't installed: pip install 'keras-layer-tracer[cluster]'."
        ) from error
    try:
        client = distributed.Client(address, timeout=_CONNECT, set_as_default=False)
    except (OSError, ValueError) as error:
        raise WorkerError(
            f"no Dask scheduler answers at {address}: {error}. Start one, or leave --cluster out."
        ) from error
    with client:
        yield from _driven(distributed, client, tasks, function)


def _driven(
    distributed: Any, client: Any, tasks: Sequence[JsonObject], function: Callable[..., Any]
) -> Iterator[tuple[int, JsonObject | WorkerError]]:
    window = _AHEAD * max(1, sum(client.nthreads().values()))
    waiting = list(enumerate(tasks))[::-1]
    indices: dict[Any, int] = {}
    done = distributed.as_completed(loop=client.loop)

    def submit() -> None:
        index, task = waiting.pop()
        future = client.submit(function, dict(task), pure=False, retries=_RETRIES)
        indices[future.key] = index
        done.add(future)

    for _ in range(min(window, len(waiting))):
        submit()
    for future in done:
        if waiting:
            submit()
        yield indices.pop(future.key), _result(future)


def _result(future: Any) -> JsonObject | WorkerError:
    if future.status == "finished":
        return dict(future.result())
    return WorkerError(f"the cluster could not run it: {future.exception() or future.status}")
