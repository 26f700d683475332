"""Random networks on Loihi: whatever the wiring, resets and fields, the golden network's numbers."""

from __future__ import annotations

import os

import numpy as np
import pytest

from cortexcore.export import integer
from cortexcore.export.network import Dense, InputPort, IntegerNetwork, OutputPort, Population, Synapses
from cortexcore.targets.compiled import compile
from cortexcore.targets.loihi.plan import lower
from cortexcore.targets.registry import get_target

SEEDS = range(10)


def drawn(rng: np.random.Generator) -> IntegerNetwork:
    """One or two inputs, up to six populations, each reading up to three sources before it, or any a step late."""
    ports = [
        InputPort(f"i{k}", (int(rng.integers(1, 7)),), *((0, 1) if rng.random() < 0.4 else (-100, 100)))
        for k in range(rng.integers(1, 3))
    ]
    sizes = {f"p{k}": int(rng.integers(1, 9)) for k in range(rng.integers(3, 7))}
    width = {port.name: port.shape[0] for port in ports} | sizes
    populations: list[Population] = []
    for name, size in sizes.items():
        before = [port.name for port in ports] + [p.name for p in populations]
        synapses = []
        for j in range(rng.integers(1, 4)):
            late = bool(rng.random() < 0.3)
            source = str(rng.choice(list(width) if late else before))
            weight = (rng.integers(-128, 128, (size, width[source])) * 2).astype(np.int32)
            weight[rng.random(weight.shape) < rng.choice([0.0, 0.7])] = 0
            synapses.append(Synapses(f"s{name}_{j}", source, Dense(weight, int(rng.integers(-4, 3))), late))

        def field(low: int, high: int, size: int = size) -> int | np.ndarray:
            each = rng.integers(low, high, (size,)).astype(np.int32)
            return each if rng.random() < 0.15 else int(each[0])

        populations.append(
            Population(
                name,
                (size,),
                tuple(synapses),
                field(0, 4096) if rng.random() < 0.4 else 4095,
                field(0, 1500),
                field(50, 1500),
                rng.integers(-2000, 2000, (size,)).astype(np.int32),
                int(rng.integers(0, 6)),
                str(rng.choice(["zero", "zero", "subtract", "none"])),
                bool(rng.random() < 0.5),
            )
        )
    return IntegerNetwork(tuple(ports), tuple(populations), (OutputPort("y", populations[-1].name),), 1e-3)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_random_network_is_the_golden_one(seed):
    reason = get_target("loihi").unavailable()
    if reason is not None:
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    rng = np.random.default_rng(seed)
    network = drawn(rng)
    shape = rng.integers(2, 9), rng.integers(1, 4)
    x = {port.name: rng.integers(port.low, port.high + 1, (*shape, *port.shape)) for port in network.inputs}
    golden, compiled = integer.run(network, x), compile(network, "loihi")
    result = compiled.run(x, trace=True)
    artifact = f"loihi artifact {compiled.artifact.sha256[:12]}"
    for kind in ("spikes", "u", "v", "outputs"):
        for name, expected in getattr(golden, kind).items():
            assert np.array_equal(getattr(result, kind)[name], expected), f"{artifact}: {kind} {name}"


def test_the_random_networks_are_of_every_kind():
    """Loops over several populations, branches that wait, both kinds of neurons and of connections."""
    structures = [lower(drawn(np.random.default_rng(seed))).structure for seed in SEEDS]
    synapses = [s for structure in structures for s in structure["synapses"]]
    assert {1, 2} <= {structure["every"] for structure in structures}
    assert {0, 1, 2} <= {s["delay"] for s in synapses}
    assert {s["kind"] for s in synapses} == {"dense", "sparse"}
    assert {p["process"] for structure in structures for p in structure["populations"]} == {"LIFReset", "MicrocodeLIF"}
