"""The float reference against an implementation written from the nodes' docstrings with Python loops alone."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest

from cortexcore.export import reference
from cortexcore.export.graph import Graph
from cortexcore.export.nodes import (
    IF,
    LI,
    LIF,
    AvgPool2d,
    Conv1d,
    Conv2d,
    CubaLI,
    CubaLIF,
    Delay,
    Flatten,
    I,
    Input,
    Linear,
    Node,
    Output,
    Scale,
    Subgraph,
    SumPool2d,
    Threshold,
)

DT, STEPS = 1e-3, 120
EXACT = 1e-12
"""Sums in another order differ in the last digits of a float64."""


def num(value: float) -> np.ndarray:
    return np.array(value, np.float64)


def kept(tau: float, discretization: str) -> float:
    return 1 - DT / tau if discretization == "euler" else math.exp(-DT / tau)


def at(value: np.ndarray, index: tuple[int, ...]) -> float:
    return float(value[index] if value.ndim else value)


def one_neuron(node: Node, index: tuple[int, ...], current: list[float], how: str) -> tuple[list[float], list[float]]:
    """What one neuron sends and its v, step by step, from the equations."""
    sent, volts = [], []
    u = v = 0.0
    spiked = False
    for i in current:
        if isinstance(node, Threshold):
            sent.append(float(i > at(node.threshold, index)))
            volts.append(i)
            continue
        if isinstance(node, CubaLIF | CubaLI):
            alpha = kept(at(node.tau_syn, index), how)
            u = alpha * u + (1 - alpha) * at(node.w_in, index) * i
            i, tau = u, at(node.tau_mem, index)
        elif isinstance(node, LIF | LI):
            tau = at(node.tau, index)
        if isinstance(node, IF | I):
            v = v + DT * at(node.r, index) * i
        else:
            beta = kept(tau, how)
            v = beta * v + (1 - beta) * (at(node.v_leak, index) + at(node.r, index) * i)
        if isinstance(node, LI | CubaLI | I):
            sent.append(v)
            volts.append(v)
            continue
        threshold = at(node.v_threshold, index)
        if node.reset == "subtract" and node.reset_delay and spiked:
            v = v - threshold
        spiked = v > threshold
        if spiked and node.reset == "zero":
            v = at(node.v_reset, index)
        elif spiked and node.reset == "subtract" and not node.reset_delay:
            v = v - threshold
        sent.append(float(spiked))
        volts.append(v)
    return sent, volts


def neurons(rng: np.random.Generator, shape: tuple[int, ...]) -> dict[str, Node]:
    """Every neuron with every reset, one value per neuron."""

    def some(low: float, high: float) -> np.ndarray:
        return rng.uniform(low, high, shape)

    lif = LIF(shape, some(3e-3, 2e-2), some(2, 6), some(-0.1, 0.1), some(0.2, 0.6), "zero")
    cuba = CubaLIF(
        shape, some(2e-3, 9e-3), some(3e-3, 2e-2), some(3, 8), some(-0.1, 0.1), some(0.2, 0.6), some(1, 2), "zero"
    )
    integrate = IF(shape, some(100, 400), some(0.2, 0.6), "zero")
    found: dict[str, Node] = {
        "li": LI(shape, lif.tau, lif.r, lif.v_leak),
        "cubali": CubaLI(shape, cuba.tau_syn, cuba.tau_mem, cuba.r, cuba.v_leak, cuba.w_in),
        "i": I(shape, integrate.r),
        "threshold": Threshold(shape, some(-0.5, 1.0)),
    }
    for name, spiking in (("lif", lif), ("cuba", cuba), ("if", integrate)):
        found[f"{name}-zero"] = spiking
        found[f"{name}-to-a-value"] = replace(spiking, v_reset=num(-0.2))
        found[f"{name}-subtract"] = replace(spiking, reset="subtract")
        found[f"{name}-subtract-late"] = replace(spiking, reset="subtract", reset_delay=True)
        found[f"{name}-none"] = replace(spiking, reset="none")
    return found


@pytest.mark.parametrize("how", ["euler", "exponential"])
@pytest.mark.parametrize("kind", sorted(neurons(np.random.default_rng(0), (2,))))
def test_every_neuron_follows_its_equation(kind: str, how: str) -> None:
    rng, shape = np.random.default_rng(5), (2, 3)
    node = neurons(rng, shape)[kind]
    graph = Graph(
        {"x": Input(shape), "n": node, "y": Output(shape)},
        (("x", "n"), ("n", "y")),
        DT,
        how,  # type: ignore[arg-type]
    )
    x = rng.normal(0.2, 1.0, (STEPS, 2, *shape))
    trace = reference.run(graph, {"x": x})
    for b, *index in np.ndindex(2, *shape):
        sent, volts = one_neuron(node, tuple(index), list(x[(slice(None), b, *index)]), how)
        np.testing.assert_allclose(trace.outputs["y"][(slice(None), b, *index)], sent, atol=EXACT)
        np.testing.assert_allclose(trace.v["n"][(slice(None), b, *index)], volts, atol=EXACT)
    if "n" in trace.spikes:
        assert 0.01 < trace.spikes["n"].mean() < 0.9


def stateless(node: Node, x: np.ndarray) -> np.ndarray:
    """One signal [*in] through one node, by loops over every output."""
    if isinstance(node, Conv1d):
        wide = replace_axes(node)
        return stateless(wide, x[:, None, :])[:, 0]
    if isinstance(node, Conv2d | SumPool2d | AvgPool2d):
        w = node.window
        sizes = w.positions(x.shape[1:])
        channels = len(node.weight) if isinstance(node, Conv2d) else len(x)
        y = np.zeros((channels, *sizes))
        for o, p, q in np.ndindex(*y.shape):
            for k, m in np.ndindex(*w.kernel):
                row = p * w.stride[0] + k * w.dilation[0] - w.padding[0]
                column = q * w.stride[1] + m * w.dilation[1] - w.padding[1]
                if not (0 <= row < x.shape[1] and 0 <= column < x.shape[2]):
                    continue
                if isinstance(node, Conv2d):
                    per_group = node.weight.shape[1]
                    first = o // (channels // node.groups) * per_group
                    for c in range(per_group):
                        y[o, p, q] += node.weight[o, c, k, m] * x[first + c, row, column]
                else:
                    y[o, p, q] += x[o, row, column] / (w.kernel[0] * w.kernel[1] if isinstance(node, AvgPool2d) else 1)
            if isinstance(node, Conv2d):
                y[o, p, q] += node.bias[o]
        return y
    raise TypeError(type(node).__name__)


def replace_axes(node: Conv1d) -> Conv2d:
    """A 1-D convolution over a picture of height 1."""
    return Conv2d(
        node.weight[:, :, None, :],
        node.bias,
        (1, node.input_length),
        (1, node.stride),
        (0, node.padding),
        (1, node.dilation),
        node.groups,
    )


RNG = np.random.default_rng(11)
LAYERS = {
    "conv1d": (Conv1d(RNG.normal(size=(4, 1, 3)), RNG.normal(size=4), 9, 2, 3, 2, groups=2), (2, 9)),
    "conv2d": (
        Conv2d(RNG.normal(size=(6, 2, 3, 2)), RNG.normal(size=6), (7, 8), (2, 3), (1, 2), (2, 3), groups=2),
        (4, 7, 8),
    ),
    "sumpool": (SumPool2d((2, 3), (2, 2), (1, 1)), (3, 6, 7)),
    "avgpool": (AvgPool2d((3, 2), (1, 2), (0, 1)), (3, 6, 7)),
}


@pytest.mark.parametrize("kind", sorted(LAYERS))
def test_convolutions_and_pools_follow_their_equations(kind: str) -> None:
    node, shape = LAYERS[kind]
    x = RNG.normal(size=(2, 3, *shape))
    wanted = np.array([[stateless(node, x[t, b]) for b in range(3)] for t in range(2)])
    out = wanted.shape[2:]
    graph = Graph({"x": Input(shape), "n": node, "y": Output(out)}, (("x", "n"), ("n", "y")), DT, "euler")
    np.testing.assert_allclose(reference.run(graph, {"x": x}).outputs["y"], wanted, atol=EXACT)


def test_partial_flatten_joins_the_named_axes() -> None:
    x = RNG.normal(size=(2, 1, 2, 3, 4))
    for start, end, out in ((0, -1, (24,)), (1, 2, (2, 12)), (0, 1, (6, 4)), (1, -1, (2, 12))):
        nodes = {"x": Input((2, 3, 4)), "f": Flatten((2, 3, 4), start, end), "y": Output(out)}
        graph = Graph(nodes, (("x", "f"), ("f", "y")), DT, "euler")
        np.testing.assert_array_equal(reference.run(graph, {"x": x}).outputs["y"], x.reshape(2, 1, *out))


def test_delays_differ_per_element_and_start_from_zero() -> None:
    x = RNG.normal(size=(6, 2, 3))
    delay = Delay(np.array([0.0, 2e-3, 9e-3]))
    graph = Graph({"x": Input((3,)), "d": delay, "y": Output((3,))}, (("x", "d"), ("d", "y")), DT, "euler")
    y = reference.run(graph, {"x": x}).outputs["y"]
    np.testing.assert_array_equal(y[..., 0], x[..., 0])
    np.testing.assert_array_equal(y[2:, :, 1], x[:-2, :, 1])
    assert not y[:2, :, 1].any() and not y[..., 2].any()


@pytest.mark.parametrize("delay", [0, 1, 3])
def test_a_delay_in_a_loop_comes_on_top_of_the_loops_own_step(delay: int) -> None:
    w, back = np.array([[2.0, 0.5], [0.3, 1.5]]), np.array([[0.0, -3.0], [1.5, 0.0]])
    neuron = IF((2,), num(1 / DT), num(1.0), "zero")
    nodes = {"x": Input((2,)), "w": Linear(w), "n": neuron, "d": Delay(num(delay * DT)), "back": Linear(back)}
    edges = (("x", "w"), ("w", "n"), ("n", "d"), ("d", "back"), ("back", "n"), ("n", "y"))
    x = (RNG.random((40, 1, 2)) < 0.5).astype(float)
    y = reference.run(Graph({**nodes, "y": Output((2,))}, edges, DT, "euler"), {"x": x}).outputs["y"][:, 0]
    v, fired = np.zeros(2), np.zeros((len(x), 2))
    for t in range(len(x)):
        before = fired[t - 1 - delay] if t > delay else np.zeros(2)
        v = v + w @ x[t, 0] + back @ before
        fired[t] = v > 1
        v = np.where(fired[t] > 0, 0, v)
    np.testing.assert_array_equal(y, fired)
    assert 0.1 < fired.mean() < 0.9


def subgraph_chain() -> tuple[Graph, Graph]:
    """The same network nested two levels deep with a residual within, and written by hand."""
    rng = np.random.default_rng(3)
    first, second = Linear(rng.normal(size=(3, 3))), Linear(rng.normal(size=(3, 3)))
    lif = LIF((3,), num(5e-3), num(3.0), num(0.0), num(0.4), "subtract")
    core = Subgraph({"in": Input((3,)), "w": second, "n": lif, "out": Output((3,))}, chain("in", "w", "n", "out"))
    residual = Subgraph(
        {"in": Input((3,)), "core": core, "out": Output((3,))}, (*chain("in", "core", "out"), ("in", "out"))
    )
    nested = {"x": Input((3,)), "w": first, "n": lif, "block": residual, "s": Scale(num(2.0)), "y": Output((3,))}
    flat = {"x": Input((3,)), "w": first, "n": lif, "w2": second, "n2": lif, "s": Scale(num(2.0)), "y": Output((3,))}
    edges = (*chain("x", "w", "n", "w2", "n2", "s", "y"), ("n", "s"))
    return (
        Graph(nested, chain("x", "w", "n", "block", "s", "y"), DT, "euler"),
        Graph(flat, edges, DT, "euler"),
    )


def chain(*names: str) -> tuple[tuple[str, str], ...]:
    return tuple(itertools.pairwise(names))


def test_subgraphs_mean_what_their_nodes_mean() -> None:
    nested, flat = subgraph_chain()
    assert set(nested.flat.nodes) == {"x", "w", "n", "block.core.w", "block.core.n", "s", "y"}
    assert nested.shapes["block"] == (3,) and nested.shapes["block.core.n"] == (3,)
    x = RNG.normal(size=(STEPS, 2, 3))
    ours, wanted = reference.run(nested, {"x": x}), reference.run(flat, {"x": x})
    np.testing.assert_array_equal(ours.outputs["y"], wanted.outputs["y"])
    np.testing.assert_array_equal(ours.spikes["block.core.n"], wanted.spikes["n2"])
    assert ours.spikes["block.core.n"].any()


def test_what_passes_through_two_subgraphs_reaches_the_end() -> None:
    skip = Subgraph({"i": Input((2,)), "s": Scale(num(3.0)), "o": Output((2,))}, (*chain("i", "s", "o"), ("i", "o")))
    graph = Graph({"x": Input((2,)), "a": skip, "b": skip, "y": Output((2,))}, chain("x", "a", "b", "y"), DT, "euler")
    x = RNG.normal(size=(3, 1, 2))
    np.testing.assert_allclose(reference.run(graph, {"x": x}).outputs["y"], 16 * x, atol=EXACT)
