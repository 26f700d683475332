"""The firmware's costs, counted: the same figures on every machine and in every run, for one compiler.

1. The whole firmware of the shipped model on a minute of ECG: per sample and per beat, share of a 64 MHz Cortex-M4,
   memory, and on every board of the data file joules per beat and day, and the life of a CR2032.
2. Every kernel: instructions per synaptic operation and per neuron, beside the least that the instruction set allows.
3. Event-driven against dense kernels at the model's own spike rates.
4. Where they cross: each connection between spiking layers, with its own weights, over the spike rate.

    python tests/bench/bench_cortex_m.py [--record 208 --data DIR] [--json OUT.json] [--html OUT.html]
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from cortexcore.export import integer
from cortexcore.export.network import Conv1d, InputPort, IntegerNetwork, OutputPort, Population
from cortexcore.export.report.html import Section, figure_svg, house_style, new_figure, page, table
from cortexcore.export.report.style import COLOURS, MUTED
from cortexcore.firmware_sim.board import Electrodes
from cortexcore.firmware_sim.toolchain import compiler_version
from cortexcore.opening import SHIPPED
from cortexcore.runtime.bundle import Bundle, load_bundle
from cortexcore.sources import Source, beat_inputs, recording_source, synthetic_source
from cortexcore.targets.compiled import compile
from cortexcore.targets.cortex_m.config import CortexMConfig
from cortexcore.targets.cortex_m.counts import STEP, count_inferences, link_region
from cortexcore.targets.cortex_m.device import run_device
from cortexcore.targets.cortex_m.kernels import KernelCost, kernel_costs
from cortexcore.targets.cortex_m.profile import ELF, PAINTED, counted_work
from cortexcore.targets.cortex_m.work import parts
from cortexcore.targets.profile import Figure
from cortexcore.targets.report.values import band, quantity

RATES = (0.0, 0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 0.75, 1.0)
STEPS = 4
KERNELS = ("event", "dense")
MINUTE_S, LEARNING_S = 60.0, 300.0
Inputs = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Crossing:
    """One connection's two kernels over the share of its source's neurons that fire in a step.

    Attributes:
        rate: the model's own.
        instructions: kernel → of a step at each of RATES.
    """

    name: str
    rate: float
    instructions: Mapping[str, Sequence[float]]

    @property
    def meeting(self) -> float | None:
        """The rate from which on the dense kernel takes less, by a straight line; None where it never does."""
        gap = np.subtract(self.instructions["event"], self.instructions["dense"])
        over = np.flatnonzero(gap > 0)
        if not len(over):
            return None
        i = max(1, int(over[0]))
        return float(np.interp(0, gap[i - 1 : i + 1], RATES[i - 1 : i + 1]))


def device_figures(bundle: Bundle, source: Source) -> dict[str, Figure]:
    """The whole firmware on a signal: every figure of the profile that follows from it."""
    electrodes = Electrodes(source.counts, source.rate_hz, source.gain_per_mv, source.lead, source.name, speed=0.0)
    config = CortexMConfig()
    run = run_device(bundle.network, bundle.front_end, config.options, electrodes)
    found = parts(counted_work(run, f"{source.what}, {compiler_version()}"), config)
    return {
        "flash": Figure(run.sizes.flash, "B", "measured", ELF),
        "RAM": Figure(run.sizes.ram, "B", "measured", ELF, f"{run.sizes.stack} B of it set aside as stack"),
        "stack": Figure(run.stack, "B", "simulated", PAINTED, source.what),
        **found.latency,
        **found.operations,
        **found.energy,
    }


def kernel_rows(network: IntegerNetwork, inputs: Inputs, kernel: str) -> tuple[float, list[KernelCost]]:
    """Instructions per beat, and every kernel."""
    artifact = compile(network, "cortex-m", CortexMConfig(kernel)).artifact
    runs = count_inferences(artifact, inputs).runs
    total = sum(run.regions[STEP].total.instructions for run in runs) / len(runs)
    return total, [row for rows in kernel_costs(artifact, inputs, runs).values() for row in rows]


def crossings(network: IntegerNetwork, inputs: Inputs) -> list[Crossing]:
    """Of every connection that spikes of a population enter."""
    spikes = integer.run(network, integer.check_inputs(network, inputs)).spikes
    rng = np.random.default_rng(0)
    found = []
    for p in network.populations:
        for s in p.synapses:
            if s.source in spikes:
                alone = relayed(network.population(s.source), replace(p, synapses=(replace(s, source="relay"),)))
                sent = [(rng.random((STEPS, 1, *alone.inputs[0].shape)) < rate).astype(np.int8) for rate in RATES]
                costs = {kernel: per_step(alone, kernel, sent) for kernel in KERNELS}
                found.append(Crossing(f"{s.name}, from {s.source}", float(spikes[s.source].mean()), costs))
    return found


def relayed(source: Population, target: Population) -> IntegerNetwork:
    """The connection alone: a population that sends on what it is sent stands for the source."""
    shape = source.shape if len(source.shape) > 1 else (*source.shape, 1)
    copies = Conv1d(np.full((shape[0], 1, 1), 254, np.int32), groups=shape[0])
    synapses = (replace(target.synapses[0], name="copies", source="x", operation=copies),)
    relay = Population("relay", shape, synapses, 4095, 4096, 100, np.zeros((), np.int32))
    return IntegerNetwork((InputPort("x", shape, 0, 1),), (relay, target), (OutputPort("y", target.name),), 1e-3)


def per_step(network: IntegerNetwork, kernel: str, sent: Sequence[np.ndarray]) -> list[float]:
    """Instructions of the connection into the last population, for each of the inputs."""
    artifact = compile(network, "cortex-m", CortexMConfig(kernel)).artifact
    region = link_region(artifact.plan.links[-1])
    runs = [count_inferences(artifact, {"x": x}).runs[0] for x in sent]
    return [run.regions[region].total.instructions / STEPS for run in runs]


def kernel_table(rows: Sequence[KernelCost]) -> list[dict[str, str | float]]:
    return [
        {
            "kernel": f"{row.name}, {row.kernel}",
            "instructions per beat": round(row.instructions),
            "operations": round(row.operations),
            "each": f"{row.each:.2f}" if row.each is not None else "–",
            "at least": f"{row.floor.instructions:.2f}",
            "which are": row.floor.why,
        }
        for row in rows
    ]


def crossing_rows(found: Sequence[Crossing]) -> list[dict[str, str | float]]:
    rows = []
    for crossing in found:
        at = [float(np.interp(crossing.rate, RATES, crossing.instructions[kernel])) for kernel in KERNELS]
        meeting = "none: less even if all fire" if crossing.meeting is None else f"{crossing.meeting:.2f}"
        rows.append(
            {
                "connection": crossing.name,
                "spike rate": f"{crossing.rate:.3f}",
                "event-driven": round(at[0]),
                "dense": round(at[1]),
                "dense / event-driven": f"{at[1] / at[0]:.1f}",
                "they cross at": meeting,
            }
        )
    return rows


def crossing_plot(found: Sequence[Crossing]) -> str:
    """A panel a connection: instructions of a step over the spike rate, the model's own rate marked."""
    figure, axes = new_figure(columns=len(found))
    with house_style():
        for panel, crossing in zip([axes] if len(found) == 1 else list(axes), found, strict=True):
            for colour, (kernel, costs) in zip(COLOURS, crossing.instructions.items(), strict=False):
                panel.plot(RATES, costs, color=colour, marker="o", markersize=3, label=kernel)
            panel.axvline(crossing.rate, color=MUTED, linewidth=1, linestyle="--", label="the model's rate")
            panel.set(title=crossing.name, xlabel="spikes per neuron and step", ylim=(0, None))
        panel.legend()
    return figure_svg(figure, "Instructions of a step on the emulated Cortex-M4, random spikes, the shipped weights.")


