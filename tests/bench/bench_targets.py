"""How fast the targets run one network beside named peers, all in the same process and minute: run it alone.

The seed's DeepSNN (2500 → 256 → 128 → 2, T = 100) against snnTorch eager: the float graph of the same weights on the
reference and in ONNX Runtime, and the 8-bit network quantized from it, golden and in both ONNX forms; then, with reset
to zero, the golden network against Lava's simulation of it. Then the shipped beat model against
Lava. Calls take turns, and ratios compare medians, and the fastest runs, of the same rounds: on a busy machine the
medians of whatever runs in several processes, as Lava does, grow most. The times mean this machine alone.

    python tests/bench/bench_targets.py [--json OUT.json]
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

from cortexcore.api import from_torch, quantize
from cortexcore.export.network import Dense, InputPort, IntegerNetwork, OutputPort, Population, Synapses
from cortexcore.opening import SHIPPED
from cortexcore.runtime.bundle import load_bundle
from cortexcore.targets.compiled import Compiled, compile
from cortexcore.targets.energy.latency import cpu_name
from cortexcore.targets.onnx.config import OnnxConfig
from cortexcore.targets.registry import get_target

SIZES, STEPS, BETA, DENSITY = (2500, 256, 128, 2), 100, 0.9, 0.1
ROUNDS, LARGE = 7, 8
SHIFT = -3
Call = Callable[[], object]


@dataclass(frozen=True)
class Table:
    """Seconds of some calls, median and fastest; the first is the peer that the others are compared with."""

    title: str
    seconds: Mapping[str, tuple[float, float]]
    note: str = ""

    def show(self) -> None:
        peer, (median, fastest) = next(iter(self.seconds.items()))
        print(f"\n{self.title}" + (f"\n({self.note})" if self.note else ""))
        print(f"  {'':<28}{'median':>10}   {'fastest':>10}")
        for name, (usual, least) in self.seconds.items():
            said = (
                "" if name == peer else f"   {median / usual:6.1f} x as fast as {peer}, {fastest / least:.1f} x at best"
            )
            print(f"  {name:<28}{usual * 1e3:10.2f}   {least * 1e3:10.2f} ms{said}")


def timed(calls: Mapping[str, tuple[Call, int]]) -> dict[str, tuple[float, float]]:
    """Median and least wall-clock time; in each round every call runs its own number of times, the first warms up."""
    times: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(ROUNDS + 1):
        for name, (call, runs) in calls.items():
            for _ in range(runs):
                started = time.perf_counter()
                call()
                times[name].append(time.perf_counter() - started)
    kept = {name: taken[len(taken) // (ROUNDS + 1) :] for name, taken in times.items()}
    return {name: (float(np.median(taken)), min(taken)) for name, taken in kept.items()}


def deep_snn(rng: np.random.Generator, reset: str) -> IntegerNetwork:
    """DeepSNN's sizes with random 8-bit weights; about a tenth of the neurons fire per step."""
    populations, source = [], "x"
    for i, (fan_in, size) in enumerate(pairwise(SIZES)):
        weight = (rng.integers(-128, 128, (size, fan_in)) * 2).astype(np.int32)
        synapses = (Synapses(f"w{i}", source, Dense(weight, SHIFT)),)
        vth = int(60 * np.sqrt(fan_in))
        leak = round(4096 * (1 - BETA))
        bias = np.zeros((), np.int32)
        delay = reset == "subtract"
        populations.append(Population(f"p{i}", (size,), synapses, 4095, leak, vth, bias, 0, reset, delay))
        source = f"p{i}"
    return IntegerNetwork((InputPort("x", (SIZES[0],), 0, 1),), tuple(populations), (OutputPort("y", source),), 1e-3)


def spikes(rng: np.random.Generator, batch: int = 1) -> np.ndarray:
    """Input [T, batch, 2500]."""
    return (rng.random((STEPS, batch, SIZES[0])) < DENSITY).astype(np.int8)


def snntorch_model() -> object:
    """DeepSNN as a user writes it, its neurons keeping their own state."""
    import snntorch
    import torch

    torch.set_num_threads(1)
    torch.manual_seed(0)
    layers = [
        layer for a, b in pairwise(SIZES) for layer in (torch.nn.Linear(a, b), snntorch.Leaky(BETA, init_hidden=True))
    ]
    for layer in layers[::2]:
        torch.nn.init.normal_(layer.weight, 0, 2.5 / layer.in_features**0.5)
    return torch.nn.Sequential(*layers).eval()


def eager(model: object, x: np.ndarray) -> Call:
    """A loop over time in snnTorch, from rest."""
    import torch
    from snntorch import utils

    data = torch.from_numpy(x.astype(np.float32))

    def forward() -> object:
        with torch.no_grad():
            utils.reset(model)
            return torch.stack([model(step) for step in data])

    return forward


