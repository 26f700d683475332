"""What the grids cost each layer, as plain JSON values; needs no data."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from cortexcore.export.network import DECAY_ONE, STATE_LIMIT, THRESHOLD_SHIFT, WEIGHT_LIMIT, Population
from cortexcore.export.quantize.config import QuantizationConfig
from cortexcore.export.quantize.effective import Effective
from cortexcore.export.quantize.grids import step_of
from cortexcore.export.quantize.scale import Choice


def population_figures(
    choice: Choice, floats: Effective, config: QuantizationConfig, peak: float | None
) -> dict[str, Any]:
    """One population's figures.

    Returns:
        ``unit``: float value of one integer unit of weights and threshold (v and u: of 2^6 of theirs);
        ``bound``: its kind, the value it keeps below ``limit``, both in units of v; ``layers``: per synapses bits,
        weight_exp, counts of weights, clipped and underflowed ones, SQNR in dB; errors of threshold, decays, bias.
    """
    p, scale = choice.population, choice.scale
    layers = {s.name: _layer(floats.weights[s.name], s.operation, config.bits_of(s.name), scale) for s in p.synapses}
    proven = max(-choice.bound.u[0], choice.bound.u[1], -choice.bound.v[0], choice.bound.v[1])
    value = proven if choice.kind == "static" or peak is None else peak * scale * 2**THRESHOLD_SHIFT
    return {
        "unit": 1.0 / scale,
        "bound": {
            "kind": choice.kind,
            "value": value,
            "limit": STATE_LIMIT,
            "margin": 1.0 if choice.kind == "static" else config.margin,
        },
        "layers": layers,
        "vth": p.vth,
        "threshold_error": _relative(p.vth, floats.threshold, scale),
        "decay_v": {"wanted": floats.beta, "got": (DECAY_ONE - p.dv) / DECAY_ONE},
        "decay_u": {"wanted": floats.alpha, "got": (DECAY_ONE - p.du - 1) / DECAY_ONE},
        "bias_error": _bias_error(p, floats, scale),
    }


def _layer(wanted: Any, operation: Any, bits: int, scale: float) -> dict[str, Any]:
    """Weights of one layer: ``sqnr_db`` is 10·log10(Σ w² / Σ (w − ŵ)²), None where either sum is 0."""
    raw = wanted * (scale / 2.0**operation.weight_exp)
    noise, signal = float(np.square(operation.weight - raw).sum()), float(np.square(raw).sum())
    half = step_of(bits) / 2
    return {
        "bits": bits,
        "weight_exp": operation.weight_exp,
        "weights": int(wanted.size),
        "clipped": int(np.count_nonzero((raw > WEIGHT_LIMIT - half) | (raw < -WEIGHT_LIMIT - half))),
        "underflowed": int(np.count_nonzero((operation.weight == 0) & (wanted != 0))),
        "sqnr_db": 10 * math.log10(signal / noise) if noise > 0 and signal > 0 else None,
    }


def _relative(got: int | None, wanted: float | None, scale: float) -> float | None:
    """(got − wanted) / wanted; None for an LI or a threshold of 0."""
    if got is None or not wanted:
        return None
    return got / (wanted * scale) - 1.0


def _bias_error(p: Population, floats: Effective, scale: float) -> float:
    """Largest |bias error| in float units per step."""
    got = p.bias.astype(np.float64) * 2.0**p.bias_exp / (scale * 2**THRESHOLD_SHIFT)
    return float(np.abs(got - floats.bias).max())
