"""Inputs that are floats, such as pixels in [0, 1]: a step says how much of one is one integer input unit."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cortexcore.errors import DataError, QuantizationError
from cortexcore.export.graph import Graph
from cortexcore.export.nodes import Scale

Steps = Mapping[str, float] | float
"""Input → float value of one integer unit, or one value for all inputs."""
KEY = "input_steps"
"""Where a graph's metadata keeps the steps of its inputs."""
LIMIT = 2**23


@dataclass(frozen=True, eq=False)
class Rounded:
    """Inputs in integer units; ``said``: one sentence for each input that was rounded, on what that cost."""

    inputs: dict[str, NDArray[Any]]
    said: tuple[str, ...]


def with_input_steps(graph: Graph, steps: Steps) -> Graph:
    """The graph with integer inputs: it sees step·n where ``graph`` sees x = step·n.

    A scale follows each input that has a step, which quantization folds into the first weights. ``input_ranges`` in
    the metadata are brought to integer units.

    Raises:
        QuantizationError: a step is no positive number, names no input, or an input has one already.
    """
    given = dict(steps) if isinstance(steps, Mapping) else dict.fromkeys(graph.inputs, steps)
    problems = [f"there is no input '{name}'" for name in sorted(given.keys() - graph.inputs.keys())]
    problems += [f"input '{n}' has a step already" for n in sorted(given.keys() & steps_of(graph).keys())]
    problems += [
        f"the step of '{n}' is {s!r}, it must be a positive number" for n, s in given.items() if not _usable(s)
    ]
    if problems:
        raise QuantizationError(
            f"the input steps do not fit: {'; '.join(problems)} (the inputs are {', '.join(sorted(graph.inputs))})"
        )
    nodes, edges = dict(graph.nodes), list(graph.edges)
    for name, step in given.items():
        scale = _free(f"{name}_step", nodes)
        nodes[scale] = Scale(np.array(step, np.float64))
        edges = [(scale if source == name else source, target) for source, target in edges] + [(name, scale)]
    metadata = {**graph.metadata, KEY: {**steps_of(graph), **{name: float(step) for name, step in given.items()}}}
    ranges = graph.metadata.get("input_ranges")
    if isinstance(ranges, Mapping):
        metadata["input_ranges"] = {n: _in_units(r, given[n]) if n in given else r for n, r in ranges.items()}
    return replace(graph, nodes=nodes, edges=tuple(edges), metadata=metadata)


def steps_of(graph: Graph) -> dict[str, float]:
    """Input → its step, of those that have one. Raises QuantizationError where the metadata hold something else."""
    steps = graph.metadata.get(KEY, {})
    if not (isinstance(steps, Mapping) and all(n in graph.inputs and _usable(s) for n, s in steps.items())):
        raise QuantizationError(f"the graph's metadata has {KEY} {steps!r}: give {{input: positive number}}")
    return {name: float(step) for name, step in steps.items()}


def rounded(inputs: Mapping[str, NDArray[Any]], graph: Graph) -> Rounded:
    """Floats of the inputs that have a step as integers, x / step rounded half to even.

    Integer types are taken to be in integer units already.

    Raises:
        DataError: an input is not finite, leaves 24 bits, or vanishes altogether in its step.
    """
    found, said, problems = dict(inputs), [], []
    for name, step in steps_of(graph).items():
        x = np.asarray(inputs[name])
        if x.dtype.kind != "f" or not x.size:
            continue
        units = np.rint(x.astype(np.float64) / step)
        if not (np.abs(units) <= LIMIT).all():
            problems.append(f"input '{name}' holds values that are no 24-bit number of steps of {step:g}")
        elif x.any() and not units.any():
            problems.append(
                f"input '{name}' vanishes in its step of {step:g}, the largest value is {np.abs(x).max():g}"
            )
        else:
            found[name] = units.astype(np.int32)
            said.append(_cost(name, step, x, units * step))
    if problems:
        raise DataError("the inputs cannot be rounded to their steps: " + "; ".join(problems) + "; give another step")
    return Rounded(found, tuple(said))


def _cost(name: str, step: float, x: NDArray[Any], kept: NDArray[np.float64]) -> str:
    error = kept - x
    noise, signal = float(np.square(error).sum()), float(np.square(x, dtype=np.float64).sum())
    ratio = f"signal to noise {10 * math.log10(signal / noise):.1f} dB" if noise and signal else "nothing was lost"
    return (
        f"The floats of input '{name}' were rounded to steps of {step:g}, at most {np.abs(error).max():.3g} off "
        f"({ratio}); float and integer network are both compared on the rounded values."
    )


def _in_units(wanted: Any, step: float) -> Any:
    """A (low, high) in integer units; what is no such pair stays, for quantization to refuse."""
    try:
        low, high = (float(value) for value in wanted)
        return round(low / step), round(high / step)
    except (TypeError, ValueError, OverflowError):
        return wanted


def _usable(step: Any) -> bool:
    return isinstance(step, Real) and not isinstance(step, bool) and 0 < float(step) < math.inf


def _free(name: str, taken: Mapping[str, Any]) -> str:
    while name in taken:
        name += "_"
    return name
