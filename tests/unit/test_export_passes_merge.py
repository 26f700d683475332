"""Chains of linear nodes as one operation: a convolution where that is exact, a matrix where it is not."""

from __future__ import annotations

import numpy as np
import pytest

from cortexcore.export.layers import linear
from cortexcore.export.nodes import (
    Affine,
    AvgPool2d,
    Conv1d,
    Conv2d,
    Convolution,
    Flatten,
    Linear,
    Node,
    Scale,
    Stateless,
    SumPool2d,
)
from cortexcore.export.passes.convolutions import composed, pool_as_convolution
from cortexcore.export.passes.merge import dense, identity, merged
from cortexcore.export.shapes import sent_shape

ONE = np.ones(())


def through(chain: tuple[Stateless, ...], x: np.ndarray) -> np.ndarray:
    for node in chain:
        x = linear(node, x)
    return x


def _as_read(operation: Node, signal: np.ndarray) -> np.ndarray:
    """Dense operations read a signal flattened."""
    return signal.reshape(len(signal), -1) if isinstance(operation, Linear) else signal


RNG = np.random.default_rng(7)


def random(*shape: int) -> np.ndarray:
    return RNG.normal(size=shape)


def conv2(out: int, per_group: int, kernel: int, size: tuple[int, int], *rest: object, groups: int = 1) -> Conv2d:
    return Conv2d(random(out, per_group, kernel, kernel), random(out), size, *rest, groups=groups)  # type: ignore[arg-type]


def conv1(out: int, per_group: int, kernel: int, length: int, *rest: int) -> Conv1d:
    return Conv1d(random(out, per_group, kernel), random(out), length, *rest)


def rows(*values: float, length: int) -> Scale:
    return Scale(np.repeat(np.array(values)[:, None], length, 1))


POOL = SumPool2d((2, 2), (2, 2))
PADDED = conv2(6, 4, 3, (4, 3), (1, 1), (1, 1))
UNEVEN = Scale(np.arange(1.0, 9).reshape(2, 4))
CHAINS: dict[str, tuple[tuple[int, ...], type, list[Stateless]]] = {
    "pool then padded convolution": ((4, 8, 6), Conv2d, [POOL, PADDED]),
    "a pool that leaves a row out": ((4, 9, 6), Linear, [POOL, PADDED]),
    "convolution then pool": ((4, 8, 6), Conv2d, [conv2(6, 2, 3, (8, 6), groups=2), AvgPool2d((2, 3), (1, 2))]),
    "a padded average": (
        (4, 6, 6),
        Linear,
        [AvgPool2d((3, 3), (1, 1), (1, 1)), conv2(2, 4, 3, (6, 6), (1, 1), (1, 1))],
    ),
    "groups": ((8, 7, 7), Conv2d, [conv2(8, 2, 2, (7, 7), groups=4), conv2(6, 4, 2, (6, 6), groups=2)]),
    "strides and dilations": ((2, 40), Conv1d, [conv1(4, 2, 3, 40, 2, 0, 3), conv1(4, 4, 3, 17, 3, 0, 2)]),
    "two padded convolutions": ((2, 20), Linear, [conv1(3, 2, 3, 20, 1, 1), conv1(3, 3, 3, 20, 1, 1)]),
    "kernels of one tap": ((2, 20), Conv1d, [conv1(3, 2, 1, 20), conv1(3, 3, 3, 20, 1, 1)]),
    "dense after a convolution": ((2, 12), Linear, [conv1(3, 2, 3, 12), Flatten((3, 10)), Linear(random(4, 30))]),
    "flattened in front of a neuron": ((2, 12), Linear, [conv1(3, 2, 3, 12), Flatten((3, 10))]),
    "two matrices": ((5,), Linear, [Affine(random(4, 5), random(4)), Scale(random(4)), Linear(random(3, 4))]),
    "a scale through a flatten": ((2, 4), Linear, [UNEVEN, Flatten((2, 4)), Linear(random(3, 8))]),
    "factors per channel": (
        (2, 8),
        Conv1d,
        [rows(2, 3, length=8), conv1(4, 1, 3, 8, 1, 0, 1, 2), rows(1, 2, 3, 4, length=6)],
    ),
    "factors per position": ((2, 4), Linear, [UNEVEN, conv1(4, 2, 3, 4)]),
    "flattened for a convolution": ((2, 3, 4), Linear, [Flatten((2, 3, 4), 1, 2), conv1(3, 2, 3, 12)]),
    "nothing at all": ((3, 4, 5), Conv2d, []),
    "a vector's factors": ((3,), Linear, [Scale(random(3))]),
}


