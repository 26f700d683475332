"""An integer network as a NIR file, and back without losing a bit.

The file's nodes are a float network in units of v: weights w·2^(weight_exp + 6), thresholds vth·2^6, biases in
v_leak, time constants from the decays. Any NIR reader runs it, up to rounding, wrapping and clipping. The integers
are those very values, so they are read back exactly; what floats cannot say is in ``metadata["cortexcore"]``.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cortexcore.errors import GraphError
from cortexcore.export.network import (
    DECAY_ONE,
    THRESHOLD_SHIFT,
    Conv1d,
    Dense,
    InputPort,
    Int,
    IntegerNetwork,
    Operation,
    OutputPort,
    Population,
    Synapses,
)
from cortexcore.export.nir_io.hdf import MAX_BYTES, read_tree, write_whole
from cortexcore.export.nir_io.read import node_groups, own_metadata
from cortexcore.export.nir_io.write import FORMAT_VERSION, metadata_of, regrouped, ungrouped

Tree = Mapping[str, Any]
NO_LEAK = 2.0**40
"""Steps in the time constant that stands for a membrane without leak, which NIR's LIF has not."""


def write_integer_nir(network: IntegerNetwork, path: Path | str) -> None:
    """Write ``network`` to ``path``, whole or not at all.

    Raises:
        GraphError: a name or a shape cannot stand in a NIR file.
        DataError: the file cannot be written.
    """
    import nir

    nodes: dict[str, Any] = {port.name: nir.Input(np.array(port.shape)) for port in network.inputs}
    edges: list[tuple[str, str]] = []

    def add(name: str, node: Any, source: str) -> str:
        if name in nodes:
            raise GraphError(f"the network names '{name}' twice, which a NIR file cannot keep; rename one")
        nodes[name] = node
        edges.append((source, name))
        return name

    for population in network.populations:
        nodes[population.name] = _neuron(population, network.dt_s)
    for population in network.populations:
        for synapses in population.synapses:
            source, shape = synapses.source, network.shape_of(synapses.source)
            if isinstance(synapses.operation, Dense) and len(shape) > 1:
                source = add(f"{synapses.name}_flatten", nir.Flatten({"input": np.array(shape)}, 0, -1), source)
            add(synapses.name, _layer(synapses.operation, shape), source)
            edges.append((synapses.name, population.name))
            if isinstance(synapses.operation, Dense) and len(population.shape) > 1:
                raise GraphError(
                    f"'{synapses.name}' is dense and '{population.name}' has the shape {population.shape}, which NIR "
                    "cannot connect: give the population one axis"
                )
    for port in network.outputs:
        add(port.name, nir.Output(np.array(network.shape_of(port.source))), port.source)
    write_whole(Path(path), nir.NIRGraph(nodes, edges, metadata=metadata_of(_description(network))))


def read_integer_nir(path: Path | str, max_bytes: int = MAX_BYTES) -> IntegerNetwork:
    """Read what :func:`write_integer_nir` wrote.

    Raises:
        GraphError: the file is damaged, holds no integer network, or its weights are not the integers it promises.
    """
    tree, _ = read_tree(Path(path), max_bytes)
    return parse_integer(tree, str(path))


def parse_integer(tree: Tree, place: str) -> IntegerNetwork:
    """The tree of a NIR file as an integer network; errors as :func:`read_integer_nir`."""
    ours = own_metadata(tree, place)
    if ours is None or ours.get("format") != "integer":
        raise GraphError(f"{place} holds no integer network; quantize it first (cortexcore quantize {place})")
    groups = node_groups(tree, place)
    try:
        return IntegerNetwork(
            inputs=tuple(
                InputPort(str(p["name"]), _shape(p), _number(p, "low"), _number(p, "high")) for p in ours["inputs"]
            ),
            populations=tuple(_population(p, groups) for p in ours["populations"]),
            outputs=tuple(OutputPort(str(p["name"]), str(p["source"])) for p in ours["outputs"]),
            dt_s=float(ours["dt_s"]),
            metadata=dict(ours["metadata"]),
        )
    except GraphError as error:
        raise GraphError(f"{place}: {error}") from error
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
        raise GraphError(f"{place} lacks part of its integer network ({error}); write it again") from error


