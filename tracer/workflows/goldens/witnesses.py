"""Witnesses: other environments that must agree with a golden, in float64, at every layer, before it is written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tracer.core.comparison.lockstep import local_errors
from tracer.core.golden.fingerprint import Site
from tracer.core.golden.golden import NOTABLE, Agreement, agreement
from tracer.core.host import Host
from tracer.core.source import Arrays
from tracer.errors import FixtureError
from tracer.progress import Progress

# Relative L2 in float64.  Another release of Keras agrees bit for bit or nearly so; another backend rounds Python's
# constants to float32 also under the float64 policy (docs/method.md).
_SAME_BACKEND, _OTHER_BACKEND = 1e-10, 1e-6
_NAMED = 3  # layers, largest first


@dataclass(frozen=True, slots=True, kw_only=True)
class Witness:
    """What a witness says.

    Attributes:
        environment: of the witness.
        single: its float32 run.
        agreement: how far its float64 run is from the truth.
        local: where it isn't the truth: relative error of each layer alone, on the truth's inputs, by layer path, in
            execution order; those beyond 1e-10.
    """

    environment: Mapping[str, str]
    single: tuple[Site, ...]
    agreement: Agreement
    local: Mapping[str, float]

    def told(self) -> dict[str, Any]:
        """For the provenance; each layer's local error is in the golden's table of them."""
        excess, local = self.agreement.excess, largest(self.local)
        first, worst = next(iter(excess), ""), next(iter(local), "")
        return {
            "environment": dict(self.environment),
            "worst": self.agreement.worst,
            "layer": self.agreement.layer,
            "beyond 1e-10": {"layers": len(excess), "first": first, "error": excess.get(first, 0.0)},
            "local beyond 1e-10": {"layers": len(local), "worst": worst, "error": local.get(worst, 0.0)},
        }


def hear(
    spec: str,
    reference: Host,
    truth: tuple[Site, ...],
    witness: Host,
    single: tuple[Site, ...],
    double: tuple[Site, ...],
    inputs: Arrays,
    progress: Progress | None = None,
) -> Witness:
    """Hold a witness against the reference; both have the float64 model open.

    Where they don't agree to 1e-10, both run once more, in lock-step, and the witness's layers are called on the
    reference's inputs: so it is known which of them differ by themselves.

    Raises:
        FixtureError: if they agree less than they must.
    """
    found = agreement(truth, double)
    local: dict[str, float] = {}
    if found.excess:
        alone = local_errors(reference, witness, inputs, progress=progress)
        local = {path: error for path, error in alone.items() if error > NOTABLE}
    allowed = _SAME_BACKEND if _backend(reference) == _backend(witness) else _OTHER_BACKEND
    if found.worst > allowed:
        here, there = reference.environment, witness.environment
        raise FixtureError(
            f"{spec}: the witness ({words(there)}) doesn't agree with the reference ({words(here)}) in float64: "
            f"{found.worst:.1e} at {found.layer}, {allowed:.0e} allowed. Not recorded. On the reference's inputs "
            f"{local_words(local)}: `tracer diff {spec}@{here['keras']} {spec}@{there['keras']}` says why."
        )
    return Witness(environment=dict(witness.environment), single=single, agreement=found, local=local)


def _backend(source: Host) -> str:
    return source.environment["backend"]


def largest(errors: Mapping[str, float]) -> dict[str, float]:
    """The same, the largest first."""
    return dict(sorted(errors.items(), key=lambda pair: -pair[1]))


def local_words(errors: Mapping[str, float]) -> str:
    """How many layers differ by themselves, and the worst of them."""
    if not errors:
        return "no layer differs by more than 1e-10"
    named = ", ".join(f"{path} {error:.1e}" for path, error in list(largest(errors).items())[:_NAMED])
    more = f" and {len(errors) - _NAMED} more" if len(errors) > _NAMED else ""
    return f"{named}{more} {'differ' if len(errors) > 1 else 'differs'}"


def words(environment: Mapping[str, str]) -> str:
    """A few words for an environment."""
    return f"Keras {environment['keras']}, {environment['backend']} {environment.get(environment['backend'], '')}"