@pytest.mark.parametrize("name", CHAINS)
def test_a_chain_becomes_one_operation(name: str) -> None:
    """The merged operation is of the expected kind and computes what the chain does, its biases aside."""
    shape, kind, chain = CHAINS[name]
    target = shape
    for node in chain:
        target = sent_shape(node, target)
    operation = merged(tuple(chain), shape, target, ONE)
    assert type(operation) is kind
    x = np.random.default_rng(0).normal(size=(5, *shape))
    wanted = through(tuple(chain), x) - through(tuple(chain), np.zeros_like(x))
    got = linear(operation, _as_read(operation, x))  # type: ignore[arg-type]
    np.testing.assert_allclose(got.reshape(wanted.shape), wanted, atol=1e-12)
    matrix = dense(tuple(chain), shape, target)
    assert matrix is not None
    np.testing.assert_allclose(x.reshape(5, -1) @ matrix.weight.T, wanted.reshape(5, -1), atol=1e-12)


def test_convolutions_compose_only_where_that_is_exact() -> None:
    """Every pair of strides, paddings, dilations and lengths: one convolution that equals the two, or none."""
    rng = np.random.default_rng(0)
    merged_pairs = refused = 0
    for _ in range(400):
        length = int(rng.integers(5, 14))
        first = random_conv(rng, 4, length)
        if first is None:
            continue
        second = random_conv(rng, len(first.weight), first.output_length)
        if second is None:
            continue
        both = composed(first, second)
        x = rng.normal(size=(3, 4, length))
        wanted = through((first, second), x)
        if both is None:
            refused += 1
            continue
        merged_pairs += 1
        np.testing.assert_allclose(linear(both, x), wanted, atol=1e-10)
    assert merged_pairs > 50 and refused > 50


def random_conv(rng: np.random.Generator, channels: int, length: int) -> Conv1d | None:
    groups = int(rng.choice([1, 2]))
    weight = rng.normal(size=(4, channels // groups, int(rng.integers(1, 4))))
    stride, padding, dilation = (int(rng.integers(*ends)) for ends in ((1, 4), (0, 3), (1, 3)))
    conv = Conv1d(weight, np.zeros(4), length, stride, padding, dilation, groups)
    return conv if conv.output_length >= 1 else None


def test_pools_are_depthwise_convolutions() -> None:
    x = RNG.normal(size=(2, 3, 7, 9))
    for pool in (SumPool2d((2, 3), (1, 2), (1, 0)), AvgPool2d((3, 2), (2, 2), (1, 1))):
        conv: Convolution = pool_as_convolution(pool, 3, (7, 9))
        np.testing.assert_allclose(linear(conv, x), linear(pool, x), atol=1e-12)


def test_a_gain_that_no_kernel_takes_up_makes_a_matrix() -> None:
    conv = conv1(3, 2, 3, 12)
    per_channel, per_neuron = np.repeat(np.arange(1.0, 4)[:, None], 10, 1), np.arange(1.0, 31).reshape(3, 10)
    assert type(merged((conv,), (2, 12), (3, 10), per_channel)) is Conv1d
    assert type(merged((conv,), (2, 12), (3, 10), per_neuron)) is Linear
    assert type(merged((), (3, 10), (3, 10), per_neuron)) is Linear


def test_identities() -> None:
    for shape, kind in (((5,), Linear), ((3, 4), Conv1d), ((2, 3, 4), Conv2d), ((2, 2, 2, 2), Linear)):
        operation = identity(shape)
        assert type(operation) is kind
        x = RNG.normal(size=(2, *shape))
        np.testing.assert_array_equal(linear(operation, _as_read(operation, x)).reshape(x.shape), x)  # type: ignore[arg-type]
    assert identity((5000,)) is None
