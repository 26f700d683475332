"""Inputs and outputs as .npz files: one array per node, [T, *shape] or [T, B, *shape]."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cortexcore.errors import DataError
from cortexcore.export.files import replacing
from cortexcore.targets.base import Result

Arrays = dict[str, NDArray[Any]]


def read_arrays(path: Path) -> Arrays:
    """Every array of an .npz file. Raises DataError where it is missing, damaged, or holds Python objects."""
    if not path.is_file():
        raise DataError(f"there is no file '{path}'")
    try:
        loaded = np.load(path, allow_pickle=False)
        if isinstance(loaded, np.ndarray):
            raise DataError(f"'{path}' is a single .npy array; save it with numpy.savez(path, x=array)")
        with loaded as file:
            arrays = {name: file[name] for name in file.files}
    except DataError:
        raise
    except Exception as error:  # a damaged file makes NumPy, zipfile and zlib raise a dozen kinds
        raise DataError(f"'{path}' is not a readable .npz file of plain arrays ({error})") from error
    if foreign := [name for name, values in arrays.items() if not isinstance(values, np.ndarray)]:
        raise DataError(f"'{path}' holds {foreign}, which are no arrays; write it with numpy.savez")
    return arrays


def to_batch(arrays: Arrays, shapes: Mapping[str, tuple[int, ...]]) -> tuple[Arrays, bool]:
    """Bring user arrays to [T, B, *shape].

    Args:
        arrays: input node → array, or a single array under ``x`` for a network with one input.
        shapes: input node → its shape without time and batch.

    Returns:
        the arrays with a batch axis, and whether they had one before.

    Raises:
        DataError: a name or shape does not fit; the message gives what the network takes.
    """
    if set(arrays) == {"x"} and len(shapes) == 1:
        arrays = {next(iter(shapes)): arrays["x"]}
    wanted = ", ".join(f"'{n}' [T, {''.join(f'{d}, ' for d in s)[:-2]}]" for n, s in shapes.items())
    if set(arrays) != set(shapes):
        raise DataError(f"the network's inputs are {wanted} (or [T, B, …]); got {sorted(arrays)}")
    batched = set()
    for name, shape in shapes.items():
        given = arrays[name].shape
        extra = len(given) - len(shape)
        if extra not in (1, 2) or given[extra:] != tuple(shape):
            raise DataError(f"input '{name}' has shape {given}; the network takes {wanted} (or [T, B, …])")
        if arrays[name].dtype.kind not in "biuf":
            raise DataError(f"input '{name}' holds {arrays[name].dtype}, not real numbers")
        batched.add(extra == 2)
    if len(batched) > 1:
        raise DataError("some inputs have a batch axis and some do not; give all of them as [T, …] or as [T, B, …]")
    has_batch = batched.pop()
    return {n: arrays[n] if has_batch else arrays[n][:, None] for n in shapes}, has_batch


def result_arrays(result: Result, batched: bool) -> Arrays:
    """What ``cortexcore run`` writes: every output, a single one also as ``y``, and the trace there is."""
    arrays = dict(result.outputs)
    if len(arrays) == 1:
        arrays["y"] = next(iter(arrays.values()))
    for kind in ("spikes", "u", "v"):
        arrays |= {f"{kind}/{node}": values for node, values in getattr(result, kind).items()}
    return {name: values if batched else values[:, 0] for name, values in arrays.items()}


def write_arrays(path: Path, arrays: Arrays) -> None:
    """Write an .npz file, whole or not at all; ``path`` is taken as it is, whatever its suffix."""
    with replacing(path) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, values in arrays.items():  # numpy.savez takes names as keywords, and keeps "file" for itself
            with archive.open(f"{name}.npy", "w", force_zip64=True) as entry:
                np.lib.format.write_array(entry, values, allow_pickle=False)  # type: ignore[no-untyped-call]
