"""Running the two TFLite models: needs a runtime alone."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from cortexcore.export.integer import check_inputs
from cortexcore.export.network import IntegerNetwork
from cortexcore.targets.base import Array, Arrays, Result
from cortexcore.targets.integer.stepper import check_step
from cortexcore.targets.saved import network_sha256
from cortexcore.targets.tflite.config import TfliteConfig
from cortexcore.targets.tflite.form import NEXT, PREVIOUS, TRACE, Form
from cortexcore.targets.tflite.runtime import Opened


@dataclass(frozen=True, eq=False)
class TfliteArtifact:
    """The network and its two models.

    Attributes:
        network: what was lowered.
        config: how it runs.
        steps: those that one call of ``sequence`` advances.
        sequence, step: the models.
    """

    network: IntegerNetwork
    config: TfliteConfig
    steps: int
    sequence: Form
    step: Form

    @cached_property
    def sha256(self) -> str:
        return network_sha256(self.network)

    @cached_property
    def opened_sequence(self) -> Opened:
        return Opened(self.sequence.data, self.config, self.sequence.outputs)

    @cached_property
    def opened_trace(self) -> Opened:
        """The sequence form with all values handed out; made when asked for, since nothing else needs it."""
        from cortexcore.targets.tflite.forms import build

        traced = build(self.network, {}, self.steps, traced=True)
        return Opened(traced.data, self.config, traced.outputs)


def run(artifact: TfliteArtifact, inputs: Arrays, trace: bool) -> Result:
    """All steps, in blocks of as many as the sequence form holds."""
    network, count = artifact.network, artifact.steps
    checked = check_inputs(network, inputs)
    steps, batch = next(iter(checked.values())).shape[:2]
    opened = artifact.opened_trace if trace else artifact.opened_sequence
    state = _rest(opened, batch)
    blocks: list[dict[str, Array]] = []
    for first in range(0, steps, count):
        feeds = {name: _block(values[first : first + count], count) for name, values in checked.items()}
        values = opened.call({**feeds, **state}, batch)
        state = _states(values)
        blocks.append(values)
    whole = {n: np.concatenate([block[n] for block in blocks])[:steps] for n in blocks[0] if not n.startswith(NEXT)}
    traced = {n.removeprefix(TRACE).partition("/")[::2]: x for n, x in whole.items() if n.startswith(TRACE)}
    kinds = ({n: x for (k, n), x in traced.items() if k == kind} for kind in ("spikes", "u", "v"))
    return Result({port.name: whole[port.name] for port in network.outputs}, *kinds)


class TfliteStepper:
    """Implements :class:`cortexcore.targets.base.Stepper` with the step form, in an interpreter of its own."""

    def __init__(self, artifact: TfliteArtifact) -> None:
        self._network = artifact.network
        self._opened = Opened(artifact.step.data, artifact.config, artifact.step.outputs)
        self.start()

    def start(self, batch: int = 1) -> None:
        self._batch = batch
        self._state = _rest(self._opened, batch)

    def step(self, inputs: Arrays) -> dict[str, Array]:
        checked = check_step(self._network, inputs, self._batch)
        values = self._opened.call({**checked, **self._state}, self._batch)
        self._state = _states(values)
        return {port.name: values[port.name] for port in self._network.outputs}


def _rest(opened: Opened, batch: int) -> dict[str, Array]:
    """Every state of ``batch`` inferences at rest."""
    states = {name: i for name, i in opened.inputs.items() if name.startswith(PREVIOUS)}
    return {name: np.zeros((batch, i["shape"][1]), i["dtype"]) for name, i in states.items()}


def _states(values: Arrays) -> dict[str, Array]:
    """The states that a call returned, as the next one takes them."""
    return {name.replace(NEXT, PREVIOUS, 1): x for name, x in values.items() if name.startswith(NEXT)}


def _block(values: Array, count: int) -> Array:
    """``count`` steps; what is missing of them is filled with zeros, whose results are never looked at."""
    missing = count - len(values)
    return values if missing == 0 else np.concatenate([values, np.zeros((missing, *values.shape[1:]), values.dtype)])
