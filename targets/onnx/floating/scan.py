"""A Scan over all steps while it is being built: what enters its steps, what they keep, and what they hand out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cortexcore.targets.onnx.floating.memory import Memory
from cortexcore.targets.onnx.floating.place import Place, port

Wanted = tuple[str, str, tuple[int, ...]]
"""A tensor of the step, its type, and its shape without the batch."""


class Scan:
    """Steps of ``outer``'s [T, B, …] in turn, in a body of its own."""

    def __init__(self, outer: Place) -> None:
        self._outer = outer
        self._batch = outer.op("Slice", outer.lead, *(outer.index([limit]) for limit in (1, 2)))
        self.place = Place(outer.build.body(), outer.dtype, self._batch, 1)
        self.memory = Memory(lambda kind, owner: self.place.build.name(f"before/{kind}/{owner}"))
        self._entries: dict[str, str] = {}
        self._inputs: list[Any] = []

    def enter(self, tensor: str, shape: Sequence[int]) -> str:
        """One step [B, *shape] of a tensor [T, B, *shape] of the outer place."""
        if tensor not in self._entries:
            self._entries[tensor] = self.place.build.name("float/entering")
            self._inputs.append(port(self._entries[tensor], self.place.dtype, ["B"], shape))
        return self._entries[tensor]

    def close(self, wanted: Sequence[Wanted]) -> list[str]:
        """Add the Scan to the outer place, states at rest before it.

        Returns:
            each of ``wanted`` over all steps, [T, B, *shape].
        """
        outer, build = self._outer, self.place.build
        if not self._entries:
            steps = outer.op("Slice", outer.lead, *(outer.index([limit]) for limit in (0, 1)))
            self.enter(outer.zeros(steps, outer.dtype, (1,)), ())
        slots = self.memory.slots()
        states = [port(slot.before, slot.dtype, ["B"], slot.shape) for slot, _ in slots]
        leaving = [(after, slot.dtype, slot.shape) for slot, after in slots] + list(wanted)
        taken = {entry.name for entry in [*states, *self._inputs]}
        outputs: list[Any] = []
        for tensor, dtype, shape in leaving:
            given = self.place.op("Identity", tensor) if tensor in taken else tensor
            taken.add(given)
            outputs.append(port(given, dtype, ["B"], shape))
        body = build.graph(build.name("float/steps"), [*states, *self._inputs], outputs)
        rest = [outer.zeros(self._batch, slot.dtype, slot.shape) for slot, _ in slots]
        results = [outer.build.name("float/all") for _ in leaving]
        outer.build.nodes("Scan", [*rest, *self._entries], results, body=body, num_scan_inputs=len(self._entries))
        return results[len(slots) :]
