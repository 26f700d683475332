"""The steps of a recorded run folded into one graph: the wiring of the last step, which all others must share.

A source that is read one step late becomes a path that closes a loop, which a graph reads one step late by itself, or
gets a :class:`~cortexcore.export.nodes.Delay`. At the first steps what is late has not arrived yet: there the model
must add zeros.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from cortexcore.export.flow import neuron_order
from cortexcore.export.graph import Graph
from cortexcore.export.nodes import IF, LIF, Affine, Conv1d, Conv2d, CubaLIF, Delay, Input, Node, Output
from cortexcore.export.torch_import.neurons import neuron
from cortexcore.export.torch_import.values import Call, Port, Refusal, Signal

Term = tuple[Call, Port]
Key = tuple[Any, ...]


@dataclass(frozen=True)
class Wanted:
    """One output: its name and its signal at every step, or at the last one alone."""

    name: str
    steps: tuple[Signal, ...]


class Fold:
    """Folds the calls that some outputs depend on.

    Args:
        calls: neurons' path → their calls, one per step.
        outputs: what is kept.
        inputs: name → shape, of the graph's inputs.
        dt_s: length of a step in seconds.

    Attributes:
        problems: why there is no graph; empty where there is one.
        at_once: neurons that subtract their threshold at once, by name.
    """

    def __init__(
        self, calls: Mapping[str, list[Call]], outputs: list[Wanted], inputs: Mapping[str, tuple[int, ...]], dt_s: float
    ) -> None:
        self.outputs, self.inputs, self.dt_s = outputs, inputs, dt_s
        self.problems: list[str] = []
        self.at_once: list[str] = []
        self.reached = sorted(_reach(signal for each in outputs for signal in each.steps), key=lambda call: call.order)
        paths = dict.fromkeys(call.place for call in self.reached if call.kind == "neuron")
        self.calls = {path: calls[path] for path in paths}
        self.steps = max([len(c) for c in self.calls.values()] + [len(each.steps) for each in outputs] + [1])
        self._compared: dict[tuple[Call, Call, int], bool] = {}
        self.nodes_of: dict[str, tuple[Node, Node | None]] = {}

    def graph(self, metadata: Mapping[str, Any]) -> Graph | None:
        """The graph, or None and ``problems``."""
        self._refusals()
        if not self.problems:
            self._check_steps()
        if self.problems:
            return None
        plain = self._built(metadata, None)
        if plain is None:
            return None
        order = {name: i for i, name in enumerate(neuron_order(plain))}
        late: dict[tuple[str, str], bool] = {}
        for consumer in self.calls:
            for source in self.calls:
                a, b = self.calls[source][-1].name, self.calls[consumer][-1].name
                late[a, b] = order[a] >= order[b]
        built = self._built(metadata, late)
        if built is not None and list(order) != list(neuron_order(built)):
            self.problems.append(
                "its loops cannot be put into an order (let data enter every loop at its first neuron)"
            )
        return built if not self.problems else None

    def _refusals(self) -> None:
        """Everything that a reached call cannot keep, and the nodes of all neurons."""
        membranes = self._membranes()
        for call in self.reached:
            faults = list(call.problems)
            if call.kind == "neuron" and call.place not in self.nodes_of and not faults:
                ports = membranes[call.place]
                if ports == {"mem", "spikes"}:
                    faults.append("is read at its spikes and its membrane (read one of them, e.g. outputs=(0,))")
                try:
                    pair = neuron(call.module, call.shape, self.dt_s, "mem" in ports)
                    self.nodes_of[call.place] = pair
                    node = pair[0]
                    if isinstance(node, LIF | CubaLIF | IF):
                        at_once = node.reset == "subtract" and not node.reset_delay
                        self.at_once += [call.name] if at_once else []
                except Refusal as refusal:
                    faults.append(str(refusal))
            self.problems += [f"'{call.place}' {fault}" for fault in faults]
        self.problems = list(dict.fromkeys(self.problems))

    def _membranes(self) -> dict[str, set[Port]]:
        """Neuron → what of it is read."""
        found: dict[str, set[Port]] = {path: set() for path in self.calls}
        signals = [signal for each in self.outputs for signal in each.steps]
        signals += [call.reads for call in self.reached if call.reads is not None]
        for signal in signals:
            for call, port in signal.terms:
                if call.kind == "neuron":
                    found[call.place].add(port)
        return found

    def _check_steps(self) -> None:
        """Every step must wire every neuron as the last one does."""
        last = self.steps - 1
        for path, calls in self.calls.items():
            if len(calls) != self.steps:
                self.problems.append(
                    f"'{path}' is called {len(calls)} times where another neuron is called {self.steps} times "
                    "(call each neuron once per step)"
                )
                continue
            for step, call in enumerate(calls):
                if call.shape != calls[-1].shape or not self._alike(call.reads, calls[-1].reads, step, last):
                    self.problems.append(
                        f"'{path}' is used twice in one step, or is wired otherwise at step {step + 1} than at the "
                        "last (use one neuron for each place, and the same wiring at every step; before the first step "
                        "what arrives late must be zeros)"
                    )
                    break
            problem = self._odd_lag(calls[-1].reads, last)
            if problem:
                self.problems.append(f"'{path}' {problem}")
        for each in self.outputs:
            start = self.steps - len(each.steps)
            for step, signal in enumerate(each.steps, start):
                if not self._alike(signal, each.steps[-1], step, last):
                    self.problems.append(
                        f"output '{each.name}' is something else at step {step + 1} than at the last (collect the same "
                        "value once per step, in order)"
                    )
                    break
            problem = self._odd_lag(each.steps[-1], last)
            if len(each.steps) == 1 and any(_late(call, last) for call, _ in each.steps[-1].terms):
                problem = "adds up several steps (return torch.stack(...) of every step and do that outside the model)"
            if problem:
                self.problems.append(f"output '{each.name}' {problem}")

    def _odd_lag(self, signal: Signal | None, step: int) -> str:
        """What is wrong with the lags or the zeros of the last step's wiring; empty where nothing is."""
        stack = [signal]
        seen: set[Call] = set()
        while stack:
            each = stack.pop()
            if each is not None and each.rest:
                return (
                    "adds zeros at every recorded step: either what it waits for comes later (run more steps on the "
                    "sample) or nothing does (leave them out)"
                )
            calls = {call for call, _ in each.terms} - seen if each is not None else set()
            seen |= calls
            future = [call.place for call in calls if call.kind != "layer" and (call.time or 0) > step]
            if future:
                return f"reads '{future[0]}' before its step"
            stack += [call.reads for call in calls if call.kind == "layer"]
        return ""

    def _alike(self, early: Signal | None, final: Signal | None, step: int, last: int) -> bool:
        """Whether a signal at ``step`` is what the ``last`` step's is, but for what has not arrived yet."""
        if early is None or final is None:
            return early is final
        left = list(final.terms)
        for call, port in early.terms:
            match = [term for term in left if port == term[1] and self._same(call, term[0], step, last)]
            if not match:
                return False
            left.remove(match[0])
        return not left or (early.rest and all(_silent(call, step, last) for call, _ in left))

    def _same(self, early: Call, final: Call, step: int, last: int) -> bool:
        if early.kind != final.kind or early.place != final.place:
            return False
        if early.kind != "layer":
            if early.time is None or final.time is None:
                return early.time == final.time
            return early.time - step == final.time - last
        pair = (early, final, step)
        if pair not in self._compared:
            alike = _equal(early.node, final.node) and self._alike(early.reads, final.reads, step, last)
            self._compared[pair] = alike
        return self._compared[pair]

    def _built(self, metadata: Mapping[str, Any], late: Mapping[tuple[str, str], bool] | None) -> Graph | None:
        """The last step's graph: delays stand where a source is late and no loop makes it so; none without ``late``."""
        build = _Build(self, late)
        for name, shape in self.inputs.items():
            build.add(name, Input(shape), 0)
        for calls in self.calls.values():
            build.neuron(calls[-1])
        for each in self.outputs:
            build.output(each)
        self.problems += build.problems
        if build.problems:
            return None
        nodes, edges = build.sorted()
        return Graph(nodes, edges, self.dt_s, "euler", metadata)


