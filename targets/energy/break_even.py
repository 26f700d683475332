"""Would a quantized ANN of the same shape cost less? Both priced with the same constants, memory included.

After arXiv 2409.08290 (an SNN must spike rarely enough, over all its steps, to pay for its repeated work), with our
own terms: the ANN does every connection once, an int8 MAC and a weight byte each; the SNN does its effective
operations in every step, a weight byte each, and reads, updates and writes its states. The ANN is priced dense: it
skips no activation that is zero. One that skips them costs in proportion to those that are left, so that the ratio of
the two energies is also the share of its activations at which such an ANN would cost the same.
"""

from __future__ import annotations

from dataclasses import dataclass

from cortexcore.targets.energy.constants import cite_graded, constant, constants, listed
from cortexcore.targets.energy.host import ADDS_PER_UPDATE
from cortexcore.targets.energy.operations import COUNTED, STATE_BYTES, LayerOperations
from cortexcore.targets.profile import Figure

_ROWS = ("horowitz.int8_mul_j", "horowitz.int32_add_j", "horowitz.int32_mul_j", "horowitz.cache_word_j")
_PUBLISHED = "yan.break_even_rate"
_WORD_BYTES = 4


@dataclass(frozen=True)
class BreakEven:
    """The comparison's figures and its verdict in one sentence."""

    figures: dict[str, Figure]
    verdict: str


def break_even(layers: tuple[LayerOperations, ...]) -> BreakEven:
    """Energy of the network against an int8 ANN with the same connections, per inference."""
    steps, batch = layers[0].macs.shape
    multiply, add = constant("horowitz.int8_mul_j"), constant("horowitz.int32_add_j")
    byte = constant("horowitz.cache_word_j") / _WORD_BYTES
    update = constant("horowitz.int32_mul_j") + ADDS_PER_UPDATE * add + 2 * STATE_BYTES * byte
    ann = sum(x.connections for x in layers) * (multiply + add + byte)
    graded = sum(int(x.macs.sum()) for x in layers) / batch * (multiply + add + byte)
    spiking = sum(int(x.acs.sum()) for x in layers) / batch * (add + byte)
    states = sum(x.states for x in layers) * steps * update
    snn = graded + spiking + states
    neurons = sum(x.neurons for x in layers)
    rate = sum(int(x.spikes.sum()) for x in layers) / batch / steps / neurons
    conditions = f"45 nm, 8 kB cache, {steps} steps, mean over {batch} inferences"

    def modelled(value: float, unit: str) -> Figure:
        return Figure(value, unit, "modelled", cite_graded(*_ROWS), f"{conditions}; {listed(*_ROWS)}")

    figures = {
        "SNN": modelled(snn, "J"),
        "SNN: graded inputs": modelled(graded, "J"),
        "SNN: spikes": modelled(spiking, "J"),
        "SNN: neuron states": modelled(states, "J"),
        "ANN, int8, same connections": modelled(ann, "J"),
        "spike rate": Figure(rate, "spikes per neuron and step", "measured", COUNTED, conditions),
    }
    left = ann - graded - states
    if spiking > 0:
        figures["break-even spike rate"] = modelled(max(0.0, rate * left / spiking), "spikes per neuron and step")
    if 0 < snn < ann:
        figures["ANN activity at equal cost"] = modelled(snn / ann, "of its activations not zero")
    figures["break-even spike rate, published"] = Figure(
        constant(_PUBLISHED),
        "spikes per neuron and step",
        "modelled",
        cite_graded(_PUBLISHED),
        constants()[_PUBLISHED].conditions,
    )
    return BreakEven(figures, _verdict(snn, ann, rate, left, spiking))


def _verdict(snn: float, ann: float, rate: float, left: float, spiking: float) -> str:
    if ann == 0 or snn == 0:
        return "No verdict: the network does no synaptic work."
    ratio = snn / ann
    head = f"{'The SNN takes' if snn <= ann else 'An int8 ANN of the same shape would take less: the SNN takes'} "
    head += f"{ratio:.2g} times the ANN's {ann * 1e9:.3g} nJ"
    if left <= 0:
        return f"{head}; its inputs and neuron states alone cost more than the ANN, so no spike rate would win."
    if spiking <= 0:
        return f"{head}; it has no spiking synapses."
    equal = f"{head}, at {rate:.1%} spikes per neuron and step; they are equal at {rate * left / spiking:.1%}."
    if snn >= ann:
        return f"{equal} The ANN skips no zeros; one that does takes less still."
    return f"{equal} The ANN skips no zeros; one that does takes less where under {ratio:.1%} are left."
