"""What a tensor stands for while a model runs: the signal, state or record that the recorder follows it as."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Literal

from cortexcore.export.nodes import Node
from cortexcore.export.shapes import Shape

Port = Literal["spikes", "mem"]
Kind = Literal["input", "neuron", "layer"]


class Refusal(Exception):
    """What a module or function does that no node can keep, and the remedy; collected into one GraphError."""


@dataclass(eq=False)
class Call:
    """One execution of a layer or function, one step of a neuron, or one step of an input.

    Attributes:
        place: where in the model it stands, in the user's words.
        name: the node's name.
        kind: what it is.
        shape: what it sends, without batch.
        order: counts up through the run.
        reads: what it receives; None for inputs.
        node: a layer's node; None where it was refused.
        module: a neuron's module.
        time: the step of a neuron or input; None for an input that is the same at every step.
        problems: why it cannot be kept.
        alias: the name it takes where nothing else does, that of the layer a batch normalisation was folded into.
        numbered: a function's call, which shares its name with others.
    """

    place: str
    name: str
    kind: Kind
    shape: Shape
    order: int
    reads: Signal | None = None
    node: Node | None = None
    module: Any = None
    time: int | None = None
    problems: list[str] = field(default_factory=list)
    alias: str = ""
    numbered: bool = False


@dataclass(frozen=True, eq=False)
class Signal:
    """A sum of what calls send; ``rest`` where zeros were added, which stand for what has not arrived yet."""

    terms: tuple[tuple[Call, Port], ...]
    shape: Shape
    rest: bool = False

    def plus(self, other: Signal) -> Signal:
        """The sum of two signals of one shape."""
        if self.shape != other.shape:
            raise Refusal(f"adds signals of the shapes {self.shape} and {other.shape} (they must be equal)")
        if set(self.terms) & set(other.terms):
            raise Refusal("adds a signal to itself (multiply it by 2 instead)")
        return Signal(self.terms + other.terms, self.shape, self.rest or other.rest)


@dataclass(frozen=True, eq=False)
class State:
    """A neuron's ``mem`` or ``syn`` after one step."""

    call: Call
    which: str


@dataclass(frozen=True, eq=False)
class Argument:
    """An argument of ``forward``, whole: one step of it, or all of them along one axis of ``axes``.

    ``axes`` names the sample's axes in the order in which the tensor at hand has them.
    """

    name: str
    axes: tuple[int, ...]

    def moved(self, order: tuple[int, ...]) -> Argument:
        return replace(self, axes=tuple(self.axes[axis] for axis in order))


@dataclass(frozen=True, eq=False)
class Record:
    """What was collected over the steps, one signal or state per step along ``axis``; None for one still missing."""

    steps: tuple[Signal | State | None, ...]
    axis: int = 0


@dataclass(frozen=True, eq=False)
class Constant:
    """A tensor that depends on no input."""


Value = Signal | State | Argument | Record | Constant


def a(name: str) -> str:
    """A name behind its article."""
    return f"{'an' if name[:1].lower() in set('aeiou') else 'a'} {name}"
