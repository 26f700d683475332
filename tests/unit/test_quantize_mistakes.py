"""What a caller of ``cc.quantize`` gets wrong is told in one sentence that fits the case."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import cortexcore as cc
from cortexcore.errors import QuantizationError
from cortexcore.export.graph import Graph
from cortexcore.export.nodes import LIF, Input, Linear, Output

X = np.random.default_rng(1).integers(0, 2, (30, 8, 6))


def small(threshold: float = 1.0) -> Graph:
    def num(value: float) -> np.ndarray:
        return np.array(value)

    nodes = {
        "x": Input((6,)),
        "fc": Linear(np.random.default_rng(0).normal(size=(3, 6))),
        "n": LIF((3,), num(5e-3), num(5.0), num(0.0), num(threshold), "zero"),
        "y": Output((3,)),
    }
    return Graph(nodes, (("x", "fc"), ("fc", "n"), ("n", "y")), 1e-3, "euler")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"max_bytes": "18"}, "budget is 18 bytes, it must be a positive number"),
        ({"layer_bits": {3: 4}}, "there is no layer 3 to give bits to; there are fc"),
        ({"calibration": X[:0]}, r"'x' of shape \(0, 8, 6\) is empty"),
        ({"calibration": X[:, :0]}, r"'x' of shape \(30, 0, 6\) is empty"),
    ],
)
def test_wrong_options_are_named(options: dict[str, Any], words: str) -> None:
    with pytest.raises(QuantizationError, match=words):
        cc.quantize(small(), **{"calibration": X, **options})


def test_a_range_of_hundreds_of_digits_is_shortened() -> None:
    with pytest.raises(QuantizationError, match="24-bit integers") as refused:
        cc.quantize(small(), calibration=np.full((3, 2, 6), 1e300))
    assert len(str(refused.value)) < 200


def test_a_threshold_that_no_scale_resolves_does_not_ask_for_the_calibration_that_was_given() -> None:
    with pytest.raises(QuantizationError, match="even as calibration saw it"):
        cc.quantize(small(1e-4), calibration=X)
    with pytest.raises(QuantizationError, match="give calibration data"):
        cc.quantize(small(1e-4), input_ranges={"x": (0, 1)})
