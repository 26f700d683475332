"""An integer network as a NIR file that loses no bit.

The file's nodes are a float network in units of v: weights w·2^(weight_exp + 6), thresholds vth·2^6, biases in
v_leak, time constants from the decays. Any NIR reader runs it, up to rounding, wrapping and clipping. The integers
are those very values, so they are read back exactly; what floats cannot say is in ``metadata["cortexcore"]``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cortexcore.errors import GraphError
from cortexcore.export.network import (
    DECAY_ONE,
    THRESHOLD_SHIFT,
    Conv1d,
    Conv2d,
    Dense,
    Field,
    IntegerNetwork,
    Operation,
    Population,
    Synapses,
)
from cortexcore.export.nir_io.description import metadata_of
from cortexcore.export.nir_io.forms import ungrouped, written_form
from cortexcore.export.nir_io.hdf import write_whole
from cortexcore.export.shapes import Shape

NO_LEAK = 2.0**40
"""Steps in the time constant that stands for a membrane without leak, which NIR's LIF has not."""
EACH = "each"
"""Stands for a register of which every neuron has its own; the values are those of the node."""


def write_integer_nir(network: IntegerNetwork, path: Path | str) -> None:
    """Write ``network`` to ``path``, whole or not at all.

    A population of several axes that a dense connection feeds is written flat, since NIR has nothing that gives a
    vector axes; the metadata keeps its shape.

    Raises:
        GraphError: it is no integer network, a name stands twice, or a convolution reads a population that must be
            written flat.
        DataError: the file cannot be written.
    """
    import nir

    if not isinstance(network, IntegerNetwork):
        raise GraphError(
            f"write_integer_nir takes an integer network, not {type(network).__name__}; quantize the graph first, or "
            "keep it as it is with write_nir"
        )
    flat = _flat(network)
    nodes: dict[str, Any] = {port.name: nir.Input(np.array(port.shape)) for port in network.inputs}
    edges: list[tuple[str, str]] = []

    def add(name: str, node: Any, source: str) -> str:
        if name in nodes:
            raise GraphError(f"the network names '{name}' twice, which a NIR file cannot keep; rename one")
        nodes[name] = node
        edges.append((source, name))
        return name

    def shape_of(source: str) -> Shape:
        shape = network.shape_of(source)
        return (int(np.prod(shape)),) if source in flat else shape

    for population in network.populations:
        nodes[population.name] = _neuron(population, shape_of(population.name), network.dt_s)
    for population in network.populations:
        for synapses in population.synapses:
            source, shape, operation = synapses.source, shape_of(synapses.source), synapses.operation
            if isinstance(operation, Dense) and len(shape) > 1:
                source = add(f"{synapses.name}_flatten", nir.Flatten({"input": np.array(shape)}, 0, -1), source)
            last = add(synapses.name, _layer(operation, shape), source)
            if not isinstance(operation, Dense) and population.name in flat:
                sent = {"input": np.array(population.shape)}
                last = add(f"{synapses.name}_flatten", nir.Flatten(sent, 0, -1), last)
            edges.append((last, population.name))
    for port in network.outputs:
        add(port.name, nir.Output(np.array(shape_of(port.source))), port.source)
    graph = nir.NIRGraph(nodes, edges, metadata=metadata_of(_description(network)), type_check=False)
    write_whole(Path(path), graph)


def _flat(network: IntegerNetwork) -> set[str]:
    """The populations that are written with one axis.

    Raises:
        GraphError: a convolution reads one of them.
    """
    flat = {
        p.name
        for p in network.populations
        if len(p.shape) > 1 and any(isinstance(s.operation, Dense) for s in p.synapses)
    }
    readers = [
        f"'{s.name}' reads '{s.source}' {network.shape_of(s.source)}"
        for p in network.populations
        for s in p.synapses
        if s.source in flat and not isinstance(s.operation, Dense)
    ]
    if readers:
        raise GraphError(
            f"NIR cannot give a dense connection's output the axes that a convolution reads: {', '.join(readers)}; "
            "feed that population by convolutions alone, or make its readers dense"
        )
    return flat


