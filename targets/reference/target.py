"""The float reference behind the target contract: what quantization is measured against."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cortexcore.errors import BundleError, GraphError
from cortexcore.export import reference
from cortexcore.export.dynamics import delay_steps
from cortexcore.export.graph import Graph
from cortexcore.export.nodes import Affine, AvgPool2d, Conv1d, Conv2d, Delay, Layer, Linear, Node, SumPool2d
from cortexcore.targets.base import Arrays, CheckReport, Form, Result, Stepper
from cortexcore.targets.energy.footprint import float_footprint
from cortexcore.targets.energy.host import host_energy
from cortexcore.targets.energy.latency import POWERCAP, cpu_name, latency_figures, measure, rapl_note
from cortexcore.targets.energy.operations import changed
from cortexcore.targets.profile import Figure, Profile
from cortexcore.targets.profiling import first_inference

FILE = "graph.nir"


@dataclass(frozen=True)
class ReferenceConfig:
    """The float reference has no options."""


@dataclass(frozen=True, eq=False)
class ReferenceArtifact:
    """The graph itself."""

    graph: Graph


class ReferenceTarget:
    """Runs :func:`cortexcore.export.reference.run`, NumPy float64."""

    name = "reference"
    takes: tuple[Form, ...] = ("float",)
    config = ReferenceConfig

    def unavailable(self) -> str | None:
        return None

    def check(self, network: Graph) -> CheckReport:
        return CheckReport(self.name)

    def lower(self, network: Graph, config: ReferenceConfig) -> ReferenceArtifact:
        return ReferenceArtifact(network)

    def save(self, artifact: ReferenceArtifact, folder: Path) -> None:
        from cortexcore.export.nir_io import write_nir

        write_nir(artifact.graph, folder / FILE)

    def load(self, folder: Path) -> ReferenceArtifact:
        from cortexcore.export.nir_io import read_nir

        if not (folder / FILE).is_file():
            raise BundleError(f"'{folder / FILE}' is missing: the artifact in '{folder}' is incomplete; lower it again")
        try:
            return ReferenceArtifact(read_nir(folder / FILE))
        except GraphError as error:
            raise BundleError(f"the artifact in '{folder}' is damaged: {error}") from error

    def run(self, artifact: ReferenceArtifact, inputs: Arrays, trace: bool = False) -> Result:
        whole = reference.run(artifact.graph, inputs)
        return Result(whole.outputs, whole.spikes, whole.u, whole.v) if trace else Result(whole.outputs)

    def stepper(self, artifact: ReferenceArtifact) -> Stepper:
        raise GraphError("target 'reference' runs whole sequences; stream with 'onnx' or 'integer'")

    def profile(self, artifact: ReferenceArtifact, inputs: Arrays) -> Profile:
        """Latency measured; spikes counted in the float trace, every multiplication counted, zeros included."""
        graph = artifact.graph.flat
        trace = reference.run(graph, inputs)
        steps, batch = next(iter(trace.outputs.values())).shape[:2]
        once = first_inference(inputs)
        measured = measure(lambda: reference.run(graph, once))
        machine = f"{cpu_name()}, NumPy float64, its BLAS's threads"
        conditions = f"mean over {batch} inferences of {steps} steps"
        macs = sum(dense_macs(node, graph.shapes[name]) for name, node in graph.nodes.items()) * steps
        updates = sum(values[0, 0].size for values in trace.v.values()) * steps
        states = sum(v[0, 0].size for states in (trace.v, trace.u) for v in states.values())
        spikes = sum(float(np.sum(values, dtype=np.int64)) for values in trace.spikes.values()) / batch
        layers = {
            name: {"spikes": _counted(float(np.sum(values, dtype=np.int64)) / batch, "spikes", conditions)}
            for name, values in trace.spikes.items()
        }
        weights = sum(8 * node.weight.size for node in graph.nodes.values() if isinstance(node, Layer))
        return Profile(
            target=self.name,
            conditions=f"{machine}; operations over {batch} inferences of {steps} steps",
            latency=latency_figures("per inference", measured, f"{machine}, batch 1, {steps} steps in one call"),
            operations={
                "dense MACs": _counted(macs, "MACs", conditions),
                "neuron updates": _counted(updates, "updates", conditions),
                "membrane updates": _counted(
                    sum(int(changed(v).sum()) for v in trace.v.values()) / batch, "updates", conditions
                ),
                "spikes": _counted(spikes, "spikes", conditions),
                **sparsities(graph, trace, conditions),
            },
            memory={
                "weights": Figure(weights, "B", "modelled", "64-bit weights"),
                "state": Figure(
                    8 * (states + waiting(graph)), "B", "modelled", "64-bit u and v, and what waits in delays"
                ),
                "footprint, float32": float_footprint(graph),
            },
            energy=host_energy(macs, states * steps, measured),
            layers=layers,
            notes=tuple(note for note in (rapl_note(POWERCAP),) if note),
        )


def waiting(graph: Graph) -> int:
    """Values that the delays of a graph hold at any time: one per step of delay and value that passes."""
    delays = {name: node for name, node in graph.nodes.items() if isinstance(node, Delay)}
    return sum(int(np.broadcast_to(delay_steps(d, graph.dt_s), graph.shapes[n]).sum()) for n, d in delays.items())


def dense_macs(node: Node, sent: tuple[int, ...]) -> int:
    """Multiply-accumulates of one step of a node that sends the shape ``sent``; padding counts, since it is multiplied.

    A pool is a convolution with ones: each value that it sends sums one window.
    """
    match node:
        case Linear() | Affine():
            return int(node.weight.size)
        case Conv1d() | Conv2d():
            return int(node.weight.size) * math.prod(node.output_size)
        case SumPool2d() | AvgPool2d():
            return math.prod(node.kernel) * math.prod(sent)
        case _:
            return 0


def sparsities(graph: Graph, trace: reference.Trace, conditions: str) -> dict[str, Figure]:
    """Shares of zeros as NeuroBench defines them: among the spikes that could have been, and among the weights."""
    weights = [node.weight for node in graph.nodes.values() if isinstance(node, Layer)]
    fired, stored = sum(int(np.count_nonzero(s)) for s in trace.spikes.values()), sum(w.size for w in weights)
    possible = sum(s.size for s in trace.spikes.values())
    figures = {}
    if possible:
        figures["activation sparsity"] = _counted((possible - fired) / possible, "of all activations", conditions)
    if stored:
        zeros = stored - sum(int(np.count_nonzero(w)) for w in weights)
        figures["connection sparsity"] = _counted(zeros / stored, "of all weights", "")
    return figures


def _counted(value: float, unit: str, conditions: str) -> Figure:
    return Figure(float(value), unit, "measured", "counted in the float reference's trace", conditions)


TARGET = ReferenceTarget()
