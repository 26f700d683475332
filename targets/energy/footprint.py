"""The memory that a network needs wherever it runs: what it is made of, and what it keeps between steps."""

from __future__ import annotations

import math

import numpy as np

from cortexcore.export.graph import Graph
from cortexcore.export.network import IntegerNetwork, Population
from cortexcore.export.nodes import Layer, Linear
from cortexcore.targets.energy.bits import layer_bits
from cortexcore.targets.energy.operations import STATE_BYTES
from cortexcore.targets.profile import Figure

FLOAT_BYTES, BIAS_BYTES, DECAY_BYTES, THRESHOLD_BYTES = 4, 2, 2, 4
FULL_BITS = 8
"""Bits of a weight where the network does not say."""


def integer_footprint(network: IntegerNetwork) -> Figure:
    """Parameters and states of an integer network, in bytes.

    Weights count at their bits, a bias mantissa 2 bytes, decays 2 and thresholds 4 bytes each as often as they differ
    (once, or once per neuron), and every state 4 bytes, for one inference at a time.
    """
    bits = layer_bits(network)
    weights = sum(
        math.ceil(s.operation.weight.size * bits.get(s.name, FULL_BITS) / 8)
        for p in network.populations
        for s in p.synapses
    )
    rest = sum(_registers(p) for p in network.populations)
    source = "weights packed at their bits, biases, decays and thresholds, and 32-bit states of one inference"
    return Figure(weights + rest, "B", "modelled", source)


def float_footprint(graph: Graph) -> Figure:
    """Weights and biases of a float graph in 32 bits, as NeuroBench's ``Footprint`` counts a model's parameters.

    A bias of zeros counts as none, which is what it was in the model. NeuroBench adds the buffers of a framework's
    neurons, e.g. snnTorch's ``beta``, ``threshold`` and ``mem``; a graph has none.
    """
    layers = [node for node in graph.flat.nodes.values() if isinstance(node, Layer)]
    weights = sum(node.weight.size for node in layers)
    biases = sum(node.bias.size for node in layers if not isinstance(node, Linear) and np.any(node.bias))
    source = "weights and biases in 32 bits, as NeuroBench counts a model's parameters"
    return Figure(FLOAT_BYTES * (weights + biases), "B", "modelled", source)


def _registers(p: Population) -> int:
    sizes = [(DECAY_BYTES, p.du), (DECAY_BYTES, p.dv), (BIAS_BYTES, p.bias)]
    sizes += [] if p.vth is None else [(THRESHOLD_BYTES, p.vth)]
    states = p.size * (2 if p.has_current else 1)
    return sum(each * int(np.size(value)) for each, value in sizes) + STATE_BYTES * states
