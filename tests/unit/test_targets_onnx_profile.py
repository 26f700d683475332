"""ONNX Runtime's own profile, mapped back to populations."""

from __future__ import annotations

import numpy as np
import pytest

from cortexcore.export.network import Dense, InputPort, IntegerNetwork, OutputPort, Population, Synapses
from cortexcore.targets.compiled import compile
from cortexcore.targets.onnx import profiler
from cortexcore.targets.onnx.profiler import Node, layer_times, profile_nodes

pytest.importorskip("onnx")


def awkward() -> IntegerNetwork:
    """Names that start alike, and hold slashes; a loop."""
    rng = np.random.default_rng(0)

    def population(name: str, source: str, size: int, inputs: int) -> Population:
        weight = (rng.integers(-128, 128, (size, inputs)) * 2).astype(np.int32)
        loop = Synapses(f"{name}/loop", name, Dense(np.eye(size, dtype=np.int32) * 2), recurrent=True)
        synapses = (Synapses(f"{name}/w", source, Dense(weight)), *((loop,) if name == "a/b" else ()))
        return Population(name, (size,), synapses, 4095, 300, 500, np.zeros((), np.int32))

    ports = (InputPort("x", (9,), -5, 5),)
    return IntegerNetwork(
        ports, (population("a", "x", 6, 9), population("a/b", "a", 4, 6)), (OutputPort("y", "a/b"),), 1
    )


def counts(steps: int) -> dict[tuple[str, str], float]:
    network = awkward()
    x = np.random.default_rng(0).integers(-5, 6, (steps, 1, 9))
    synapses = {p.name: [s.name for s in p.synapses] for p in network.populations}
    times = layer_times(synapses, profile_nodes(compile(network, "onnx").artifact, {"x": x.astype(np.int8)}))
    assert all(f.value > 0 and f.kind == "measured" for figures in times.values() for f in figures.values())
    return {
        (name, part): f.value for name, figures in times.items() for part, f in figures.items() if f.unit == "nodes"
    }


def test_nodes_belong_to_their_populations():
    """Outside loops a current is computed once; a loop's and the neurons' nodes run once more with every step."""
    few, more = counts(3), counts(5)
    assert few.keys() == {
        *((p, f"{part}: nodes run") for p in ("a", "a/b") for part in ("currents", "neurons")),
        ("(inputs)", "nodes: nodes run"),
    }
    growth = {key: (more[key] - few[key]) / 2 for key in few}
    assert growth["a", "currents: nodes run"] == 0 and growth["(inputs)", "nodes: nodes run"] == 0
    assert growth["a", "neurons: nodes run"] >= 6 and growth["a/b", "neurons: nodes run"] >= 6
    assert growth["a/b", "currents: nodes run"] == 3  # a product, a cast, a scale
    assert all(value == int(value) for value in (*growth.values(), *few.values()))


def test_times_are_means_in_seconds_and_a_loops_own_node_counts_once():
    nodes = [
        Node("a/a/w/MatMul.1", "MatMul", 4e-3, 20),
        Node("a/Add.2", "Add", 6e-3, 40),
        Node("a/b/Scan.3", "Scan", 9.0, 20),
        Node("Reshape.4", "Reshape", 2e-3, 20),
    ]
    times = layer_times({"a": ["a/w"], "a/b": ["a/b/w"]}, nodes)
    assert {(layer, part): f.value for layer, figures in times.items() for part, f in figures.items()} == {
        ("a", "time in currents"): pytest.approx(2e-4),
        ("a", "currents: nodes run"): 1,
        ("a", "time in neurons"): pytest.approx(3e-4),
        ("a", "neurons: nodes run"): 2,
        ("(inputs)", "time in nodes"): pytest.approx(1e-4),
        ("(inputs)", "nodes: nodes run"): 1,
    }


def test_the_profilers_microseconds_become_seconds():
    events = [
        {"name": "n/Add.1_kernel_time", "dur": microseconds, "args": {"op_name": "Add"}} for microseconds in (3, 4)
    ]
    (node,) = profiler._summed(events)
    assert (node.name, node.operator, node.count) == ("n/Add.1", "Add", 2)
    assert node.seconds == pytest.approx(7e-6)


def test_a_profile_has_the_nodes_beside_the_counts():
    network = awkward()
    profile = compile(network, "onnx").profile({"x": np.ones((4, 2, 9), int)})
    assert {"synaptic operations", "time in currents", "time in neurons"} <= profile.layers["a/b"].keys()