class _Build:
    """Names, nodes and edges of the last step."""

    def __init__(self, fold: Fold, late: Mapping[tuple[str, str], bool] | None) -> None:
        self.fold, self.late = fold, late
        self.last = fold.steps - 1
        self.nodes: dict[str, Node] = {}
        self.order: dict[str, int] = {}
        self.edges: list[tuple[str, str]] = []
        self.names: dict[Key, str] = {}
        self._keys: dict[tuple[Call, str], Key] = {}
        self._numbers: dict[Key, int] = {}
        self.contents: list[Node] = []
        self.problems: list[str] = []
        self.reserved = {call.name for call in fold.reached if not call.numbered} | {each.name for each in fold.outputs}

    def add(self, name: str, node: Node, order: int) -> None:
        if name in self.nodes:
            self.problems.append(f"'{name}' would be the name of two nodes (rename a module, an input or an output)")
            return
        self.nodes[name], self.order[name] = node, order

    def neuron(self, call: Call) -> None:
        node, returning = self.fold.nodes_of[call.place]
        self.add(call.name, node, call.order)
        if call.reads is not None:
            self.connect(call.reads, call.name, call.name)
        if returning is not None:
            self.add(f"{call.name}_recurrent", returning, call.order)
            self.edges += [(call.name, f"{call.name}_recurrent"), (f"{call.name}_recurrent", call.name)]

    def output(self, wanted: Wanted) -> None:
        signal = wanted.steps[-1]
        self.add(wanted.name, Output(signal.shape), 1 << 60)
        self.connect(signal, wanted.name, "")

    def connect(self, signal: Signal, name: str, consumer: str) -> None:
        """Edges from all that ``signal`` sums up to the node ``name``; ``consumer`` is the neuron whose step it is."""
        sources = [self.source(call, consumer) for call, _ in signal.terms]
        if not sources:
            self.problems.append(f"'{name}' receives nothing that depends on an input (connect it, or leave it out)")
        if self.late is not None and len(set(sources)) < len(sources):
            self.problems.append(f"'{name}' receives the same signal twice (multiply it by 2 instead)")
        self.edges += [(source, name) for source in dict.fromkeys(sources)]

    def source(self, call: Call, consumer: str) -> str:
        """The node that sends what ``call`` sends to ``consumer`` at the last step."""
        if call.kind != "layer":
            return self._delayed(call, consumer)
        key = self._key(call, consumer)
        if key not in self.names:
            name = self._free(call)
            self.names[key] = name
            if call.node is not None and call.reads is not None:
                self.add(name, call.node, call.order)
                self.connect(call.reads, name, consumer)
        return self.names[key]

    def _delayed(self, call: Call, consumer: str) -> str:
        """A neuron or input, behind a delay where it is later than a loop makes it."""
        lag = self._lag(call, consumer)
        if not lag:
            return call.name
        if lag < 0:
            self.problems.append(
                f"'{consumer}' reads '{call.name}' of the same step, where their loop is entered at '{consumer}' (let "
                "the loop's late connection be the one into the neuron that data enters)"
            )
            return call.name
        name = f"{call.name}_delay" + (f"{lag}" if lag > 1 else "")
        if name not in self.nodes:
            self.add(name, Delay(np.array(lag * self.fold.dt_s)), call.order)
            self.edges.append((call.name, name))
        return name

    def _lag(self, call: Call, consumer: str) -> int:
        """How many steps late a neuron or input is read, beyond the one that a loop brings."""
        if self.late is None or call.time is None:
            return 0
        return self.last - call.time - self.late.get((call.name, consumer), False)

    def _key(self, call: Call, consumer: str) -> Key:
        """What a call computes: its place, its node and its sources."""
        if call.kind != "layer":
            return (call.name, self._lag(call, consumer))
        if (call, consumer) not in self._keys:
            reads = call.reads.terms if call.reads is not None else ()
            sources = [self._key(each, consumer) for each, _ in reads]
            numbers = frozenset(self._numbers.setdefault(key, len(self._numbers)) for key in sources)
            self._keys[call, consumer] = (call.place, self._content(call.node), numbers)
        return self._keys[call, consumer]

    def _content(self, node: Node | None) -> int:
        """A number that equal nodes share."""
        for i, known in enumerate(self.contents):
            if _equal(known, node):
                return i
        if node is not None:
            self.contents.append(node)
        return len(self.contents) - 1

    def _free(self, call: Call) -> str:
        """A layer's name: its own, that of the layer it was folded with, or a numbered one where it is called again."""
        if call.alias and call.alias not in self.reserved | self.nodes.keys():
            return call.alias
        name, count = call.name, 0
        taken = self.reserved | self.nodes.keys() if call.numbered else self.fold.inputs.keys()
        while name in self.names.values() or name in taken:
            count += 1
            name = f"{call.name}_{count}" if call.numbered else f"{name}_again"
        return name

    def sorted(self) -> tuple[dict[str, Node], tuple[tuple[str, str], ...]]:
        """Nodes and edges in the order in which the model computes them."""
        names = sorted(self.nodes, key=lambda name: self.order[name])
        position = {name: i for i, name in enumerate(names)}
        edges = sorted(dict.fromkeys(self.edges), key=lambda edge: position[edge[1]])
        return {name: self.nodes[name] for name in names}, tuple(edges)