def show(title: str, rows: Sequence[Mapping[str, object]]) -> None:
    """Rows of equal keys as aligned lines."""
    cells = [list(map(str, rows[0])), *([str(value) for value in row.values()] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    print(f"\n{title}")
    for line in cells:
        print("  " + "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def figure_table(figures: Mapping[str, Figure]) -> list[dict[str, str]]:
    return [
        {"figure": name, "value": quantity(f.value, f.unit), "band": band(f), "kind": f.kind}
        for name, f in figures.items()
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--record", help="a MIT-BIH record instead of synthetic ECG, a minute after its first five")
    parser.add_argument("--data", type=Path)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--html", type=Path)
    options = parser.parse_args()
    bundle = load_bundle(SHIPPED / "bundle")
    source = synthetic_source(MINUTE_S)
    if options.record:
        source = recording_source(options.record, options.data, LEARNING_S, MINUTE_S)
    inputs = beat_inputs(source, bundle.front_end, bundle.steps)
    figures = device_figures(bundle, source)
    kernels = {kernel: kernel_rows(bundle.network, inputs, kernel) for kernel in ("auto", *KERNELS)}
    found = crossings(bundle.network, inputs)
    dense = kernels["dense"][0]
    ratios = [
        {"kernels": kernel, "instructions per beat": round(total), "dense / these": f"{dense / total:.2f}"}
        for kernel, (total, _) in kernels.items()
    ]
    parts_shown = {
        f"The whole firmware on {source.what}": figure_table(figures),
        "Kernels, as chosen by expected cost": kernel_table(kernels["auto"][1]),
        "The network, by kernels": ratios,
        "Connections between spiking layers, a step at the model's rate": crossing_rows(found),
    }
    print(f"Emulated Cortex-M4, {compiler_version()}: instructions exact, cycles and what follows from them modelled")
    for title, rows in parts_shown.items():
        show(title, rows)
    if options.json:
        data = {
            "figures": {name: asdict(figure) for name, figure in figures.items()},
            "kernels": {kernel: [asdict(row) for row in rows] for kernel, (_, rows) in kernels.items()},
            "rates": RATES,
            "crossings": [asdict(crossing) for crossing in found],
        }
        options.json.write_text(json.dumps(data, indent=1))
    if options.html:
        sections = [Section(title, table(rows)) for title, rows in parts_shown.items()]
        sections.append(Section("Where event-driven and dense kernels cross", crossing_plot(found)))
        options.html.write_text(page("The firmware's costs", sections, subtitle=compiler_version()))


if __name__ == "__main__":
    main()
