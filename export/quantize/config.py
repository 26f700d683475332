"""What a user can choose of a quantization."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from numbers import Integral
from typing import Any, Literal, get_args

from cortexcore.errors import QuantizationError

ScaleChoice = Literal["max", "percentile", "mse", "activity"]


@dataclass(frozen=True)
class QuantizationConfig:
    """Options of :func:`cortexcore.export.quantize.post_training.quantize`.

    Attributes:
        bits: weight bits of every layer, 2 to 8; Loihi's mixed-sign grid has steps of 2^(9 − bits) in [−256, 254].
        overrides: layer (synapse) name → its own bits.
        scale: what maps to the top of the grid: the largest weight ("max"), the ``percentile`` of |w|, or what makes
            the mean squared error of the weights smallest ("mse"), or that of the currents they cause, with each
            weight's error counted by how much its input sends in calibration ("activity", which wins at 3
            and 2 bits and ties with "mse" at 4); larger weights are clipped and counted.
        percentile: for ``scale="percentile"``, above 50 and at most 100.
        margin: factor between the largest value seen in calibration and the 24-bit limit, at least 1; used where
            no static bound is fine enough.
        threshold_levels: the threshold's least number of integer steps; where a static bound leaves fewer, the
            calibrated bound is taken.
    """

    bits: int = 8
    overrides: Mapping[str, int] = field(default_factory=dict)
    scale: ScaleChoice = "max"
    percentile: float = 99.9
    margin: float = 2.0
    threshold_levels: int = 256

    def __post_init__(self) -> None:
        problems = [
            f"{place} is {bits!r}, it must be a whole number from 2 to 8"
            for place, bits in {"bits": self.bits, **{f"bits of '{k}'": v for k, v in self.overrides.items()}}.items()
            if not (isinstance(bits, Integral) and not isinstance(bits, bool) and 2 <= bits <= 8)
        ]
        if self.scale not in get_args(ScaleChoice):
            problems.append(f"scale is '{self.scale}', use one of {', '.join(get_args(ScaleChoice))}")
        if not 50 < self.percentile <= 100:
            problems.append(f"percentile is {self.percentile}, it must be above 50 and at most 100")
        if not (math.isfinite(self.margin) and self.margin >= 1):
            problems.append(f"margin is {self.margin}, it must be at least 1")
        if not 1 <= self.threshold_levels <= 2**16:
            problems.append(f"threshold_levels is {self.threshold_levels}, it must be from 1 to {2**16}")
        if problems:
            raise QuantizationError("the quantization cannot be configured like this: " + "; ".join(problems))
        object.__setattr__(self, "bits", int(self.bits))  # NumPy's integers are no JSON
        object.__setattr__(self, "overrides", {layer: int(bits) for layer, bits in self.overrides.items()})

    def bits_of(self, layer: str) -> int:
        return self.overrides.get(layer, self.bits)

    def to_json(self) -> dict[str, Any]:
        """The options as JSON values."""
        return {**asdict(self), "overrides": dict(self.overrides)}


def usual(calibrated: bool) -> QuantizationConfig:
    """The options to begin with where nothing else is known: with calibration, scales by what they do to the currents.

    On the beat classifier these kept more of the float network's decisions than "max", patient-wise, from 8 bits down
    to 2 (its model card has the figures).
    """
    return QuantizationConfig(scale="activity", threshold_levels=1024) if calibrated else QuantizationConfig()
