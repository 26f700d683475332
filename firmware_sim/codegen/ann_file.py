"""An int8 ANN in one file: integers in an ``.npz``, names and constants beside them as JSON. Nothing is unpickled."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from cortexcore.errors import DataError, GraphError
from cortexcore.firmware_sim.codegen.ann import AnnLayer, AnnPort, Int8Ann

FORMAT = "cortexcore-int8-ann"
VERSION = 1
HEADER = "header"
CONSTANTS = ("name", "shape", "sources", "step", "multiplier", "shift", "zero", "scale")


def save_ann(path: Path, ann: Int8Ann, provenance: Mapping[str, Any]) -> None:
    """Write it; the same ANN gives the same bytes.

    Args:
        provenance: where it comes from, as JSON values.

    Raises:
        DataError: the file cannot be written.
    """
    header = {
        "format": FORMAT,
        "version": VERSION,
        "classes": ann.classes,
        "ports": [(port.name, port.shape) for port in ann.ports],
        "layers": [{name: getattr(layer, name) for name in CONSTANTS} for layer in ann.layers],
        "provenance": dict(provenance),
    }
    arrays = {f"{kind}_{i}": getattr(x, kind) for i, x in enumerate(ann.layers) for kind in ("weight", "bias")}
    content = io.BytesIO()
    np.savez_compressed(content, allow_pickle=False, **{HEADER: np.array(json.dumps(header, sort_keys=True)), **arrays})
    try:
        path.write_bytes(content.getvalue())
    except OSError as error:
        raise DataError(f"the int8 ANN cannot be written to {path}: {error.strerror or error}") from error


def load_ann(path: Path) -> tuple[Int8Ann, dict[str, Any]]:
    """The ANN, and where it comes from.

    Raises:
        DataError: the file is missing, damaged, or no int8 ANN of this version.
    """
    try:
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as found:
            arrays = {name: found[name] for name in found.files}
    except OSError as error:
        raise DataError(f"the int8 ANN {path} cannot be read: {error.strerror or error}") from error
    except Exception as error:  # foreign bytes make NumPy and zipfile raise whatever they like
        raise DataError(f"{path} is damaged or no int8 ANN ({type(error).__name__})") from error
    try:
        header = json.loads(str(arrays[HEADER]))
        if (header["format"], header["version"]) != (FORMAT, VERSION):
            raise DataError(f"{path} is a '{header['format']}' of version {header['version']}, not {FORMAT} {VERSION}")
        ports = tuple(AnnPort(name, tuple(shape)) for name, shape in header["ports"])
        layers = tuple(
            _layer(told, arrays[f"weight_{i}"], arrays[f"bias_{i}"]) for i, told in enumerate(header["layers"])
        )
        return Int8Ann(ports, layers, tuple(header["classes"])), header["provenance"]
    except (DataError, GraphError):
        raise
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DataError(f"{path} is damaged or no int8 ANN ({type(error).__name__})") from error


def _layer(told: Mapping[str, Any], weight: Any, bias: Any) -> AnnLayer:
    if weight.dtype != np.int8 or bias.dtype != np.int32 or weight.ndim != 2:
        raise ValueError("weights are int8 matrices, biases int32")
    values = {name: told[name] for name in CONSTANTS}
    return AnnLayer(
        **{**values, "shape": tuple(values["shape"]), "sources": tuple(values["sources"])}, weight=weight, bias=bias
    )