def _reach(signals: Iterator[Signal]) -> set[Call]:
    """All calls that some signals depend on."""
    found: set[Call] = set()
    stack = [call for signal in signals for call, _ in signal.terms]
    while stack:
        call = stack.pop()
        if call not in found:
            found.add(call)
            stack += [each for each, _ in call.reads.terms] if call.reads is not None else []
    return found


def _late(call: Call, last: int) -> bool:
    """Whether a call sends anything of a step before the ``last``."""
    if call.kind != "layer":
        return call.time is not None and call.time < last
    return call.reads is not None and any(_late(each, last) for each, _ in call.reads.terms)


def _silent(call: Call, step: int, last: int) -> bool:
    """Whether a call sends nothing at ``step``: what it depends on has not arrived, and it adds nothing of its own."""
    if call.kind != "layer":
        return call.time is not None and last - call.time > step
    if isinstance(call.node, Affine | Conv1d | Conv2d) and np.any(call.node.bias):
        return False
    return call.reads is not None and all(_silent(each, step, last) for each, _ in call.reads.terms)


def _equal(a: Node | None, b: Node | None) -> bool:
    """Whether two nodes hold the same values."""
    if a is b or a is None or b is None or type(a) is not type(b):
        return a is b
    ours, theirs = vars(a), vars(b)
    return all(
        np.array_equal(ours[key], theirs[key]) if isinstance(ours[key], np.ndarray) else ours[key] == theirs[key]
        for key in ours
    )
