"""The rows of weights that a kernel reads, in the order in which it reads them; see csrc/network/ccx_rows.h."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cortexcore.export.network import Conv1d, Conv2d, Dense, Operation
from cortexcore.firmware_sim.codegen.plan import Source, inside

Table = NDArray[Any]


def rows(
    operation: Operation, stored: Table, source: Source, targets: tuple[int, ...], event: bool, lanes: bool
) -> Table:
    """A row per source neuron, or per tap of a channel, for an event-driven kernel; per target for a dense one.

    Args:
        stored: the operation's weights as they are kept, of its shape.
        targets: the population's shape.
        lanes: order each row for SXTAB16.
    """
    match operation:
        case Dense():
            by_target = stored[inside(np.arange(len(stored)), targets)]
            order = np.arange(source.size)
            matrix = by_target[:, inside(order, source.shape) if source.channels_last else order]
            table = matrix.T if event else matrix
        case Conv1d() | Conv2d():
            out, depth, *kernel = stored.shape
            groups = operation.groups
            taps = stored.reshape(groups, out // groups, depth, math.prod(kernel))
            if event:
                table = taps.transpose(3, 0, 2, 1).reshape(-1, out // groups)
            elif source.channels_last:
                table = taps.swapaxes(2, 3).reshape(out, -1)
            else:
                table = taps.reshape(out, -1)
        case _:
            raise TypeError(f"no kernel for the operation {type(operation).__name__}")
    return np.ascontiguousarray(in_lanes(table) if lanes else table)


def in_lanes(table: Table) -> Table:
    """Each whole four of a row with its inner two exchanged; what is left over stays."""
    count = table.shape[1]
    order = np.arange(count)
    whole = order | 3
    swapped = (order & ~3) | ((order & 1) << 1) | ((order >> 1) & 1)
    return table[:, np.where(whole < count, swapped, order)]


def packed(table: Table) -> NDArray[np.uint8]:
    """Rows of 4-bit weights, two a byte, the lower half first; a row of odd length ends with an empty half."""
    nibbles = (table.astype(np.int16) & 15).astype(np.uint8)
    if nibbles.shape[1] % 2:
        nibbles = np.pad(nibbles, ((0, 0), (0, 1)))
    whole: NDArray[np.uint8] = np.bitwise_or(nibbles[:, ::2], nibbles[:, 1::2] << 4)
    return whole
