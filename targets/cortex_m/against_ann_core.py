"""An int8 ANN on the emulated core: built, run and counted as a network is, with the same harness, flags and board."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cortexcore.firmware_sim.board import Board, counting
from cortexcore.firmware_sim.codegen.ann import Int8, Int8Ann
from cortexcore.firmware_sim.codegen.ann_header import SCORES, ann_inputs, ann_outputs, ann_traces
from cortexcore.firmware_sim.codegen.ann_source import ann_files, layer_functions
from cortexcore.firmware_sim.codegen.generate import SOURCES
from cortexcore.firmware_sim.codegen.records import record
from cortexcore.targets.cortex_m.build import build_harness
from cortexcore.targets.cortex_m.counts import MOST, STEP, Counted

KERNEL = SOURCES / "ann" / "ccx_ann.h"


def build_ann(ann: Int8Ann, traced: bool = False) -> bytes:
    """The ELF of an ANN and the harness that a network has.

    Args:
        traced: with what every layer sends.

    Raises:
        TargetUnavailable: there is no compiler.
        GraphError: code and tables do not fit into the board's memory.
    """
    return build_harness({**ann_files(ann), KERNEL.name: KERNEL.read_text(encoding="utf-8")}, traced)


class AnnCore:
    """An ANN on an emulated core.

    Args:
        elf: of :func:`build_ann`.
    """

    def __init__(self, ann: Int8Ann, elf: bytes) -> None:
        self._ann, self.board = ann, Board(elf)
        self.board.boot()
        self._input, self._output, self._trace = (record(of(ann)) for of in (ann_inputs, ann_outputs, ann_traces))
        self._ports = dict(zip([port.name for port in ann.ports], self._input.names or (), strict=True))

    def run(self, inputs: Mapping[str, NDArray[Any]]) -> NDArray[np.int32]:
        """One pass: inputs [*shape] → what the last layer sends."""
        values = np.zeros((), self._input)
        for name, ident in self._ports.items():
            values[ident] = inputs[name]
        self.board.call("ccx_harness_reset")
        self.board.write("ccx_harness_input", values)
        self.board.call("ccx_harness_step", 0)
        found: NDArray[np.int32] = self.board.read("ccx_harness_output", self._output)[SCORES]
        return found

    def traced(self) -> dict[str, Int8]:
        """What every layer sent in the last pass [*shape]; of a traced ELF."""
        sent = self.board.read("ccx_harness_trace", self._trace)
        names = self._trace.names or ()
        return {layer.name: sent[ident] for layer, ident in zip(self._ann.layers, names, strict=True)}


def count_passes(ann: Int8Ann, elf: bytes, inputs: Mapping[str, NDArray[Any]]) -> Counted:
    """Count each of the first passes, by ``ccx_network_step`` and the layers' functions.

    Args:
        inputs: port → [B, *shape].

    Raises:
        TargetUnavailable: the emulator or the disassembler is not installed.
    """
    core = AnnCore(ann, elf)
    regions = [STEP, *layer_functions(ann).values()]
    runs = []
    for b in range(min(MOST, len(next(iter(inputs.values()))))):
        with counting(core.board, regions) as counts:
            core.run({name: values[b] for name, values in inputs.items()})
        runs.append(counts)
    return Counted(tuple(runs), core.board.stack_used())
