"""The front end's integer arithmetic."""

from math import log2

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cortexcore.errors import DataError
from cortexcore.runtime.frontend.config import UNIT_PER_MV
from cortexcore.runtime.frontend.fixed import (
    clip8,
    correlation,
    gain_multiplier,
    log2_ratio,
    log2_steps,
    lower_median,
)

bytes_ = st.integers(-127, 127)


@given(st.integers(1, 2**40))
def test_log2_steps_is_close(value):
    assert abs(log2_steps(value) - 64 * log2(value)) < 1.25


def test_log2_steps_of_powers_is_exact_and_grows():
    assert [log2_steps(1 << k) for k in range(20)] == [64 * k for k in range(20)]
    values = [log2_steps(value) for value in range(1, 5000)]
    assert values == sorted(values)


def test_log2_ratio():
    assert log2_ratio(100, 200) == -64
    assert log2_ratio(200, 100) == 64
    assert log2_ratio(100, 100) == 0
    assert log2_ratio(1, 10**6) == -127
    assert log2_ratio(10**6, 1) == 127
    assert log2_ratio(0, 100) == log2_ratio(100, 0) == 0


@given(st.floats(1.0, 2**20))
def test_gain_multiplier_is_within_its_width_and_precise(gain):
    multiplier, shift = gain_multiplier(gain)
    assert 2**14 <= multiplier < 2**15
    assert shift >= 0
    assert abs(multiplier / 2**shift * gain / UNIT_PER_MV - 1) < 2**-14


@pytest.mark.parametrize("gain", [0.0, -200.0, float("nan"), float("inf"), 0.5, 2.0**21])
def test_senseless_gain(gain):
    with pytest.raises(DataError, match="counts/mV makes no sense"):
        gain_multiplier(gain)


def test_lower_median():
    assert lower_median([]) == 0
    assert lower_median([3, 1, 2]) == 2
    assert lower_median([4, 1, 3, 2]) == 2


def test_clip8():
    assert [clip8(value) for value in (-1000, -128, -127, 0, 127, 128)] == [-127, -127, -127, 0, 127, 127]


@given(st.lists(st.tuples(bytes_, bytes_), min_size=3, max_size=40))
def test_correlation_agrees_with_numpy(pairs):
    a, b = (np.array(side, dtype=float) for side in zip(*pairs, strict=True))
    got = correlation([int(value) for value in a], [int(value) for value in b])
    if a.std() == 0 or b.std() == 0:
        assert got == 0
    else:
        # the norm is rounded down (at most one part in its size) and the quotient too
        norm = len(a) ** 2 * a.std() * b.std()
        assert abs(got - 127 * np.corrcoef(a, b)[0, 1]) <= 1 + 127 / norm + 1e-6


def test_correlation_of_equal_and_opposite():
    shape = [0, 5, 60, -20, 3]
    assert correlation(shape, shape) == 127
    assert correlation(shape, [-value for value in shape]) == -127
