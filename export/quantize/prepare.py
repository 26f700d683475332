"""Everything about a graph that quantizing it needs and that no choice of bits changes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cortexcore.errors import QuantizationError
from cortexcore.export import reference
from cortexcore.export.batches import batches
from cortexcore.export.bounds import Range
from cortexcore.export.graph import Graph
from cortexcore.export.network import InputPort
from cortexcore.export.nodes import Float
from cortexcore.export.passes.populations import FloatNetwork, normal_form
from cortexcore.export.quantize.effective import Effective, effective
from cortexcore.export.quantize.helpers import check_delayed_inputs
from cortexcore.export.quantize.scale import Seen

Array = NDArray[Any]
INPUT_LIMIT = 2**23
"""Inputs are 24-bit integers."""


@dataclass(frozen=True, eq=False)
class Prepared:
    """A graph ready to be put on the grids.

    Attributes:
        graph: flat; ``floats`` its normal form; ``numbers`` its populations as the arithmetic has them.
        ports: the integer network's inputs; ``origins``: input → where its range comes from.
        seen: population → what calibration saw of it; empty without calibration.
    """

    graph: Graph
    floats: FloatNetwork
    numbers: Mapping[str, Effective]
    ports: tuple[InputPort, ...]
    origins: Mapping[str, str]
    seen: Mapping[str, Seen]

    @property
    def layers(self) -> dict[str, int]:
        """Layer (synapse) name → its number of weights, in computing order."""
        return {s.name: s.operation.weight.size for p in self.floats.populations for s in p.synapses}


def prepare(
    graph: Graph, calibration: Mapping[str, Array] | None = None, input_ranges: Mapping[str, Range] | None = None
) -> Prepared:
    """Bring ``graph`` to its normal form and run it on the calibration; arguments and errors as of ``quantize``."""
    graph = graph.flat
    floats = normal_form(graph)
    ports, origins = _ports(graph, calibration, input_ranges)
    check_delayed_inputs(floats, {port.name: (port.low, port.high) for port in ports})
    with np.errstate(over="ignore", invalid="ignore"):
        numbers = {p.name: effective(p, graph) for p in floats.populations}
    _check_finite(numbers)
    seen = {} if calibration is None else _seen(graph, calibration)
    return Prepared(graph, floats, numbers, ports, origins, seen)


def _check_finite(numbers: Mapping[str, Effective]) -> None:
    """Refuse weights and biases that leave the range of floats once the neurons' gains are folded in."""
    lost = [
        f"'{place}'"
        for name, each in numbers.items()
        for place, values in {**each.weights, f"bias of {name}": each.bias, f"current of {name}": each.current}.items()
        if not np.isfinite(values).all()
    ]
    if lost:
        raise QuantizationError(
            f"{', '.join(lost)} times the gain of its neurons is too large for a float: scale weights, biases or gains "
            "down, and the thresholds with them"
        )


def _seen(graph: Graph, calibration: Mapping[str, Array]) -> dict[str, Seen]:
    """Neuron → its peak, and the mean square of everything that was sent, on the calibration inputs."""
    peaks: dict[str, float] = {}
    squares: dict[str, Float] = {}
    count = 0
    for some in batches(calibration):
        trace = reference.run(graph, some)
        for name, peak in trace.v_peak.items():
            peaks[name] = max(peaks.get(name, 0.0), peak, trace.current_peak[name])
        sent: dict[str, Any] = {**{name: np.asarray(some[name]) for name in graph.inputs}, **trace.spikes}
        for name, values in sent.items():
            squares[name] = squares.get(name, np.zeros(())) + np.square(values, dtype=np.float64).sum(axis=(0, 1))
        first = next(iter(sent.values()))
        count += first.shape[0] * first.shape[1]
    moments = {name: total / count for name, total in squares.items()}
    return {name: Seen(peak, moments) for name, peak in peaks.items()}


def _ports(
    graph: Graph, calibration: Mapping[str, Array] | None, given: Mapping[str, Range] | None
) -> tuple[tuple[InputPort, ...], dict[str, str]]:
    """The input ports, and where each one's range comes from."""
    given = given or {}
    stored = graph.metadata.get("input_ranges", {})
    if not isinstance(stored, Mapping):
        raise QuantizationError(f"the graph's metadata has input_ranges {stored!r}: give {{input: (low, high)}}")
    if unknown := sorted(set(given) - set(graph.inputs)):
        raise QuantizationError(f"there is no input {', '.join(unknown)}; the inputs are {sorted(graph.inputs)}")
    ports: list[InputPort] = []
    origins: dict[str, str] = {}
    problems: list[str] = []
    for name, node in graph.inputs.items():
        seen = None if calibration is None else np.asarray(calibration.get(name, 0))
        if seen is not None and seen.dtype.kind not in "biuf":
            problems.append(f"calibration input '{name}' holds {seen.dtype}, which are no real numbers")
            continue
        if seen is not None and not (np.isfinite(seen).all() and np.array_equal(seen, np.round(seen))):
            problems.append(
                f"calibration input '{name}' holds values that are not integers (encode it first, or say what one "
                f"integer unit of it is worth, as with input_steps={{'{name}': 1 / 127}} or --input-step {name}=0.0079)"
            )
            continue
        if name in given or name in stored:
            origins[name] = "argument" if name in given else "metadata"
            wanted = given[name] if name in given else stored[name]
        elif seen is not None and seen.size:
            origins[name], wanted = "calibration", (int(seen.min()), int(seen.max()))
        elif seen is not None:
            problems.append(f"calibration input '{name}' of shape {seen.shape} is empty: it needs steps and inferences")
            continue
        else:
            problems.append(
                f"input '{name}' has no range (give typical inputs, on the command line --calibration X.npz, "
                f"or input_ranges={{'{name}': (low, high)}})"
            )
            continue
        limits = _range(wanted)
        if limits is None:
            problems.append(f"input '{name}' has the range {_short(wanted)}, it must be two ascending 24-bit integers")
        elif seen is not None and seen.size and (seen.min() < limits[0] or seen.max() > limits[1]):
            problems.append(
                f"calibration input '{name}' holds values in [{seen.min()}, {seen.max()}], outside {limits}"
            )
        else:
            ports.append(InputPort(name, node.shape, *limits))
    if problems:
        raise QuantizationError("the inputs cannot be quantized: " + "; ".join(problems))
    return tuple(ports), origins


def _short(wanted: Any) -> str:
    """``wanted`` for a sentence, however many digits it has."""
    text = str(wanted)
    return text if len(text) <= 60 else f"{text[:28]}…{text[-28:]}"


def _range(wanted: Any) -> Range | None:
    """(low, high) as integers, or None where ``wanted`` is no range of 24-bit integers."""
    try:
        low, high = (int(value) for value in wanted)
    except (TypeError, ValueError, OverflowError):
        return None
    return (low, high) if [low, high] == list(wanted) and -INPUT_LIMIT <= low <= high <= INPUT_LIMIT else None