def _neuron(p: Population, dt_s: float) -> Any:
    import nir

    steps = DECAY_ONE / p.dv if p.dv else NO_LEAK
    bias = p.bias.astype(np.float64) * 2.0**p.bias_exp
    ones = np.ones(p.shape)
    fields: dict[str, Any] = {"r": ones * steps, "v_leak": ones * bias * steps}
    if p.vth is not None:
        fields |= {"v_threshold": ones * (p.vth << THRESHOLD_SHIFT), "v_reset": np.zeros(p.shape)}
    if p.du == DECAY_ONE - 1:
        kind = nir.LI if p.vth is None else nir.LIF
        return kind(tau=ones * steps * dt_s, **fields)
    steps_syn = DECAY_ONE / (p.du + 1)
    kind = nir.CubaLI if p.vth is None else nir.CubaLIF
    return kind(tau_mem=ones * steps * dt_s, tau_syn=ones * steps_syn * dt_s, w_in=ones * steps_syn, **fields)


def _layer(operation: Operation, source_shape: tuple[int, ...]) -> Any:
    import nir

    weight = operation.weight.astype(np.float32) * np.float32(2.0 ** (operation.weight_exp + THRESHOLD_SHIFT))
    match operation:
        case Dense():
            return nir.Linear(weight)
        case Conv1d():
            whole, bias = ungrouped(weight, operation.groups), np.zeros(len(weight), np.float32)
            return nir.Conv1d(source_shape[-1], whole, operation.stride, operation.padding, operation.dilation, 1, bias)
    raise TypeError(f"NIR has no counterpart of {type(operation).__name__}")


def _description(network: IntegerNetwork) -> dict[str, Any]:
    """Everything but the arrays that the nodes hold."""
    return {
        "format": "integer",
        "version": FORMAT_VERSION,
        "dt_s": network.dt_s,
        "discretization": "euler",
        "inputs": [vars(port) | {"shape": list(port.shape)} for port in network.inputs],
        "outputs": [vars(port) for port in network.outputs],
        "populations": [
            {
                "name": p.name,
                "shape": list(p.shape),
                "du": p.du,
                "dv": p.dv,
                "vth": p.vth,
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


def _synapses_fields(synapses: Synapses) -> dict[str, Any]:
    op = synapses.operation
    fields = {k: v for k, v in vars(op).items() if k != "weight"} | {"kind": type(op).__name__}
    return {"name": synapses.name, "source": synapses.source, "recurrent": synapses.recurrent, "operation": fields}


def _population(said: Mapping[str, Any], groups: Mapping[str, Tree]) -> Population:
    name, shape = str(said["name"]), _shape(said)
    dv, bias_exp = _number(said, "dv"), _number(said, "bias_exp")
    steps = DECAY_ONE / dv if dv else NO_LEAK
    stored = np.asarray(groups[name]["v_leak"], np.float64) / (steps * 2.0**bias_exp)
    bias = _whole(stored, f"bias of '{name}'")
    return Population(
        name=name,
        shape=shape,
        synapses=tuple(_synapses(s, groups) for s in said["synapses"]),
        du=_number(said, "du"),
        dv=dv,
        vth=None if said["vth"] is None else _number(said, "vth"),
        bias=np.array(bias.flat[0], np.int32) if said["bias_shared"] else bias.reshape(shape),
        bias_exp=bias_exp,
        reset=said["reset"],
        reset_delay=bool(said["reset_delay"]),
    )


def _synapses(said: Mapping[str, Any], groups: Mapping[str, Tree]) -> Synapses:
    fields = dict(said["operation"])
    kind, name = fields.pop("kind"), str(said["name"])
    fields = {key: _number(fields, key) for key in fields}
    scale = 2.0 ** (fields["weight_exp"] + THRESHOLD_SHIFT)
    weight = _whole(np.asarray(groups[name]["weight"], np.float64) / scale, f"weights of '{name}'")
    operation: Operation
    if kind == "Conv1d":
        operation = Conv1d(weight=regrouped(weight, fields["groups"]), **fields)
    elif kind == "Dense":
        operation = Dense(weight=weight, **fields)
    else:
        raise GraphError(f"synapses '{name}' are of the unknown kind '{kind}'")
    return Synapses(name, str(said["source"]), operation, bool(said["recurrent"]))


def _number(said: Mapping[str, Any], key: str) -> int:
    """A field that must be a whole number; JSON would also keep a text, a fraction or a list there."""
    value = said[key]
    if not isinstance(value, int) or isinstance(value, bool):
        raise GraphError(f"its metadata has the {key} {value!r}, which is no whole number; write it again")
    return value


def _shape(said: Mapping[str, Any]) -> tuple[int, ...]:
    return tuple(_number({"shape": n}, "shape") for n in said["shape"])


def _whole(values: NDArray[np.float64], what: str) -> Int:
    """``values`` as the integers they stand for, within the rounding of one division."""
    rounded = np.round(values)
    if not np.allclose(values, rounded, rtol=0, atol=1e-6) or np.abs(rounded).max(initial=0) > 2**24:
        raise GraphError(f"the {what} are not the integers the file's metadata promises; it was changed")
    return rounded.astype(np.int32)
