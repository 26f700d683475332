"""What flows along a graph's edges: paths of layers and delays, each emitted once, when it is first asked for."""

from __future__ import annotations

from collections.abc import Callable

from cortexcore.export.dynamics import delay_steps
from cortexcore.export.nodes import Delay, Input, Neuron, Stateless
from cortexcore.targets.onnx.floating.delays import emit_shift, emit_waiting
from cortexcore.targets.onnx.floating.layers import emit_layer
from cortexcore.targets.onnx.floating.memory import Memory
from cortexcore.targets.onnx.floating.neuron import States
from cortexcore.targets.onnx.floating.place import Place
from cortexcore.targets.onnx.floating.plan import NONE, Names, Plan

Key = tuple[str, Names]
"""A node, and the neurons on whose signals of the step before it depends: the same layer can be read both ways."""


class Signals:
    """The tensors that nodes send.

    Args:
        plan: of the graph.
        place: where they are computed.
        memory: the states of one step; None where all steps are at hand.
        entering: node → its tensor where it is computed elsewhere, else None.
    """

    def __init__(
        self,
        plan: Plan,
        place: Place,
        memory: Memory | None = None,
        entering: Callable[[str], str | None] = lambda name: None,
    ) -> None:
        self._plan, self._place, self._memory, self._entering = plan, place, memory, entering
        self._known: dict[Key, str] = {}
        self._spikes: dict[str, str] = {}

    def send(self, name: str, states: States) -> None:
        """What a neuron sends from now on: its spikes, as numbers once they are read, or v."""
        if states.spikes is not None:
            self._spikes[name] = states.spikes
        elif states.v is not None:
            self._known[name, NONE] = states.v

    def arriving(self, name: str, late: Names = NONE) -> str:
        """The sum of what reaches ``name``, in the order of its edges; of the neurons ``late`` a step late."""
        return self._sum(name, [self.signal(source, late) for source in self._plan.graph.sources(name)])

    def signal(self, name: str, late: Names = NONE) -> str:
        """What ``name`` sends; without recursion, as chains of layers may be long."""
        wanted = self._key(name, late)
        waiting = [wanted]
        while waiting:
            key = waiting[-1]
            missing = [] if key in self._known else [each for each in self._feeding(key) if each not in self._known]
            if missing:
                waiting += missing
                continue
            waiting.pop()
            if key not in self._known:
                with self._place.build.scoped(key[0]):
                    self._known[key] = self._emit(key)
        return self._known[wanted]

    def _key(self, name: str, late: Names) -> Key:
        node = self._plan.graph.nodes[name]
        depends = frozenset([name]) if isinstance(node, Input | Neuron) else self._plan.reads[name]
        return name, late & depends

    def _feeding(self, key: Key) -> list[Key]:
        """What must be known before a layer or delay can be computed here."""
        name, late = key
        if not isinstance(self._plan.graph.nodes[name], Stateless | Delay) or self._enters(key) is not None:
            return []
        return [self._key(source, late) for source in self._plan.graph.sources(name)]

    def _enters(self, key: Key) -> str | None:
        return None if key[1] else self._entering(key[0])

    def _emit(self, key: Key) -> str:
        name, late = key
        entered = self._enters(key)
        if entered is not None:
            return entered
        node = self._plan.graph.nodes[name]
        match node:
            case Input():
                return name
            case Delay():
                return self._delayed(node, key)
            case _ if isinstance(node, Stateless):
                source = self._plan.graph.sources(name)[0]
                return emit_layer(self._place, node, self._given(key), self._plan.graph.shapes[source])
        if late:
            return self._sent_before(name)
        if name in self._spikes:
            return self._place.cast(self._spikes[name], self._place.dtype)
        raise TypeError(f"'{name}' is a {type(node).__name__}, whose signal is not known yet")

    def _delayed(self, node: Delay, key: Key) -> str:
        steps, shape = delay_steps(node, self._plan.graph.dt_s), self._plan.graph.shapes[key[0]]
        if self._memory is None:
            return emit_shift(self._place, self._given(key), steps, shape)
        owner = "/".join([key[0], *sorted(key[1])])
        return emit_waiting(self._place, self._memory, owner, self._given(key), steps, shape)

    def _given(self, key: Key) -> str:
        return self._sum(key[0], [self._known[each] for each in self._feeding(key)])

    def _sum(self, name: str, signals: list[str]) -> str:
        with self._place.build.scoped(name):
            total = signals[0]
            for signal in signals[1:]:
                total = self._place.op("Add", total, signal)
        return total

    def _sent_before(self, name: str) -> str:
        """What a neuron sent in the step before."""
        if self._memory is None:
            raise TypeError(f"'{name}' is read a step late outside any loop")
        shape = self._plan.graph.shapes[name]
        if self._plan.factors[name].threshold is None:
            return self._memory.before("v", name, self._place.dtype, shape)
        return self._place.cast(self._memory.before("spikes", name, "bool", shape), self._place.dtype)
