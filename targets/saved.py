"""An integer network in a target's folder, as the integer NIR file ``network.nir``, and its digest."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from cortexcore.errors import BundleError, GraphError
from cortexcore.export.network import Convolution, Field, IntegerNetwork, Operation

FILE = "network.nir"


def network_sha256(network: IntegerNetwork) -> str:
    """A digest of all that determines the arithmetic: ports, parameters, weights; not dt or metadata."""
    digest = hashlib.sha256()

    def add(*values: object) -> None:
        digest.update(repr(values).encode())

    for port in network.inputs:
        add(port.name, port.shape, port.low, port.high)
    for p in network.populations:
        fields = [p.du, p.dv, p.vth]
        add(p.name, p.shape, *map(_said, fields), p.bias_exp, p.reset, p.reset_delay, p.bias.shape)
        for values in (*(x for x in fields if isinstance(x, np.ndarray)), p.bias):
            digest.update(np.ascontiguousarray(values, "<i4").tobytes())
        for s in p.synapses:
            add(s.name, s.source, s.recurrent, *_operation_fields(s.operation))
            digest.update(np.ascontiguousarray(s.operation.weight, "<i4").tobytes())
    add(*((o.name, o.source) for o in network.outputs))
    return digest.hexdigest()


def save_network(network: IntegerNetwork, folder: Path) -> None:
    """Write ``network.nir`` into ``folder``."""
    from cortexcore.export.nir_io import write_integer_nir

    write_integer_nir(network, folder / FILE)


def load_network(folder: Path) -> IntegerNetwork:
    """Read what :func:`save_network` wrote. Raises BundleError where it is missing or damaged."""
    from cortexcore.export.nir_io import read_integer_nir

    if not (folder / FILE).is_file():
        raise BundleError(f"'{folder / FILE}' is missing: the artifact in '{folder}' is incomplete; lower it again")
    try:
        return read_integer_nir(folder / FILE)
    except GraphError as error:
        raise BundleError(f"the artifact in '{folder}' is damaged: {error}") from error


def _said(field: Field | None) -> object:
    """A field as the digest spells it: a number itself, and of an array its shape, whose values follow as bytes."""
    if isinstance(field, np.ndarray):
        return ("per neuron", field.shape)
    return None if field is None else int(field)


def _operation_fields(operation: Operation) -> tuple[object, ...]:
    shape = (type(operation).__name__, operation.weight_exp, operation.weight.shape)
    if isinstance(operation, Convolution):
        return (*shape, operation.stride, operation.padding, operation.dilation, operation.groups)
    return shape
