"""What does not run on the board: what the C kernels cannot take, and networks that its memory does not hold."""

from __future__ import annotations

from cortexcore.export.network import IntegerNetwork
from cortexcore.firmware_sim.codegen import records
from cortexcore.firmware_sim.codegen.memory import memory
from cortexcore.firmware_sim.codegen.options import CodegenOptions
from cortexcore.firmware_sim.codegen.plan import Plan
from cortexcore.firmware_sim.codegen.planning import plan
from cortexcore.targets.base import CheckReport, Problem
from cortexcore.targets.cortex_m.limits import Limits, limits
from cortexcore.targets.native.check import check as check_kernels


def check(network: IntegerNetwork, options: CodegenOptions, name: str) -> CheckReport:
    """Every node that cannot run there, with reason and remedy.

    Code comes on top of the tables, some kilobytes of it; that the whole fits is for the linker to say.
    """
    problems = check_kernels(network)
    if not problems:
        planned, board = plan(network, options), limits()
        problems = (*_flash(planned, board), *_ram(planned, board))
    return CheckReport(name, problems)


def _flash(planned: Plan, board: Limits) -> tuple[Problem, ...]:
    taken = memory(planned).tables
    if taken <= board.flash:
        return ()
    largest = max(planned.links, key=lambda link: link.table_bytes)
    over, weights = taken - board.flash, largest.rows.size
    fewer = min(weights, -(-over * 8 // largest.weight_bits))
    reason = (
        f"the network's tables take {taken} bytes of flash, {over} more than the board's {board.flash}; "
        f"these weights alone take {largest.table_bytes}"
    )
    remedy = (
        f"take at least {fewer} of its {weights} weights away, by narrower layers or a pooled input"
        if fewer < weights
        else "make all layers narrower"
    )
    if planned.options.pack is False and taken - _saved(planned) <= board.flash:
        remedy += ", or quantize to 4 bits and set pack=True"
    return (Problem(largest.synapses.name, reason, remedy),)


def _saved(planned: Plan) -> int:
    """Flash that weights of 4 bits, packed, would save."""
    return sum(link.table_bytes - link.rows.size // 2 for link in planned.links)


def _ram(planned: Plan, board: Limits) -> tuple[Problem, ...]:
    state = memory(planned).state
    beside = sum(records.record(of(planned)).itemsize for of in (records.inputs, records.outputs)) + board.stack
    if state + beside <= board.ram:
        return ()
    largest = max(planned.layers, key=lambda layer: layer.population.size)
    neurons = sum(layer.population.size for layer in planned.layers)
    over = state + beside - board.ram
    reason = (
        f"the network's state takes {state} bytes of RAM and its inputs, outputs and stack {beside}, {over} more than "
        f"the board's {board.ram}"
    )
    remedy = (
        f"about {max(0, board.ram - beside) * neurons // state} neurons fit, the network has {neurons}: make "
        f"'{largest.population.name}' and others smaller"
    )
    return (Problem(largest.population.name, reason, remedy),)
