"""The states that outlive a step: what each was, and what it becomes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Slot:
    """One state: the tensor that holds it before the step, its type, and its shape without the batch."""

    kind: str
    owner: str
    before: str
    dtype: str
    shape: tuple[int, ...]


class Memory:
    """Slots are made when something first asks for the state of the step before.

    Args:
        naming: kind ("u", "v", "spikes" or "waiting") and owner → the name of the tensor before the step.
    """

    def __init__(self, naming: Callable[[str, str], str]) -> None:
        self._naming = naming
        self._slots: dict[tuple[str, str], Slot] = {}
        self._after: dict[tuple[str, str], str] = {}

    def before(self, kind: str, owner: str, dtype: str, shape: tuple[int, ...]) -> str:
        """The tensor [B, *shape] of a state before the step, zero at rest."""
        if (kind, owner) not in self._slots:
            self._slots[kind, owner] = Slot(kind, owner, self._naming(kind, owner), dtype, shape)
        return self._slots[kind, owner].before

    def keep(self, kind: str, owner: str, tensor: str | None) -> None:
        """What a state becomes; forgotten where nothing asks for it."""
        if tensor is not None:
            self._after[kind, owner] = tensor

    def slots(self) -> list[tuple[Slot, str]]:
        """Every slot, and the tensor that holds it after the step."""
        return [(slot, self._after[key]) for key, slot in self._slots.items()]
