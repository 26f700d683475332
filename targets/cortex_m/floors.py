"""The least that the instruction set allows: what the kernels are measured against.

Armv7E-M, weights and sums as they are stored. A load or store counts for each word that it moves, however many one
instruction moves, since each takes its cycle. Loops, addresses and the list of spikes are not in a floor: no kernel
reaches it, and the distance is what they cost.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cortexcore.export.network import DECAY_ONE, Dense, Population
from cortexcore.firmware_sim.codegen.plan import Layer, Link, Sums
from cortexcore.firmware_sim.codegen.planning import on_a_line
from cortexcore.firmware_sim.codegen.state import lists

ROWS = 4
"""Rows of a dense kernel that share the values they are multiplied with, as many as registers hold the sums of."""


@dataclass(frozen=True)
class Floor:
    """Instructions for one operation, and what they are."""

    instructions: float
    why: str


def operation_floor(link: Link, sums: Sums) -> Floor:
    """Of a synaptic event (a spike, or a value that is not zero, and one weight), or of a dense kernel's product."""
    operation = link.synapses.operation
    kept = isinstance(operation, Dense) or (lists(link) and on_a_line(operation, link.source))
    if not link.event:
        return _product(link)
    if not lists(link):
        each = 2.0 if kept else 4.0
        there = "" if kept else ", and a sum that LDR and STR bring and take"
        return Floor(each, f"a load of the weight and MLA{there}")
    if sums.bits == 32:
        each = 2.0 if kept else 4.0
        there = ", its sum in a register" if kept else ", and LDR and STR of its sum"
        return Floor(each, f"a load of the weight and ADD{there}")
    match link.weight_bits:
        case 8:
            there = "sums in registers" if kept else "sums that 2 LDR and 2 STR bring and take"
            return Floor(3 / 4 if kept else 7 / 4, f"for 4 weights LDR and 2 SXTAB16, {there}")
        case 16:
            there = "sums in registers" if kept else "sums that LDR and STR bring and take"
            return Floor(1.0 if kept else 2.0, f"for 2 weights LDR and SADD16, {there}")
        case 4:
            there = "sums in registers" if kept else "sums of 16 bits that LDR and STR bring and take by twos"
            return Floor(17 / 8 if kept else 25 / 8, f"for 8 weights LDR, and for each SBFX and ADD, {there}")
        case _:
            raise ValueError(f"no kernel has weights of {link.weight_bits} bits")


def _product(link: Link) -> Floor:
    if link.weight_bits == 8 and link.source.bits == 8:
        shared = 3 / (4 * ROWS)
        return Floor(5 / 4 + shared, f"for 4 weights LDR, 2 SXTB16 and 2 SMLAD; 4 values for {ROWS} rows by as many")
    each = 3.0 if link.weight_bits == 4 else 2.0
    unpacked = ", unpacked by SBFX" if link.weight_bits == 4 else ""
    return Floor(each + 1 / ROWS, f"a load of the weight{unpacked} and MLA; the value's load for {ROWS} rows")


def neuron_floor(layer: Layer) -> Floor:
    """Of one neuron's step that fires no spike: what its parameters ask for."""
    p = layer.population
    parts = {
        "LDR of v": 1.0,
        "LDR and ADD of a sum": 2.0 * len(layer.sums),
        "ASR and SMLAL for the leak": 2.0 if _leaks(p) else 0.0,
        "LDR and ASR, SMLAL, STR for the current": 4.0 if p.has_current else 0.0,
        "a load and ADD of the bias": 2.0 if p.bias.ndim else float(bool(np.any(p.bias))),
        "a load of its decay": float(np.ndim(p.dv) > 0) + float(p.has_current and np.ndim(p.du) > 0),
        "CMP and a branch": 2.0 if p.vth is not None else 0.0,
        "a load of its threshold": float(np.ndim(p.vth) > 0) if p.vth is not None else 0.0,
        "SBFX to wrap": float(layer.may_wrap),
        "SSAT to clip": float(layer.may_clip),
        "STR": 1.0,
    }
    return Floor(sum(parts.values()), ", ".join(f"{count:g} for {what}" for what, count in parts.items() if count))


def _leaks(p: Population) -> bool:
    return bool(np.any(np.asarray(p.dv) != 0)) and bool(np.any(np.asarray(p.dv) != DECAY_ONE))
