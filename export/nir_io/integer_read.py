"""The integer network in a NIR file that :mod:`cortexcore.export.nir_io.integer_write` made, bit for bit."""

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
    Conv2d,
    Dense,
    Field,
    InputPort,
    Int,
    IntegerNetwork,
    Operation,
    OutputPort,
    Population,
    Synapses,
)
from cortexcore.export.nir_io.description import own_metadata
from cortexcore.export.nir_io.fields import Tree, array
from cortexcore.export.nir_io.forms import original
from cortexcore.export.nir_io.hdf import MAX_BYTES, read_tree
from cortexcore.export.nir_io.integer_write import EACH, NO_LEAK, PAIRS, steps_of
from cortexcore.export.nir_io.read import node_groups
from cortexcore.export.shapes import Shape

MAX_PARTS = 10_000
"""Ports, populations and synapses of one network."""


def read_integer_nir(path: Path | str, max_bytes: int = MAX_BYTES) -> IntegerNetwork:
    """Read what ``write_integer_nir`` wrote.

    Raises:
        GraphError: the file is damaged, holds no integer network, or its values are not the integers it promises.
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
        _require_few(ours)
        return IntegerNetwork(
            inputs=tuple(
                InputPort(str(p["name"]), _shape(p["shape"]), _number(p, "low"), _number(p, "high"))
                for p in ours["inputs"]
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


def _require_few(ours: Mapping[str, Any]) -> None:
    """Refuse a number of parts that no network has, before each is compared with all others."""
    parts = [*ours["inputs"], *ours["outputs"], *ours["populations"]]
    count = len(parts) + sum(len(p["synapses"]) for p in ours["populations"])
    if count > MAX_PARTS:
        raise GraphError(f"it names {count} ports, populations and synapses, more than {MAX_PARTS}; it is damaged")


def _population(said: Mapping[str, Any], groups: Mapping[str, Tree]) -> Population:
    name, shape = str(said["name"]), _shape(said["shape"])
    group, bias_exp = groups[name], _number(said, "bias_exp")

    def each(key: str, values: NDArray[np.float64]) -> Int:
        return _whole(values, f"{key} of '{name}'").reshape(shape)

    du, dv, vth = (said[key] if said[key] in (None, EACH) else _number(said, key) for key in ("du", "dv", "vth"))
    if dv == EACH:
        steps = array(group, "r")
        dv = each("dv", np.where(steps == NO_LEAK, 0.0, DECAY_ONE / steps))
    if du == EACH:
        du = each("du", DECAY_ONE / array(group, "w_in") - 1 if "w_in" in group else np.full(shape, DECAY_ONE - 1.0))
    if vth == EACH:
        vth = each("vth", array(group, "v_threshold") / 2.0**THRESHOLD_SHIFT)
    registers: dict[str, Field] = {"du": du, "dv": dv}
    steps = np.broadcast_to(steps_of(registers["dv"]), shape).reshape(np.shape(group["v_leak"]))
    bias = each("bias", array(group, "v_leak") / (steps * 2.0**bias_exp))
    return Population(
        name=name,
        shape=shape,
        synapses=tuple(_synapses(s, groups) for s in said["synapses"]),
        vth=vth,
        bias=np.array(bias.flat[0], np.int32) if said["bias_shared"] else bias,
        bias_exp=bias_exp,
        reset=said["reset"],
        reset_delay=bool(said["reset_delay"]),
        **registers,
    )


def _synapses(said: Mapping[str, Any], groups: Mapping[str, Tree]) -> Synapses:
    fields = dict(said["operation"])
    kind, name = fields.pop("kind"), str(said["name"])
    pairs = {key: _shape(fields.pop(key)) for key in (*PAIRS, "kernel") if kind == "Conv2d"}
    numbers = {key: _number(fields, key) for key in fields}
    scale = 2.0 ** (numbers["weight_exp"] + THRESHOLD_SHIFT)
    weight = _whole(array(groups[name], "weight") / scale, f"weights of '{name}'")
    operation: Operation
    if kind == "Conv1d":
        weight, _ = original(weight, (0,), (1,), numbers["groups"], weight.shape[2:])
        operation = Conv1d(weight=weight, **numbers)
    elif kind == "Conv2d":
        weight, _ = original(weight, (0, 0), (1, 1), numbers["groups"], pairs.pop("kernel"))
        stride, padding, dilation = ((pairs[key][0], pairs[key][1]) for key in PAIRS)
        operation = Conv2d(weight, stride=stride, padding=padding, dilation=dilation, **numbers)
    elif kind == "Dense":
        operation = Dense(weight=weight, **numbers)
    else:
        raise GraphError(f"synapses '{name}' are of the unknown kind '{kind}'")
    return Synapses(name, str(said["source"]), operation, bool(said["recurrent"]))


def _number(said: Mapping[str, Any], key: str) -> int:
    """A field that must be a whole number; JSON would also keep a text, a fraction or a list there."""
    value = said[key]
    if not isinstance(value, int) or isinstance(value, bool):
        raise GraphError(f"its metadata has the {key} {value!r}, which is no whole number; write it again")
    return value


def _shape(values: list[Any]) -> Shape:
    return tuple(_number({"shape": n}, "shape") for n in values)


def _whole(values: NDArray[np.float64], what: str) -> Int:
    """``values`` as the integers they stand for, within the rounding of one division."""
    rounded = np.round(values)
    if not np.allclose(values, rounded, rtol=0, atol=1e-6) or np.abs(rounded).max(initial=0) > 2**24:
        raise GraphError(f"the {what} are not the integers the file's metadata promises; it was changed")
    return rounded.astype(np.int32)
