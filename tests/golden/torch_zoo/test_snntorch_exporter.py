"""What snnTorch 1.0's own NIR exporter makes of a reset by subtraction: a reset to zero, without a word.

The graphs of the zoo keep it: no spike differs (test_torch_zoo.py). Run as what snnTorch wrote, spikes differ.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
snn = pytest.importorskip("snntorch")
nir = pytest.importorskip("nir")
exporter = pytest.importorskip("snntorch.export_nir")
from zoo_run import recorded  # noqa: E402

from cortexcore.export import reference  # noqa: E402
from cortexcore.export.nir_io import read_nir  # noqa: E402
from cortexcore.export.nodes import IF, LIF, CubaLIF  # noqa: E402


def test_every_subtraction_becomes_a_zero_in_its_nodes(subtracting: Any) -> None:
    graph, inputs, spikes, _ = recorded(subtracting, torch.float64)
    ours = reference.run(graph, inputs)
    assert all(np.array_equal(ours.spikes[name], expected) for name, expected in spikes.items())
    as_written = dict(graph.nodes)
    for path, module in subtracting.model().named_modules():
        if isinstance(module, snn.SpikingNeuron) and module.reset_mechanism == "subtract":
            node = graph.nodes[path.replace(".", "_")]
            assert isinstance(node, LIF | CubaLIF | IF) and node.reset == "subtract"
            theirs = extracted(module, node.shape)
            assert theirs is None or not np.any(theirs.v_reset)
            as_written[path.replace(".", "_")] = replace(node, reset="zero", reset_delay=False)
    differing = reference.run(replace(graph, nodes=as_written), inputs).spikes
    assert sum(int((differing[name] != expected).sum()) for name, expected in spikes.items()) > 0


def extracted(module: Any, shape: tuple[int, ...]) -> Any:
    """The neuron that snnTorch's exporter writes for a module; None where it has none and says so."""
    if isinstance(module, snn.Lapicque):
        return None
    if isinstance(module, snn.RLeaky | snn.RSynaptic) and isinstance(module.recurrent, torch.nn.Conv2d):
        module = as_plain(module)
    widened(module, shape)
    written = exporter._extract_snntorch_module(module)
    return written.nodes["lif"] if isinstance(written, nir.NIRGraph) else written


def as_plain(module: Any) -> Any:
    """The neuron without its recurrence, which the exporter cannot give a shape where it is a convolution."""
    if isinstance(module, snn.RLeaky):
        return snn.Leaky(module.beta, module.threshold)
    return snn.Synaptic(module.alpha, module.beta, module.threshold)


def widened(module: Any, shape: tuple[int, ...]) -> None:
    """Give every neuron of a layer its own copy of a shared parameter, which the exporter and nir 1.0.8 need."""
    holders = [(module, name) for name in ("alpha", "beta", "threshold") if hasattr(module, name)]
    if getattr(module, "all_to_all", True) is False:
        holders.append((module.recurrent, "V"))
    for holder, name in holders:
        values = getattr(holder, name)
        values.data = values.data.broadcast_to(shape).clone()


def test_its_files_read_back_as_zero_and_spike_differently(subtracting_files: list[Any], tmp_path: Path) -> None:
    """Whole files, of all networks that it can export: read with reset "zero", their output is another one."""
    written = []
    for case in subtracting_files:
        graph, inputs, _, _ = recorded(case, torch.float64)
        model = case.model()
        for path, module in model.named_modules():
            if isinstance(module, snn.SpikingNeuron):
                widened(module, graph.shapes[path.replace(".", "_")])
        (shape,) = case.shapes.values()
        exported = exporter.export_to_nir(model, torch.zeros(1, *shape), ignore_dims=[0])
        neurons = [node for node in exported.nodes.values() if isinstance(node, nir.LIF | nir.CubaLIF)]
        assert neurons and not any(np.any(node.v_reset) for node in neurons)
        nir.write(tmp_path / "theirs.nir", exported)
        theirs = read_nir(tmp_path / "theirs.nir", dt_s=1e-4, reset="zero", discretization="euler")
        ours = reference.run(graph, inputs).outputs["y"]
        (read_back,) = reference.run(theirs, {next(iter(theirs.inputs)): next(iter(inputs.values()))}).outputs.values()
        assert read_back.shape == ours.shape and np.any(read_back != ours), case.name
        written.append(case.name)
    assert len(written) >= 8
