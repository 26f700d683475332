"""How fast the targets run one network, all in the same process and minute: run it alone on the machine.

The seed's DeepSNN (2500 → 256 → 128 → 2, reset by delayed subtraction where a target has it, T = 100) in snnTorch
eager, the golden integer network, and ONNX Runtime in sequence and step form; and a network that Loihi takes too
(reset to zero) in Lava's simulation. Ratios come from the same run; wall-clock times mean this machine alone.

    python tests/bench/bench_targets.py [--json OUT.json]
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

from cortexcore.export.network import Dense, InputPort, IntegerNetwork, OutputPort, Population, Synapses
from cortexcore.targets.compiled import compile
from cortexcore.targets.energy.latency import cpu_name
from cortexcore.targets.registry import get_target

SIZES, STEPS, BETA = (2500, 256, 128, 2), 100, 0.9
LAVA_BATCH = 1
SHIFT = -3


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


def snntorch_eager(x: np.ndarray) -> Callable[[], object]:
    """DeepSNN as a user writes it in snnTorch."""
    import snntorch
    import torch

    torch.set_num_threads(1)
    torch.manual_seed(0)
    layers = [torch.nn.Linear(a, b) for a, b in pairwise(SIZES)]
    neurons = [snntorch.Leaky(beta=BETA) for _ in layers]
    data = torch.from_numpy(x.astype(np.float32))

    def forward() -> object:
        with torch.no_grad():
            states = [neuron.init_leaky() for neuron in neurons]
            out = []
            for t in range(STEPS):
                s = data[t]
                for i, (layer, neuron) in enumerate(zip(layers, neurons, strict=True)):
                    s, states[i] = neuron(layer(s), states[i])
                out.append(s)
            return torch.stack(out)

    return forward


def median_s(call: Callable[[], object], runs: int) -> float:
    """Median wall-clock time of a call, after one warm-up in three."""
    for _ in range(max(1, runs // 3)):
        call()
    times = []
    for _ in range(runs):
        started = time.perf_counter()
        call()
        times.append(time.perf_counter() - started)
    return float(np.median(times))


def through_stepper(compiled: object, x: np.ndarray) -> Callable[[], object]:
    stepper = compiled.stepper()

    def forward() -> None:
        stepper.start()
        for t in range(STEPS):
            stepper.step({"x": x[t]})

    return forward


def single_inference(rng: np.random.Generator) -> dict[str, float]:
    """Seconds per inference of T steps, batch 1."""
    network = deep_snn(rng, "subtract")
    x = (rng.random((STEPS, 1, SIZES[0])) < 0.1).astype(np.int8)
    golden, onnx = compile(network, "integer"), compile(network, "onnx")
    if not np.array_equal(golden.run({"x": x}).outputs["y"], onnx.run({"x": x}).outputs["y"]):
        raise SystemExit("bench: ONNX and the golden network differ, no timing is worth anything")
    return {
        "snnTorch eager": median_s(snntorch_eager(x), 9),
        "golden integer": median_s(lambda: golden.run({"x": x}), 9),
        "ONNX sequence form": median_s(lambda: onnx.run({"x": x}), 30),
        "ONNX step form, 100 calls": median_s(through_stepper(onnx, x), 9),
    }


def against_lava(rng: np.random.Generator) -> dict[str, float]:
    """Seconds for the same small batch; Lava's worker is started before the clock."""
    reason = get_target("loihi").unavailable()
    if reason is not None:
        raise SystemExit(f"bench: {reason}")
    network = deep_snn(rng, "zero")
    x = (rng.random((STEPS, LAVA_BATCH, SIZES[0])) < 0.1).astype(np.int8)
    golden, lava = compile(network, "integer"), compile(network, "loihi")
    if not np.array_equal(golden.run({"x": x}).outputs["y"], lava.run({"x": x}).outputs["y"]):
        raise SystemExit("bench: Lava and the golden network differ, no timing is worth anything")
    return {
        "Lava simulation": median_s(lambda: lava.run({"x": x}), 3),
        "golden integer": median_s(lambda: golden.run({"x": x}), 9),
    }


def show(title: str, times: dict[str, float]) -> None:
    slowest = max(times.values())
    print(f"\n{title}")
    for name, seconds in times.items():
        print(f"  {name:<28}{seconds * 1e3:10.2f} ms   {slowest / seconds:8.1f} x")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    rng = np.random.default_rng(0)
    print(f"{cpu_name()}, one thread, medians of wall-clock times")
    single = single_inference(rng)
    show(f"DeepSNN {'-'.join(map(str, SIZES))}, T = {STEPS}, batch 1", single)
    lava = against_lava(rng)
    show(f"the same with reset to zero, batch {LAVA_BATCH}, start-up of Lava's worker not counted", lava)
    if options.json:
        options.json.write_text(json.dumps({"cpu": cpu_name(), "single_s": single, "lava_s": lava}, indent=1))


if __name__ == "__main__":
    main()
