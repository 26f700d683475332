"""What ``forward`` returned, as the graph's outputs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from cortexcore.errors import GraphError
from cortexcore.export.torch_import.modules import Modules
from cortexcore.export.torch_import.recorder import Recorder
from cortexcore.export.torch_import.steps import Wanted
from cortexcore.export.torch_import.values import Constant, Record, Refusal, Signal, State, Value


@dataclass(frozen=True, eq=False)
class Leaf:
    """One returned value: its name, its tensor (None for a list of steps), and what it stands for."""

    name: str
    tensor: Any
    value: Value | None

    @property
    def part(self) -> tuple[str, ...]:
        """Neuron and what of it ("spikes", "mem", "syn"), where the value is that alone; else empty."""
        return _part(self.value.steps[-1] if isinstance(self.value, Record) else self.value)


def wanted_outputs(
    modules: Modules, result: Any, keep: Sequence[int | str] | int | None
) -> tuple[list[Wanted], list[str]]:
    """The outputs among the returned values, and a sentence for each that cannot be one.

    Args:
        modules: the run.
        result: what forward returned: a tensor, or tensors in tuples, lists and dicts.
        keep: indices of the returned values in order, or their names, or one alone; None for all but the states that
            forward was handed, and what a readout's returned membrane implies.

    Raises:
        GraphError: nothing is returned, or ``keep`` names what is not.
    """
    recorder = modules.recorder
    leaves = list(_leaves(recorder, result))
    if not leaves:
        raise GraphError(f"the forward of {type(recorder.model).__name__} returns no tensor (return its output)")
    problems, handed = _handed_back(modules, leaves)
    if keep is None:
        readouts = {
            leaf.part[0] for leaf in leaves if leaf.part and leaf.part[1] == "mem" and _never_resets(modules, leaf)
        }
        kept = [leaf for leaf in leaves if leaf.part not in handed and not _implied(leaf, readouts)]
    else:
        kept = _chosen(leaves, (keep,) if isinstance(keep, int | str) else keep)
    found: list[tuple[str, tuple[Signal, ...]]] = []
    instead = _spikes_instead(leaves, kept)
    for leaf in kept:
        try:
            found.append((leaf.name, _signals(recorder, leaf, instead)))
        except Refusal as refusal:
            problems.append(f"the returned '{leaf.name}' {refusal}")
    single = len(kept) == 1 and not isinstance(result, Mapping)
    return [Wanted("y" if single else name, steps) for name, steps in found], problems


def _leaves(recorder: Recorder, result: Any) -> Iterator[Leaf]:
    """The returned values; "y0", "y1", … where they have no names."""
    if isinstance(result, Mapping):
        for key, value in result.items():
            flat = list(_flat(recorder, value))
            for i, (tensor, followed) in enumerate(flat):
                yield Leaf(str(key) if len(flat) == 1 else f"{key}_{i}", tensor, followed)
        return
    for i, (tensor, followed) in enumerate(_flat(recorder, result)):
        yield Leaf(f"y{i}", tensor, followed)


def _flat(recorder: Recorder, result: Any) -> Iterator[tuple[Any, Value | None]]:
    """Tensors within tuples and lists, a list of one value per step being one."""
    if isinstance(result, torch.Tensor):
        yield result, recorder.value(result)
    elif isinstance(result, tuple | list):
        values = [recorder.value(each) for each in result]
        steps = tuple(each for each in values if isinstance(each, Signal | State))
        parts = {_part(each) for each in values}
        if len(steps) == len(values) > 1 and len(parts) == 1 and () not in parts:
            yield None, Record(steps)
            return
        for each in result:
            yield from _flat(recorder, each)


def _part(value: Value | None) -> tuple[str, ...]:
    if isinstance(value, State):
        return value.call.place, value.which
    if isinstance(value, Signal) and len(value.terms) == 1 and value.terms[0][0].kind == "neuron":
        return value.terms[0][0].place, value.terms[0][1]
    return ()


def _handed_back(modules: Modules, leaves: Sequence[Leaf]) -> tuple[list[str], set[Any]]:
    """What is wrong with states that came in as arguments, and the parts that go back as their new values."""
    problems, parts = [], set()
    for name, states in modules.states.items():
        if name in modules.recorder.whole or name in modules.recorder.stepped:
            problems.append(f"the argument '{name}' is a state and also a signal (pass two arguments)")
        for path, which in states:
            part = (path, "spikes" if which == "spk" else which)
            if part not in {leaf.part for leaf in leaves}:
                problems.append(
                    f"'{path}' takes its {which} from the argument '{name}', and forward does not return the new one "
                    "(return it, or use init_hidden=True)"
                )
            elif which != "spk":
                parts.add(part)
    return problems, parts


def _never_resets(modules: Modules, leaf: Leaf) -> bool:
    return bool(modules.calls[leaf.part[0]][-1].module.reset_mechanism == "none")


def _implied(leaf: Leaf, readouts: set[str]) -> bool:
    """Whether a value follows from a readout's returned membrane: its spikes (v > θ), its current (v − β·v')."""
    return bool(leaf.part) and leaf.part[0] in readouts and leaf.part[1] != "mem"


def _chosen(leaves: Sequence[Leaf], keep: Sequence[int | str]) -> list[Leaf]:
    names = [leaf.name for leaf in leaves]
    positions = [names.index(each) if isinstance(each, str) and each in names else each for each in keep]
    if not keep or any(not isinstance(each, int) or not 0 <= each < len(leaves) for each in positions):
        raise GraphError(
            f"outputs={tuple(keep)!r} does not choose among the {len(leaves)} values that forward returns "
            f"({', '.join(names)}): give their positions, from 0, or their names"
        )
    return [leaves[i] for i in sorted({each for each in positions if isinstance(each, int)})]


def _spikes_instead(leaves: Sequence[Leaf], kept: Sequence[Leaf]) -> str:
    """The choice of outputs that takes the spikes of a neuron where ``kept`` has a state of it."""
    spikes = {leaf.part[0]: i for i, leaf in enumerate(leaves) if leaf.part[1:] == ("spikes",)}
    choice = {
        spikes.get(leaf.part[0]) if leaf.part[1:] in (("mem",), ("syn",)) else leaves.index(leaf) for leaf in kept
    }
    if None in choice:
        return "return its spikes"
    return f"keep its spikes, outputs={tuple(sorted(i for i in choice if i is not None))}"


def _signals(recorder: Recorder, leaf: Leaf, instead: str) -> tuple[Signal, ...]:
    """The signal of a returned value at each step, or at the last one alone; ``instead`` of a state, in words."""
    match leaf.value:
        case Record(steps=steps):
            if None in steps:
                raise Refusal("leaves out some steps (record every step)")
            return tuple(_sent(step, instead) for step in steps if step is not None)
        case State() | Signal():
            return (_sent(leaf.value, instead),)
        case Constant():
            raise Refusal("depends on no input (leave it out by outputs=(...))")
    return (recorder.signal(leaf.tensor),)


def _sent(value: Signal | State, instead: str) -> Signal:
    if isinstance(value, Signal):
        return value
    call = value.call
    if value.which != "mem":
        raise Refusal(f"is the synaptic current of '{call.place}', which no output carries ({instead})")
    if call.module.reset_mechanism != "none":
        raise Refusal(
            f"is the membrane of '{call.place}', which spikes, and no output carries the membrane of a neuron that "
            f"spikes ({instead}, or make it a readout with reset_mechanism='none')"
        )
    return Signal(((call, "mem"),), call.shape)
