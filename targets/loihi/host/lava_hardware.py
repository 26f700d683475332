"""A lowered network on Loihi 2 itself, through Intel's package for it, which is not public."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from lava.utils.loihi import is_installed
from lava_network import Arrays, Network, Refused  # type: ignore[import-not-found]  # a neighbour of this file
from numpy.typing import NDArray


class Unavailable(Exception):
    """Loihi is not here, told in one sentence."""


def run_on_hardware(
    structure: Mapping[str, Any], arrays: Arrays, scratch: Path | None, inputs: Arrays
) -> dict[str, NDArray[Any]]:
    """Outputs [T, B, *shape], each inference built, run and ended by itself.

    Raises:
        Unavailable: Lava's package for Loihi is not installed.
        Refused: the network needs what hardware, or Lava's way to read from it, lacks; all of it at once.
    """
    if not is_installed():
        raise Unavailable(
            f"Loihi 2 hardware needs Intel's package lava-loihi, which {sys.executable} does not have: join Intel's "
            "Neuromorphic Research Community for it, or run the simulation, without --hardware"
        )
    if problems := _problems(structure):
        raise Refused("Loihi 2 hardware cannot run this network here: " + "; ".join(problems))
    adapters = import_module("lava.proc.embedded_io")
    import_module("lava.proc.embedded_io.spike")
    batch = next(iter(inputs.values())).shape[1]
    parts = []
    for b in range(batch):
        network = Network(structure, arrays, scratch, adapters)
        try:
            parts.append(network.run({name: values[:, b : b + 1] for name, values in inputs.items()}, False))
        finally:
            network.stop()
    return {name: np.concatenate([part[name] for part in parts], axis=1) for name in parts[0]}


def _problems(structure: Mapping[str, Any]) -> list[str]:
    populations = {p["name"]: p for p in structure["populations"]}
    problems = [
        f"'{name}' is no hardware LIF, and Lava brings no microcode for it (train with reset 'zero', decays and "
        "thresholds that all neurons share, and loops of one population)"
        for name, p in populations.items()
        if p["process"] == "MicrocodeLIF"
    ]
    problems += [
        f"output '{o['name']}' is the voltage of a leaky integrator, and only spikes are read (give it a threshold)"
        for o in structure["outputs"]
        if not populations[o["source"]]["spiking"]
    ]
    if any(p["biased"] for p in populations.values()):
        problems += [
            f"loop '{s['name']}' could carry spikes that biases cause before the first input (remove the biases)"
            for s in structure["synapses"]
            if s["recurrent"] and s["branch"] is None
        ]
    return problems
