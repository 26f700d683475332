"""What calibrates and what judges a quantization: arrays from a file, or beats of recordings through the front end."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cortexcore.arrays import read_arrays, to_batch
from cortexcore.errors import DataError
from cortexcore.export.graph import Graph
from cortexcore.export.passes.input_steps import rounded

Array = NDArray[Any]
Inputs = Mapping[str, Array] | Array
"""Input name → [T, B, *shape], or one array for a graph with one input."""
RECORD = re.compile(r"[A-Za-z0-9]+")
LABELS = "labels"


@dataclass(frozen=True, eq=False)
class Samples:
    """Network inputs and what is known of them.

    Attributes:
        inputs: input name → [T, B, *shape].
        labels: class index of each inference [B], or None.
        what: in words, e.g. "512 beats of the records 101, 106".
        records: names of the recordings they come from; empty for a file's arrays.
        rounded: a sentence for each input whose floats were rounded to its step.
    """

    inputs: Mapping[str, Array]
    labels: Array | None
    what: str
    records: tuple[str, ...] = ()
    rounded: tuple[str, ...] = ()


def from_arrays(given: Inputs, graph: Graph, what: str, labels: Array | None = None) -> Samples:
    """Samples of arrays; a missing batch axis is put in, floats are rounded to their input's
    step where it has one. Raises DataError where they do not fit the graph."""
    shapes = {name: node.shape for name, node in graph.inputs.items()}
    named = given if isinstance(given, Mapping) else {"x": given}
    inputs, _ = to_batch({name: _array(values, f"input '{name}'") for name, values in named.items()}, shapes)
    found = rounded(inputs, graph)
    return Samples(found.inputs, None if labels is None else _array(labels, "labels"), what, rounded=found.said)


def _array(values: object, what: str) -> Array:
    try:
        return np.asarray(values)
    except (ValueError, TypeError, RuntimeError) as error:  # ragged lists; tensors that have a gradient or a device
        raise DataError(f"{what} cannot be made a NumPy array: {error}") from error


def read_samples(
    source: str,
    option: str,
    graph: Graph,
    most: int,
    data: Path | None = None,
    progress: Callable[[str], None] = lambda line: None,
) -> Samples:
    """The samples that a command line names.

    Args:
        source: an .npz file (input name → [T, B, *shape] or [T, *shape], and ``labels`` [B]), or record names with
            commas between them.
        option: which option says so, for errors.
        graph: the network they are for.
        most: beats of records at most, evenly spaced.
        data: folder of the recordings.
        progress: called with a line for each record.

    Raises:
        DataError: the file or a record is missing, damaged or unfit, or the network has no front end for records.
    """
    path = Path(source)
    if path.suffix == ".npz" or path.is_file():
        return _from_file(path, graph)
    names = tuple(name.strip() for name in source.split(",") if name.strip())
    if not names or not all(RECORD.fullmatch(name) for name in names):
        raise DataError(f"{option} is '{source}', which is neither an .npz file nor record names like 101,106")
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise DataError(f"{option} names the record {', '.join(twice)} twice; name each once")
    return _from_records(names, option, graph, most, data, progress)


def _from_file(path: Path, graph: Graph) -> Samples:
    arrays = read_arrays(path)
    shapes = {name: node.shape for name, node in graph.inputs.items()}
    labels = arrays.pop(LABELS) if LABELS not in shapes and LABELS in arrays else None
    if labels is None and (strange := sorted(arrays.keys() - shapes.keys() - {"x"})):
        raise DataError(
            f"'{path.name}' holds {', '.join(strange)}, which is no input of the network ({', '.join(shapes)}); "
            f"the true classes are called '{LABELS}'"
        )
    samples = from_arrays(arrays, graph, path.name, labels)
    inferences = next(iter(samples.inputs.values())).shape[1]
    return replace(samples, what=f"{inferences:,} inferences of '{path.name}'")


def _from_records(
    names: tuple[str, ...],
    option: str,
    graph: Graph,
    most: int,
    data: Path | None,
    progress: Callable[[str], None],
) -> Samples:
    front_end, steps = graph.metadata.get("front_end"), graph.metadata.get("steps")
    if not front_end or not isinstance(steps, int):
        raise DataError(
            f"{option} names records, but this network has no front end in its metadata that could make inputs of "
            "them: give an .npz file"
        )
    from cortexcore.runtime.frontend import FrontEndConfig
    from cortexcore.runtime.frontend.encoder import encode
    from cortexcore.train.beats import thin
    from cortexcore.train.dataset import load_dataset

    read = lambda name: progress(f"reading record {name}")  # noqa: E731
    beats = thin(load_dataset(names, FrontEndConfig.from_json(front_end), data, progress=read), most)
    what = f"{len(beats):,} beats of the record{'s' if len(names) > 1 else ''} {', '.join(names)}"
    return Samples(encode(beats.windows, beats.rhythms, steps), beats.labels.astype(np.int64), what, names)
