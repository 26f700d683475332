"""The generated C: how fast it runs here beside named peers, and which kernel takes fewer instructions on a Cortex-M4.

1. DeepSNN (2500 → 256 → 128 → 2, T = 100, batch 1), the same weights on snnTorch eager, ONNX Runtime, ``native``.
2. The shipped beat model, one beat and eight, on ONNX Runtime, the golden network and ``native``.
3. Event-driven against dense kernels over the spike rate: instructions per step on the emulated core, exact, and time
   here; where they cross; instructions per synaptic event and per neuron beside the least that the instruction set
   allows. Random weights and spikes: what is counted depends on how many fire, not on what for.

Calls take turns, as in bench_targets.py. Times mean this machine alone; instructions mean this compiler.

    python tests/bench/bench_native.py [--costs] [--json OUT.json]
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).parent))

import numpy as np
from bench_targets import LARGE, SIZES, Table, deep_snn, eager, same, shipped, snntorch_model, spikes, stepwise, timed

from cortexcore.api import from_torch, quantize
from cortexcore.export.network import Conv1d, Dense, InputPort, IntegerNetwork, OutputPort, Population, Synapses
from cortexcore.firmware_sim.toolchain import compiler_version
from cortexcore.targets.compiled import compile
from cortexcore.targets.cortex_m.config import CortexMConfig
from cortexcore.targets.cortex_m.counts import count_inferences
from cortexcore.targets.energy.latency import cpu_name
from cortexcore.targets.native.config import NativeConfig

RATES = (0.0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0)
COUNTED_STEPS, TIMED_STEPS = 4, 200
FLOORS = {
    "event-driven, dense or on a line": (3 / 4, "a word of 4 weights: LDR and 2 SXTAB16, sums in registers"),
    "neuron": (10.0, "LDR of v, sum and bias, 2 ADD, ASR and SMLAL for the leak, CMP, a branch, STR"),
}
"""Instructions per synaptic event, or per neuron: the least by the instruction set, without loops and addresses."""


@dataclass(frozen=True)
class Crossing:
    """One layer's two kernels over the spike rate.

    Attributes:
        instructions: kernel → of a step at each of RATES, on the emulated Cortex-M4.
        seconds: kernel → of a step, on this machine.
        per_event, per_neuron: instructions of the event-driven kernel for a synaptic event, and for a neuron.
    """

    title: str
    instructions: dict[str, list[float]]
    seconds: dict[str, list[float]]
    per_event: float
    per_neuron: float

    def show(self) -> None:
        print(
            f"\n{self.title}\n  {'rate':>6}{'event':>12}{'dense':>10}   instructions{'event':>11}{'dense':>9}   us here"
        )
        for i, rate in enumerate(RATES):
            counts = [self.instructions[k][i] for k in ("event", "dense")]
            times = [self.seconds[k][i] * 1e6 for k in ("event", "dense")]
            print(f"  {rate:6.2f}{counts[0]:12.0f}{counts[1]:10.0f}{'':15}{times[0]:11.2f}{times[1]:9.2f}")
        print(f"  they cross at {crossing(self.instructions)} on the Cortex-M4, at {crossing(self.seconds)} here")
        print(f"  {self.per_event:.2f} instructions per synaptic event, {self.per_neuron:.1f} per neuron")


def crossing(costs: dict[str, list[float]]) -> str:
    """The rate at which the dense kernel begins to win, between two of RATES by a straight line."""
    gap = np.array(costs["event"]) - np.array(costs["dense"])
    over = np.flatnonzero(gap > 0)
    if not len(over):
        return "no rate"
    i = int(over[0])
    if i == 0:
        return f"{RATES[0]}"
    return f"{np.interp(0, gap[i - 1 : i + 1], RATES[i - 1 : i + 1]):.2f}"


def layer(kind: str, sent: str, targets: int, rng: np.random.Generator) -> IntegerNetwork:
    """A layer that hardly fires, of about the beat model's sizes.

    Args:
        kind: "dense", "conv" or "line", sent: "narrow", "wide" or "graded", as in firmware_sim/codegen/cost.py.
        targets: neurons, or channels.

    A line's source is a population, which here sends on what it is sent: its spikes come ascending by position.
    """
    wide = sent == "wide"
    low, high = (120, 127) if wide else (-60, 60)
    operation: Dense | Conv1d
    if kind == "dense":
        source, shape = ((700,) if wide else (208,)), (targets,)
        operation = Dense((rng.integers(low, high, (targets, source[0])) * 2).astype(np.int32))
    else:
        source, shape = ((96, 12), (targets, 4)) if wide else ((8, 30), (targets, 13))
        operation = Conv1d((rng.integers(low, high, (targets, source[0], 5)) * 2).astype(np.int32), 0, 2)
    zero = np.zeros((), np.int32)
    port = InputPort("x", source, -127, 127) if sent == "graded" else InputPort("x", source, 0, 1)
    if kind != "line":
        p = Population("p", shape, (Synapses("w", "x", operation),), 4095, 400, 131071, zero)
        return IntegerNetwork((port,), (p,), (OutputPort("y", "p"),), 1e-3)
    copies = Conv1d(np.full((source[0], 1, 1), 254, np.int32), groups=source[0])
    relay = Population("relay", source, (Synapses("r", "x", copies),), 4095, 4096, 100, zero)
    p = Population("p", shape, (Synapses("w", "relay", operation),), 4095, 400, 131071, zero)
    return IntegerNetwork((port,), (relay, p), (OutputPort("y", "p"),), 1e-3)


def sent_at(network: IntegerNetwork, rate: float, rng: np.random.Generator) -> np.ndarray:
    """Inputs of which a share is sent; the first alternates, since an input that stays is not computed anew."""
    (port,) = network.inputs
    values = rng.integers(1, port.high + 1, (TIMED_STEPS, 1, *port.shape))
    x = np.where(rng.random(values.shape) < rate, values, 0).astype(np.int8)
    x.reshape(TIMED_STEPS, -1)[:, 0] = np.arange(TIMED_STEPS) % 2
    return x


def step_costs(network: IntegerNetwork, kernel: str, inputs: list[np.ndarray]) -> tuple[list[float], list[float]]:
    """Of each input: instructions of a step of the layer on the Cortex-M4, and seconds of a step here."""
    artifact = compile(network, "cortex-m", CortexMConfig(kernel)).artifact
    counts = [count_inferences(artifact, {"x": x[:COUNTED_STEPS]}).runs[0].regions["layer_p"].total for x in inputs]
    native = compile(network, "native", NativeConfig(kernel))
    calls = {str(i): ((lambda x=x: native.run({"x": x})), 5) for i, x in enumerate(inputs)}
    seconds = [least / TIMED_STEPS for _, least in timed(calls).values()]
    return [c.instructions / COUNTED_STEPS for c in counts], seconds


def crossed(kind: str, targets: int, rng: np.random.Generator) -> Crossing:
    """Both kernels of one layer over the spike rate."""
    network = layer(kind, "narrow", targets, rng)
    inputs = [sent_at(network, rate, rng) for rate in RATES]
    costs = {kernel: step_costs(network, kernel, inputs) for kernel in ("event", "dense")}
    instructions, seconds = ({kernel: both[i] for kernel, both in costs.items()} for i in (0, 1))
    full = RATES.index(1.0)
    p = network.populations[-1]
    per_event = (instructions["event"][full] - instructions["event"][0]) / products(network)
    shape = [" x ".join(map(str, x)) for x in (network.inputs[0].shape, p.shape)]
    return Crossing(
        f"{kind}: {shape[0]} spikes to {shape[1]}", instructions, seconds, per_event, instructions["event"][0] / p.size
    )


def products(network: IntegerNetwork) -> int:
    """Synaptic events of a step in which every source fires."""
    p = network.populations[-1]
    weight = p.synapses[0].operation.weight
    return int(weight.size if isinstance(p.synapses[0].operation, Dense) else weight[0].size * p.size)


def show_costs(rng: np.random.Generator) -> None:
    """What firmware_sim/codegen/cost.py goes by: of a row of weights, and of a product, on both processors."""
    print("\nper row of event-driven weights, and per product of dense ones: instructions, and ns here")
    print(f"  {'':<16}{'targets':>8}{'row':>8}{'product':>9}{'row ns':>9}{'product ns':>12}")
    kinds = [*product(("dense", "conv"), ("narrow", "wide", "graded")), ("line", "narrow"), ("line", "wide")]
    for kind, sent in kinds:
        for targets in (8, 16, 64):
            network = layer(kind, sent, targets, rng)
            inputs = [sent_at(network, rate, rng) for rate in (0.0, 1.0)]
            event, dense = (step_costs(network, kernel, inputs) for kernel in ("event", "dense"))
            count = products(network)
            row, row_s = ((costs[1] - costs[0]) / (count / targets) for costs in event)
            one, one_s = (costs[1] / count for costs in dense)
            print(f"  {kind:<8}{sent:<8}{targets:>8}{row:>8.1f}{one:>9.2f}{row_s * 1e9:>9.2f}{one_s * 1e9:>12.3f}")


def against_peers(rng: np.random.Generator) -> list[Table]:
    """DeepSNN with snnTorch's weights, then with random ones, and the beat model."""
    import torch

    x, model = spikes(rng), snntorch_model()
    graph = from_torch(model, torch.zeros(1, SIZES[0]), dt_s=1e-3)
    (name,) = graph.inputs
    network = quantize(graph, bits=8, calibration={name: x})
    onnx, native = compile(network, "onnx"), compile(network, "native")
    same(native, onnx, {name: x})
    calls = {
        "snnTorch eager (float32)": (eager(model, x), 3),
        "ONNX sequence, integer": (lambda: onnx.run({name: x}), 10),
        "native": (lambda: native.run({name: x}), 10),
        "ONNX step form, 100 calls": (stepwise(onnx, x, name), 3),
        "native, 100 steps": (stepwise(native, x, name), 3),
    }
    tables = [Table(f"DeepSNN {'-'.join(map(str, SIZES))}, T = 100, batch 1, the same weights", timed(calls))]
    network = deep_snn(rng, "subtract")
    onnx, native = compile(network, "onnx"), compile(network, "native")
    same(native, onnx, {"x": x})
    calls = {"ONNX sequence, integer": (lambda: onnx.run({"x": x}), 10), "native": (lambda: native.run({"x": x}), 10)}
    tables.append(Table("DeepSNN, random weights, about a tenth of the neurons fire in a step", timed(calls)))
    beats, data = shipped(rng)
    compiled = {target: compile(beats, target) for target in ("onnx", "integer", "native")}
    same(compiled["native"], compiled["onnx"], data)
    for batch in (1, LARGE):
        some = {name: values[:, :batch] for name, values in data.items()}
        calls = {target: ((lambda c=c, some=some: c.run(some)), 10) for target, c in compiled.items()}
        tables.append(Table(f"the shipped beat model, {batch} beat{'s' * (batch > 1)}", timed(calls)))
    return tables


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--costs", action="store_true", help="also what the choice of kernels goes by")
    options = parser.parse_args()
    rng = np.random.default_rng(0)
    load = os.getloadavg()[0]
    print(f"{cpu_name()}, one thread, load {load:.1f}; {compiler_version()}")
    tables = against_peers(rng)
    crossings = [crossed("dense", 64, rng), crossed("line", 16, rng)]
    for part in (*tables, *crossings):
        part.show()
    print("\nThe least that the instruction set allows:")
    for name, (floor, why) in FLOORS.items():
        print(f"  {name}: {floor:g} ({why})")
    if options.costs:
        show_costs(rng)
    if options.json:
        rows = [
            {"title": t.title, "seconds": {n: {"median": m, "fastest": f} for n, (m, f) in t.seconds.items()}}
            for t in tables
        ]
        data = {
            "cpu": cpu_name(),
            "load": load,
            "tables": rows,
            "rates": RATES,
            "crossings": [asdict(c) for c in crossings],
        }
        options.json.write_text(json.dumps(data, indent=1))


if __name__ == "__main__":
    main()
