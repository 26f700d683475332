"""Fine-tune an integer network by backpropagation through its own arithmetic, optionally towards a finer twin.

The number of epochs is fixed beforehand and the learning rate falls to zero over them (half a cosine), so the last
epoch is the result. The twin is the same graph at 8 bits before any fine-tuning, whose decisions are the float
network's but for rounding; its outputs are soft labels (Hinton, Vinyals and Dean, arXiv:1503.02531).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from cortexcore.errors import CortexCoreError, DataError
from cortexcore.export.bounds import Range
from cortexcore.export.graph import Graph
from cortexcore.export.network import IntegerNetwork
from cortexcore.export.quantize import QuantizationConfig, quantize
from cortexcore.train.qat.finish import to_graph, to_integer
from cortexcore.train.qat.network import SLOPE, QatNetwork, QatTrace

Array = NDArray[Any]
Batch = tuple[dict[str, Tensor], Tensor]
"""Inputs, name → whole numbers [T, B, *shape], and labels int64 [B]."""
Batches = Callable[[], Iterator[Batch]]
"""The batches of one epoch, drawn anew at each call."""
Decision = Literal["last", "mean", "count"]
TWIN_BITS = 8


@dataclass(frozen=True)
class FineTuning:
    """How a network is fine-tuned; validated at construction.

    Attributes:
        epochs, batch: passes over the data, and inferences per step.
        learning_rate: of AdamW, in units of the weight grid's end; it falls to zero over the epochs.
        weight_decay: of AdamW.
        distillation: share of the loss that asks for the twin's outputs instead of the labels, in [0, 1].
        temperature: of the softmax in the distillation.
        decision: what the output's classes are told by: the last step's value ("last"), the mean over the steps
            ("mean"), or the number of spikes ("count", for outputs that spike).
        smoothing: label smoothing of the cross entropy.
        surrogate_slope: of the fast sigmoid over (v − θ)/θ.

    Raises:
        CortexCoreError: a value is out of its range.
    """

    epochs: int = 2
    batch: int = 128
    learning_rate: float = 1e-3
    weight_decay: float = 0.0
    distillation: float = 0.5
    temperature: float = 2.0
    decision: Decision = "last"
    smoothing: float = 0.02
    surrogate_slope: float = SLOPE

    def __post_init__(self) -> None:
        problems = []
        if not all(isinstance(count, int) and count >= 1 for count in (self.epochs, self.batch)):
            problems.append(f"epochs {self.epochs!r} and batch {self.batch!r} must be whole numbers of at least 1")
        numbers = (self.learning_rate, self.weight_decay, self.temperature, self.surrogate_slope)
        if not all(math.isfinite(number) for number in numbers):
            problems.append("learning_rate, weight_decay, temperature and surrogate_slope must be finite")
        if not (self.learning_rate > 0 and self.weight_decay >= 0):
            problems.append("learning_rate must be above 0 and weight_decay no less than 0")
        if not (0 <= self.distillation <= 1 and self.temperature > 0 and 0 <= self.smoothing < 1):
            problems.append("distillation must lie in [0, 1], temperature above 0, smoothing in [0, 1)")
        if self.decision not in get_args(Decision):
            problems.append(f"decision is '{self.decision}', use one of {', '.join(get_args(Decision))}")
        if not self.surrogate_slope > 0:
            problems.append("surrogate_slope must be above 0")
        if problems:
            raise CortexCoreError("the network cannot be fine-tuned like this: " + "; ".join(problems))

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, eq=False)
class FineTuned:
    """What fine-tuning gave.

    Attributes:
        network: the integer network; ``metadata["quantization"]["qat"]`` says how it was tuned.
        graph: the float graph that its integers stand for.
        losses: mean loss of each epoch.
        trained: the network as it was trained, whose forward pass equals the integer network's golden run.
    """

    network: IntegerNetwork
    graph: Graph
    losses: tuple[float, ...]
    trained: QatNetwork


def fine_tune(
    graph: Graph,
    config: QuantizationConfig,
    inputs: Mapping[str, Array],
    labels: Array,
    how: FineTuning | None = None,
    *,
    seed: int = 0,
    teacher: Graph | None = None,
    calibration: Mapping[str, Array] | None = None,
    input_ranges: Mapping[str, Range] | None = None,
    progress: Callable[[str], None] | None = None,
) -> FineTuned:
    """Quantize a graph and fine-tune it on labelled inputs.

    Args:
        graph: the float graph, with one output whose values or spikes tell the classes.
        config: bits and scales, which stay as the first quantization chose them.
        inputs: input name → integers [T, N, *shape]; labels: class index of each of the N inferences.
        how: epochs, learning rate and the rest.
        seed: of the order in which inferences are drawn.
        teacher: the graph whose twin distillation asks for, e.g. before it was pruned; ``graph`` where None.
        calibration, input_ranges: as of ``quantize``; the inputs themselves calibrate where none is given.
        progress: called with a line per epoch.

    Raises:
        GraphError, QuantizationError: the graph cannot be quantized, or its result not be written as a graph.
        DataError: inputs and labels do not fit the network or each other.
    """
    how = how or FineTuning()
    calibration = inputs if calibration is None else calibration
    labels = _checked_labels(inputs, labels)
    rng = np.random.default_rng(seed)

    def draw() -> Iterator[Batch]:
        for chosen in np.array_split(rng.permutation(len(labels)), math.ceil(len(labels) / how.batch)):
            yield (
                {name: torch.from_numpy(np.asarray(a)[:, chosen].astype(np.float32)) for name, a in inputs.items()},
                torch.from_numpy(labels[chosen]),
            )

    return tune(graph, config, draw, how, calibration, input_ranges, teacher, progress)


def tune(
    graph: Graph,
    config: QuantizationConfig,
    draw: Batches,
    how: FineTuning,
    calibration: Mapping[str, Array],
    input_ranges: Mapping[str, Range] | None = None,
    teacher: Graph | None = None,
    progress: Callable[[str], None] | None = None,
) -> FineTuned:
    """As :func:`fine_tune`, with batches from ``draw``, which may differ from epoch to epoch."""
    network = quantize(graph, config, calibration, input_ranges)
    trained = QatNetwork(graph, network, how.surrogate_slope)
    output = only_output(network)
    if (how.decision == "count") != (network.population(output).vth is not None):
        raise CortexCoreError(
            f"the output '{output}' {'sends its membrane' if how.decision == 'count' else 'spikes'}: use decision "
            + ("'last' or 'mean'" if how.decision == "count" else "'count'")
        )
    twin = None
    if how.distillation:
        fine, taught = replace(config, bits=TWIN_BITS, overrides={}), teacher or graph
        twin = QatNetwork(taught, quantize(taught, fine, calibration, input_ranges)).requires_grad_(False)
        _check_teacher(twin.network, network)
    to_graph(trained)  # a graph that cannot be written is refused before it is trained
    losses = _epochs(trained, twin, draw, how, progress or (lambda line: None))
    tuned = to_integer(trained, calibration)
    said = {**how.to_json(), "losses": [round(loss, 4) for loss in losses], "twin_bits": TWIN_BITS if twin else None}
    quantization = {**tuned.metadata["quantization"], "qat": said}
    tuned = replace(tuned, metadata={**tuned.metadata, "quantization": quantization})
    return FineTuned(tuned, to_graph(trained), tuple(losses), trained)


def only_output(network: IntegerNetwork) -> str:
    """The population behind a network's one output.

    Raises:
        DataError: there are several.
    """
    if len(network.outputs) != 1:
        raise DataError(f"labels need a network with one output, this one has {len(network.outputs)}")
    return network.outputs[0].source


def _check_teacher(teacher: IntegerNetwork, network: IntegerNetwork) -> None:
    """Refuse a teacher that decides otherwise than the network: other classes, or spikes against a membrane.

    Raises:
        DataError: its output differs in shape or in kind.
    """
    theirs, own = (n.population(only_output(n)) for n in (teacher, network))
    if theirs.size == own.size and (theirs.vth is None) == (own.vth is None):
        return
    said = [f"{p.size} classes by its {'membrane' if p.vth is None else 'spikes'}" for p in (theirs, own)]
    raise DataError(
        f"the teacher tells {said[0]} and the network {said[1]}: give a teacher whose output is the network's, or "
        "distillation=0"
    )


def logits(network: QatNetwork, trace: QatTrace, decision: Decision) -> Tensor:
    """What tells the classes [B, classes], float32: in float units, or in spikes."""
    (values,) = trace.outputs.values()
    flat = values.reshape(*values.shape[:2], -1)
    if decision == "count":
        return flat.sum(0).float()
    value = flat[-1] if decision == "last" else flat.mean(0)
    return (value * network.unit(only_output(network.network))).float()


def _epochs(
    trained: QatNetwork, twin: QatNetwork | None, draw: Batches, how: FineTuning, say: Callable[[str], None]
) -> list[float]:
    optimizer = torch.optim.AdamW(trained.parameters(), lr=how.learning_rate, weight_decay=how.weight_decay)
    losses = []
    for number in range(1, how.epochs + 1):
        total, count = 0.0, 0
        batches = list(draw())
        for index, (inputs, labels) in enumerate(batches):
            done = (number - 1 + index / len(batches)) / how.epochs
            for group in optimizer.param_groups:
                group["lr"] = how.learning_rate * (1 + math.cos(math.pi * done)) / 2
            loss = _loss(trained, twin, inputs, labels, how)
            if not bool(torch.isfinite(loss)):
                raise CortexCoreError(
                    f"the loss of epoch {number} is {float(loss.detach())}: use a temperature and a learning rate "
                    "nearer to the defaults"
                )
            optimizer.zero_grad()
            torch.autograd.backward(loss)
            torch.nn.utils.clip_grad_norm_(trained.parameters(), 1.0)
            optimizer.step()
            trained.settle()
            total, count = total + float(loss.detach()) * len(labels), count + len(labels)
        losses.append(total / count)
        say(f"fine-tuning, epoch {number}/{how.epochs}: loss {losses[-1]:.3f}")
    return losses


def _loss(
    trained: QatNetwork, twin: QatNetwork | None, inputs: dict[str, Tensor], labels: Tensor, how: FineTuning
) -> Tensor:
    decided = logits(trained, trained(inputs), how.decision)
    if labels.max() >= decided.shape[1]:
        raise DataError(f"a label is {int(labels.max())}, the network's output tells {decided.shape[1]} classes apart")
    loss = functional.cross_entropy(decided, labels, label_smoothing=how.smoothing)
    if twin is None:
        return loss
    with torch.no_grad():
        wanted = logits(twin, twin(inputs), how.decision)
    softened = functional.kl_div(
        (decided / how.temperature).log_softmax(1),
        (wanted / how.temperature).log_softmax(1),
        reduction="batchmean",
        log_target=True,
    )
    return (1 - how.distillation) * loss + how.distillation * (how.temperature * how.temperature) * softened


def _checked_labels(inputs: Mapping[str, Array], labels: Array) -> NDArray[np.int64]:
    try:
        values = np.asarray(labels)
    except ValueError as error:
        raise DataError("the labels are no array: give one class index each") from error
    sizes = {np.shape(a)[1] for a in inputs.values() if np.ndim(a) > 1}
    if values.ndim != 1 or values.dtype.kind not in "iu" or sizes != {len(values)} or not len(values):
        raise DataError(
            f"labels of shape {values.shape} and type {values.dtype} do not fit inputs of {sorted(sizes)} inferences: "
            "give one class index each"
        )
    if values.min() < 0:
        raise DataError(f"a label is {values.min()}, class indices start at 0")
    return values.astype(np.int64)
