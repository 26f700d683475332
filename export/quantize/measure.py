"""What the grids cost each layer, as plain JSON values; needs no data."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from cortexcore.export.network import DECAY_ONE, STATE_LIMIT, THRESHOLD_SHIFT, WEIGHT_LIMIT, Field, Population
from cortexcore.export.nodes import Float
from cortexcore.export.quantize.config import QuantizationConfig
from cortexcore.export.quantize.effective import Effective
from cortexcore.export.quantize.grids import step_of
from cortexcore.export.quantize.scale import Choice, Seen

ROUNDING = 1e-20
"""Noise below this share of the signal is float64's own rounding, and no loss."""


def population_figures(
    choice: Choice, floats: Effective, config: QuantizationConfig, seen: Seen | None
) -> dict[str, Any]:
    """One population's figures; where its neurons differ, those of the neuron that fares worst.

    Returns:
        ``unit``: float value of one integer unit of weights and threshold (v and u: of 2^6 of theirs);
        ``bound``: its kind, the value it keeps below ``limit``, both in units of v; ``layers``: per synapses bits,
        weight_exp, counts of weights, clipped and underflowed ones, SQNR in dB; ``vth``: the smallest threshold;
        errors of threshold, decays, bias.
    """
    p, scale = choice.population, choice.scale
    layers = {s.name: _layer(floats.weights[s.name], s.operation, config.bits_of(s.name), scale) for s in p.synapses}
    proven = max(-choice.bound.u[0], choice.bound.u[1], -choice.bound.v[0], choice.bound.v[1])
    value = proven if choice.kind == "static" or seen is None else seen.peak * scale * 2**THRESHOLD_SHIFT
    return {
        "unit": 1.0 / scale,
        "bound": {
            "kind": choice.kind,
            "value": value,
            "limit": STATE_LIMIT,
            "margin": 1.0 if choice.kind == "static" else config.margin,
        },
        "layers": layers,
        "vth": None if p.vth is None else int(np.min(p.vth)),
        "threshold_error": _relative(p.vth, floats.threshold, scale),
        "decay_v": _decay(floats.beta, (DECAY_ONE - np.asarray(p.dv, np.float64)) / DECAY_ONE),
        "decay_u": _decay(floats.alpha, (DECAY_ONE - np.asarray(p.du, np.float64) - 1) / DECAY_ONE),
        "bias_error": _bias_error(p, floats, scale),
    }


def helper_figures(p: Population, words: str) -> dict[str, Any]:
    """The figures of a population that the float graph does not have, which loses nothing; ``words`` say what it is."""
    unit = 1.0 / 2
    layers = {
        s.name: {
            "bits": 8,
            "weight_exp": s.operation.weight_exp,
            "weights": int(s.operation.weight.size),
            "clipped": 0,
            "underflowed": 0,
            "sqnr_db": None,
        }
        for s in p.synapses
    }
    highest = float(np.max(p.bias) + 2 * len(p.synapses) * 2**THRESHOLD_SHIFT)
    return {
        "helper": words,
        "unit": unit,
        "bound": {"kind": "static", "value": highest, "limit": STATE_LIMIT, "margin": 1.0},
        "layers": layers,
        "vth": None if p.vth is None else int(np.min(p.vth)),
        "threshold_error": None,
        "decay_v": {"wanted": 0.0, "got": 0.0},
        "decay_u": {"wanted": 0.0, "got": 0.0},
        "bias_error": 0.0,
    }


def _layer(wanted: Any, operation: Any, bits: int, scale: float) -> dict[str, Any]:
    """Weights of one layer: ``sqnr_db`` is 10·log10(Σ w² / Σ (w − ŵ)²), None where nothing was
    lost, or all weights are 0."""
    raw = wanted * (scale / 2.0**operation.weight_exp)
    noise, signal = float(np.square(operation.weight - raw).sum()), float(np.square(raw).sum())
    half = step_of(bits) / 2
    return {
        "bits": bits,
        "weight_exp": operation.weight_exp,
        "weights": int(wanted.size),
        "clipped": int(np.count_nonzero((raw > WEIGHT_LIMIT - half) | (raw < -WEIGHT_LIMIT - half))),
        "underflowed": int(np.count_nonzero((operation.weight == 0) & (wanted != 0))),
        "sqnr_db": 10 * math.log10(signal / noise) if noise > ROUNDING * signal > 0 else None,
    }


def _relative(got: Field | None, wanted: Float | None, scale: float) -> float | None:
    """(got − wanted) / wanted where that is largest; None for a readout or thresholds of 0."""
    if got is None or wanted is None or not np.any(wanted):
        return None
    errors = (np.asarray(got, np.float64) / (np.where(wanted == 0, np.nan, wanted) * scale) - 1.0).reshape(-1)
    return float(errors[np.nanargmax(np.abs(errors))])


def _decay(wanted: Float, got: Float) -> dict[str, float]:
    """Wanted and got share that is left after a step, of the neuron whose two differ most."""
    a, b = (each.reshape(-1) for each in np.broadcast_arrays(wanted, got))
    worst = int(np.argmax(np.abs(a - b)))
    return {"wanted": float(a[worst]), "got": float(b[worst])}


def _bias_error(p: Population, floats: Effective, scale: float) -> float:
    """Largest |bias error| in float units per step."""
    got = p.bias.astype(np.float64) * 2.0**p.bias_exp / (scale * 2**THRESHOLD_SHIFT)
    return float(np.abs(got - floats.bias).max())
