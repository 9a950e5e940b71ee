"""What a layer is called with besides tensors, as text that travels and can be put in again."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping

from tracer.engine import compat
from tracer.engine.run import tensors
from tracer.engine.types import Args, Kwargs


def flag(training: object) -> str:
    """`training` as text: False, None and absent are equal."""
    return "true" if training else ""


@contextlib.contextmanager
def training_set(training: object) -> Iterator[None]:
    """Within it, the call context that this thread is in has this `training`."""
    before = compat.dialect().context_training()
    compat.dialect().set_context_training(training)
    try:
        yield
    finally:
        compat.dialect().set_context_training(before)


def context_of(args: Args, kwargs: Kwargs, training: object) -> dict[str, str]:
    """What a call was given besides tensors, as JSON text; False, None and absent `training` are equal."""
    named = [(f"args[{i}]", item) for i, item in enumerate(args)] + list(kwargs.items())
    found = {
        name: json.dumps(item, default=_plain, skipkeys=True)
        for name, item in named
        if name != "training" and item is not None and not tensors.tensors(item)
    }
    if training:  # True, or a tensor that says so
        found["training"] = "true"
    return found


def _plain(item: object) -> object:
    """An argument that JSON doesn't know: scalars by value, everything else by type, never by address."""
    return item.item() if hasattr(item, "item") else type(item).__name__


def with_context(args: Args, kwargs: Kwargs, context: Mapping[str, str]) -> tuple[Args, Kwargs]:
    """The arguments with those of another context, where text can say what they are."""
    changed = dict(kwargs)
    if "training" in changed:
        changed["training"] = context.get("training") == "true"
    for name in set(changed) - {"training"}:
        if name in context and not tensors.tensors(changed[name]):
            try:
                changed[name] = json.loads(context[name])
            except ValueError:
                continue
    return args, changed


def training_of(context: Mapping[str, str], entered: object) -> object:
    """`training` for a replay: what the call that is repeated had; a leak that this side came in with stays out."""
    if "training" in context:
        return json.loads(context["training"])
    return False if entered else entered
