"""Energy on a general processor: measured by RAPL where it can be read, and modelled from the operations."""

from __future__ import annotations

from cortexcore.targets.energy.constants import cite, constant
from cortexcore.targets.energy.latency import Measurement
from cortexcore.targets.energy.operations import LayerOperations
from cortexcore.targets.profile import Figure

_FLOAT = ("horowitz.fp32_mul_j", "horowitz.fp32_add_j")
_INTEGER = ("horowitz.int32_mul_j", "horowitz.int32_add_j")
ADDS_PER_UPDATE = 3
"""One update: decay (a multiplication), plus current, plus bias, compared with the threshold."""


def host_energy(dense_macs: float, state_updates: float, measured: Measurement | None) -> dict[str, Figure]:
    """Joules per inference.

    Args:
        dense_macs: multiply-accumulates that really run: a processor multiplies zeros too.
        state_updates: neuron states advanced.
        measured: times of single inferences, with their energy where RAPL was readable; only then there is a "total".
    """
    note = "45 nm arithmetic alone, no memory, caches, control or leakage: a lower bound"
    priced = "whatever the host computes in, priced as "
    macs = dense_macs * sum(map(constant, _FLOAT))
    updates = state_updates * (constant(_INTEGER[0]) + ADDS_PER_UPDATE * constant(_INTEGER[1]))
    figures = {
        "arithmetic of synapses": Figure(macs, "J", "modelled", cite(*_FLOAT), f"{priced}fp32, zeros included; {note}"),
        "arithmetic of neurons": Figure(
            updates, "J", "modelled", cite(*_INTEGER), f"{priced}int32, one product and {ADDS_PER_UPDATE} sums; {note}"
        ),
        "dynamic": Figure(macs + updates, "J", "modelled", cite(*_FLOAT, *_INTEGER), note),
    }
    if measured is not None and measured.joules is not None:
        figures["total"] = Figure(
            measured.joules,
            "J",
            "measured",
            "RAPL (/sys/class/powercap), all packages",
            f"{len(measured.seconds)} inferences; includes whatever else the processor did meanwhile",
        )
    return figures


def executed_macs(layers: tuple[LayerOperations, ...]) -> float:
    """Dense MACs of one inference."""
    return float(sum(x.connections * x.macs.shape[0] for x in layers))


def executed_updates(layers: tuple[LayerOperations, ...]) -> float:
    """State updates of one inference."""
    return float(sum(x.states * x.macs.shape[0] for x in layers))