def _neuron(p: Population, shape: Shape, dt_s: float) -> Any:
    import nir

    def full(values: Any) -> NDArray[np.float64]:
        return np.array(np.broadcast_to(np.asarray(values, np.float64), p.shape)).reshape(shape)

    steps = full(steps_of(p.dv))
    fields: dict[str, Any] = {"r": steps, "v_leak": full(p.bias) * 2.0**p.bias_exp * steps}
    if p.vth is not None:
        fields |= {"v_threshold": full(p.vth) * 2.0**THRESHOLD_SHIFT, "v_reset": np.zeros(shape)}
    if not p.has_current:
        kind = nir.LI if p.vth is None else nir.LIF
        return kind(tau=steps * dt_s, **fields)
    steps_syn = full(DECAY_ONE / (np.asarray(p.du) + 1.0))
    kind = nir.CubaLI if p.vth is None else nir.CubaLIF
    return kind(tau_mem=steps * dt_s, tau_syn=steps_syn * dt_s, w_in=steps_syn, **fields)


def steps_of(dv: Field) -> NDArray[np.float64]:
    """The membrane's time constant in steps."""
    decays = np.asarray(dv, np.float64)
    return np.asarray(np.where(decays == 0, NO_LEAK, DECAY_ONE / np.maximum(decays, 1.0)))


def _layer(operation: Operation, source_shape: Shape) -> Any:
    import nir

    weight = operation.weight.astype(np.float32) * np.float32(2.0 ** (operation.weight_exp + THRESHOLD_SHIFT))
    match operation:
        case Dense():
            return nir.Linear(weight)
        case Conv1d(stride=stride, padding=padding, dilation=dilation):
            whole, bias = ungrouped(weight, operation.groups), np.zeros(len(weight), np.float32)
            return nir.Conv1d(source_shape[-1], whole, stride, padding, dilation, 1, bias)
        case Conv2d(stride=strides, dilation=dilations):
            size = source_shape[1:]
            form = written_form(operation.window, size)
            whole, bias = form.weight(weight, operation.groups), np.zeros(len(weight), np.float32)
            return nir.Conv2d(size, whole, strides, form.padding, dilations, 1, bias)
    raise TypeError(f"NIR has no counterpart of {type(operation).__name__}")


def _description(network: IntegerNetwork) -> dict[str, Any]:
    """Everything but the arrays that the nodes hold."""
    return {
        "format": "integer",
        "dt_s": network.dt_s,
        "discretization": "euler",
        "inputs": [vars(port) | {"shape": list(port.shape)} for port in network.inputs],
        "outputs": [vars(port) for port in network.outputs],
        "populations": [
            {
                "name": p.name,
                "shape": list(p.shape),
                "du": _register(p.du),
                "dv": _register(p.dv),
                "vth": None if p.vth is None else _register(p.vth),
                "bias_exp": p.bias_exp,
                "bias_shared": p.bias.ndim == 0,
                "reset": p.reset,
                "reset_delay": p.reset_delay,
                "synapses": [_synapses_fields(s) for s in p.synapses],
            }
            for p in network.populations
        ],
        "metadata": dict(network.metadata),
    }


def _register(value: Field) -> int | str:
    return EACH if np.ndim(value) else int(value)


def _synapses_fields(synapses: Synapses) -> dict[str, Any]:
    op = synapses.operation
    fields = {k: v for k, v in vars(op).items() if k != "weight"} | {"kind": type(op).__name__}
    if isinstance(op, Conv2d):
        fields |= {key: list(getattr(op, key)) for key in PAIRS} | {"kernel": list(op.window.kernel)}
    return {"name": synapses.name, "source": synapses.source, "recurrent": synapses.recurrent, "operation": fields}


PAIRS = ("stride", "padding", "dilation")
"""Fields of a Conv2d that hold (height, width)."""