def stepwise(compiled: Compiled, x: np.ndarray, name: str = "x") -> Call:
    stepper = compiled.stepper()

    def forward() -> None:
        stepper.start()
        for step in x:
            stepper.step({name: step})

    return forward


def same(one: Compiled, other: Compiled, x: dict[str, np.ndarray]) -> None:
    """Ends the benchmark where two targets differ: no timing would be worth anything."""
    for name, values in one.run(x).outputs.items():
        if not np.array_equal(values, other.run(x).outputs[name]):
            raise SystemExit(f"bench: '{one.target.name}' and '{other.target.name}' differ in '{name}'")


def against_snntorch(rng: np.random.Generator) -> list[Table]:
    """One inference, batch 1, of the same weights: the float graph, and the network quantized from it to 8 bits."""
    import torch

    x, model = spikes(rng), snntorch_model()
    graph = from_torch(model, torch.zeros(1, SIZES[0]), dt_s=1e-3)
    (name,) = graph.inputs
    torch_call = eager(model, x)
    theirs = np.asarray(torch_call())
    network = quantize(graph, bits=8, calibration={name: x})
    reference, golden, onnx = compile(graph, "reference"), compile(network, "integer"), compile(network, "onnx")
    tflite = compile(network, "tflite")
    floats = {kind: compile(graph, "onnx", OnnxConfig(precision=kind)) for kind in ("float32", "float64")}
    same(golden, onnx, {name: x})
    same(golden, tflite, {name: x})
    calls = {
        "snnTorch eager (float32)": (torch_call, 3),
        "reference (float64)": (lambda: reference.run({name: x}), 3),
        "ONNX sequence, float32": (lambda: floats["float32"].run({name: x}), 10),
        "ONNX sequence, integer": (lambda: onnx.run({name: x}), 10),
        "ONNX step form, 100 calls": (stepwise(onnx, x, name), 3),
        "TFLite sequence, integer": (lambda: tflite.run({name: x}), 10),
        "TFLite step form, 100 calls": (stepwise(tflite, x, name), 3),
        "golden integer": (lambda: golden.run({name: x}), 10),
        "golden integer, 100 steps": (stepwise(golden, x, name), 3),
    }
    fired = {kind: next(iter(c.run({name: x}).outputs.values())) for kind, c in floats.items()}
    fired |= {"reference": next(iter(reference.run({name: x}).outputs.values()))}
    fired |= {"integer": next(iter(onnx.run({name: x}).outputs.values()))}
    differing = ", ".join(f"{kind} {np.count_nonzero(values != theirs)}" for kind, values in fired.items())
    title = f"DeepSNN {'-'.join(map(str, SIZES))}, T = {STEPS}, batch 1, the same weights"
    return [Table(title, timed(calls), f"output spikes that differ from snnTorch's {int(theirs.sum())}: {differing}")]


def against_lava(title: str, network: IntegerNetwork, x: dict[str, np.ndarray]) -> Table:
    """The same inputs through the same network; Lava's worker is started, and its network built, before the clock."""
    golden, lava = compile(network, "integer"), compile(network, "loihi")
    same(golden, lava, x)
    calls = {"Lava simulation": (lambda: lava.run(x), 1), "golden integer": (lambda: golden.run(x), 10)}
    return Table(title, timed(calls), "Lava's start-up and the building of its processes are not counted")


def shipped(rng: np.random.Generator) -> tuple[IntegerNetwork, dict[str, np.ndarray]]:
    """The shipped beat model and beats' worth of random inputs, each held for all steps as its front end does."""
    bundle = load_bundle(SHIPPED / "bundle")
    x = {p.name: rng.integers(p.low, p.high + 1, (1, LARGE, *p.shape), np.int8) for p in bundle.network.inputs}
    return bundle.network, {name: np.repeat(values, bundle.steps, axis=0) for name, values in x.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    reason = get_target("loihi").unavailable()
    if reason is not None:
        raise SystemExit(f"bench: {reason}")
    rng = np.random.default_rng(0)
    load = os.getloadavg()[0]
    print(f"{cpu_name()}, one thread, load {load:.1f}; wall-clock times over {ROUNDS} rounds in which all take turns")
    tables = against_snntorch(rng)
    for batch in (1, LARGE):
        title = f"DeepSNN {'-'.join(map(str, SIZES))}, T = {STEPS}, batch {batch}: integer, reset to zero"
        tables.append(against_lava(title, deep_snn(rng, "zero"), {"x": spikes(rng, batch)}))
    network, x = shipped(rng)
    tables.append(against_lava(f"the shipped beat model, T = {len(next(iter(x.values())))}, batch {LARGE}", network, x))
    for table in tables:
        table.show()
    if options.json:
        rows = [
            {
                "title": t.title,
                "note": t.note,
                "seconds": {n: {"median": m, "fastest": f} for n, (m, f) in t.seconds.items()},
            }
            for t in tables
        ]
        options.json.write_text(json.dumps({"cpu": cpu_name(), "load": load, "tables": rows}, indent=1))


if __name__ == "__main__":
    main()
