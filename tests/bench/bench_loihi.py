"""How much the Loihi target adds to Lava: the same networks beside a script as a user of Lava writes it.

Both simulate the same inferences in the same minute, taking turns, in processes that are started before the clock:
the peer builds, runs, reads its outputs and stops for each call, all inferences of a call in one run
(``lava_by_hand.py``), and its clock stands beside it; ours counts from outside all that a user waits for. Start-up is
shown apart: the worker's own, paid once in a session, and building a network, paid at its first run. Outputs must be
equal. The times mean this machine alone.

    python tests/bench/bench_loihi.py [--json OUT.json]
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

from cortexcore.export.network import Dense, InputPort, IntegerNetwork, OutputPort, Population, Synapses
from cortexcore.targets.compiled import compile
from cortexcore.targets.energy.latency import cpu_name
from cortexcore.targets.loihi import session
from cortexcore.targets.loihi.interpreter import find_interpreter
from cortexcore.targets.registry import get_target

CASES = (((2500, 256, 128, 2), 100, 1), ((2500, 256, 128, 2), 100, 8), ((20, 16, 4), 20, 1), ((20, 16, 4), 20, 8))
"""Layers' sizes, the first the seed's DeepSNN; steps; inferences in a call."""
ROUNDS, DENSITY, SHIFT, LEAK, START_S = 7, 0.1, -3, 410, 120.0
GOAL = 1.3
"""What the target may take, in times of the script by hand."""


@dataclass(frozen=True)
class Row:
    """Seconds of one case: medians of calls, the peer's also in parts, and our first, which builds."""

    title: str
    ours: float
    peer: float
    peer_parts: dict[str, float]
    first: float

    @property
    def ratio(self) -> float:
        return self.ours / self.peer

    def show(self) -> None:
        parts = ", ".join(f"{name} {seconds * 1e3:.1f}" for name, seconds in self.peer_parts.items())
        running = self.ours / (self.peer_parts["run"] + self.peer_parts["read"])
        print(f"\n{self.title}")
        print(f"  by hand {self.peer * 1e3:9.1f} ms a call ({parts})")
        print(f"  ours    {self.ours * 1e3:9.1f} ms a call, the first {self.first * 1e3:.1f} ms")
        print(f"  ratio   {self.ratio:9.2f}, at most {GOAL} is meant; beside running and reading alone {running:.2f}")


def layers_of(rng: np.random.Generator, sizes: tuple[int, ...]) -> IntegerNetwork:
    """Random 8-bit weights; some tenth of the neurons fire per step."""
    populations, source, zero = [], "x", np.zeros((), np.int32)
    for i, (fan_in, size) in enumerate(pairwise(sizes)):
        weight = (rng.integers(-128, 128, (size, fan_in)) * 2).astype(np.int32)
        synapses = (Synapses(f"w{i}", source, Dense(weight, SHIFT)),)
        populations.append(Population(f"p{i}", (size,), synapses, 4095, LEAK, int(8 * np.sqrt(fan_in)), zero))
        source = f"p{i}"
    return IntegerNetwork((InputPort("x", (sizes[0],), 0, 1),), tuple(populations), (OutputPort("y", source),), 1e-3)


class Peer:
    """The script by hand in a process of its own."""

    def __init__(self) -> None:
        script = Path(__file__).with_name("lava_by_hand.py")
        self._process = subprocess.Popen(
            [find_interpreter(), str(script)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self._line()

    def _line(self) -> str:
        line = self._process.stdout.readline() if self._process.stdout else ""
        if not line:
            raise SystemExit("bench: the script by hand ended without an answer")
        return line

    def call(self, folder: Path) -> dict[str, float]:
        if self._process.stdin is not None:
            print(folder, file=self._process.stdin, flush=True)
        taken: dict[str, float] = json.loads(self._line())
        return taken

    def close(self) -> None:
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._process.wait()


def write_peer(folder: Path, network: IntegerNetwork, x: np.ndarray) -> None:
    layers = []
    for i, p in enumerate(network.populations):
        operation = p.synapses[0].operation
        np.save(folder / f"weight-{i}.npy", operation.weight)
        layers.append({"weight_exp": operation.weight_exp, "du": p.du, "dv": p.dv, "vth": p.vth})
    (folder / "layers.json").write_text(json.dumps(layers))
    np.save(folder / "x.npy", x.astype(np.int32))


def measured(peer: Peer, folder: Path, sizes: tuple[int, ...], steps: int, batch: int) -> Row:
    rng = np.random.default_rng(0)
    network = layers_of(rng, sizes)
    x = (rng.random((steps, batch, sizes[0])) < DENSITY).astype(np.int8)
    write_peer(folder, network, x)
    session.close()
    session.start(START_S)  # so that no network is built yet
    compiled = compile(network, "loihi")
    started = time.perf_counter()
    outputs = compiled.run(x).outputs["y"]
    first = time.perf_counter() - started
    peer.call(folder)
    if not np.array_equal(outputs, np.load(folder / "y.npy")) or not outputs.any():
        raise SystemExit("bench: the target and the script by hand differ, or nothing fired")
    ours, theirs = [], []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        compiled.run(x)
        ours.append(time.perf_counter() - started)
        theirs.append(peer.call(folder))
    usual = float(np.median(ours))
    parts = {name: float(np.median([t[name] for t in theirs])) for name in theirs[0]}
    whole = float(np.median([sum(t.values()) for t in theirs]))
    title = f"{'-'.join(map(str, sizes))}, T = {steps}, batch {batch}"
    return Row(title, usual, whole, parts, first)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    reason = get_target("loihi").unavailable()
    if reason is not None:
        sys.exit(f"bench: {reason}")
    load = os.getloadavg()[0]
    print(f"{cpu_name()}, load {load:.1f}; medians of {ROUNDS} rounds in which both take turns")
    started = time.perf_counter()
    session.start(START_S)
    start_up = time.perf_counter() - started
    print(f"start-up of the worker, once in a session: {start_up:.2f} s")
    peer = Peer()
    rows = []
    with tempfile.TemporaryDirectory() as place:
        for i, case in enumerate(CASES):
            folder = Path(place) / str(i)
            folder.mkdir()
            rows.append(measured(peer, folder, *case))
            rows[-1].show()
    peer.close()
    if options.json:
        found = {"cpu": cpu_name(), "load": load, "start_up_s": start_up}
        options.json.write_text(
            json.dumps({**found, "rows": [{**asdict(r), "ratio": r.ratio} for r in rows]}, indent=1)
        )


if __name__ == "__main__":
    main()
