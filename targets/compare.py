"""The same inputs on several targets, side by side: where do they differ, and from when on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

from cortexcore.errors import CortexCoreError
from cortexcore.export.network import IntegerNetwork
from cortexcore.targets.base import Array, Result
from cortexcore.targets.compiled import Compiled, Inputs, Network, compile

Kind = Literal["spikes", "u", "v", "output"]


@dataclass(frozen=True)
class Difference:
    """One signal of one target against the same signal of the yardstick.

    Attributes:
        target: the target compared.
        kind: ``"spikes"``, ``"u"`` or ``"v"`` of a population, or a network ``"output"``.
        name: the population's or output's name.
        compared: values compared, neurons × steps × inferences.
        differing: how many of them differ.
        first_step: the first step at which one differs; None where none does.
        exact: whether both are integers, so that any difference is an error; a float target is only informative.
    """

    target: str
    kind: Kind
    name: str
    compared: int
    differing: int
    first_step: int | None
    exact: bool


@dataclass(frozen=True)
class Comparison:
    """All differences from the yardstick.

    Attributes:
        yardstick: the first target, with which all others are compared.
        steps, batch: of the inputs.
        rows: one per target and signal that both report.
    """

    yardstick: str
    steps: int
    batch: int
    rows: tuple[Difference, ...]

    @property
    def equal(self) -> bool:
        """Whether all integer targets agree in everything compared."""
        return all(row.differing == 0 for row in self.rows if row.exact)

    @property
    def differing_spikes(self) -> int:
        """Spikes that differ between integer targets, over all populations and steps."""
        return sum(row.differing for row in self.rows if row.exact and row.kind == "spikes")

    def to_json(self) -> dict[str, Any]:
        """The comparison as JSON values."""
        summary = {"equal": self.equal, "differing_spikes": self.differing_spikes}
        return {**asdict(self), "rows": [asdict(row) for row in self.rows], **summary}

    def to_text(self) -> str:
        """A table, one row per target and signal."""
        head = ("target", "signal", "compared", "differing", "from step")
        table = [head] + [
            (
                row.target,
                f"{row.kind} {row.name}",
                f"{row.compared}",
                f"{row.differing}" + ("" if row.exact else " (float)"),
                "-" if row.first_step is None else f"{row.first_step}",
            )
            for row in self.rows
        ]
        widths = [max(len(line[i]) for line in table) for i in range(len(head))]
        lines = ["  ".join(cell.ljust(w) for cell, w in zip(line, widths, strict=True)).rstrip() for line in table]
        floats = sum(row.differing for row in self.rows if not row.exact)
        said = []
        if any(row.exact for row in self.rows):
            said.append(f"{self.differing_spikes} differing spikes" + ("" if self.equal else "; some signals differ"))
        if not all(row.exact for row in self.rows):
            said.append(f"{floats} spikes differ between float and integer, which is what quantization did")
        spikes = "; ".join(said)
        return "\n".join(
            [*lines, f"against '{self.yardstick}', {self.steps} steps × {self.batch} inferences: {spikes}"]
        )


def compare(network: Network | Mapping[str, Network | Compiled], targets: Sequence[str], inputs: Inputs) -> Comparison:
    """Run the same inputs on several targets and compare every signal with the first target's.

    Args:
        network: the network, or target name → the form it runs (the float graph for ``"reference"``), compiled or
            not. A float target is compared with integer ones in spikes alone, for information.
        targets: two names or more; the first is the yardstick.
        inputs: [T, B, *shape] per input, or the array itself for a single input.

    Raises:
        CortexCoreError: fewer than two targets, or one named twice; and whatever compile and run raise.
    """
    if len(targets) < 2 or len(set(targets)) < len(targets):
        raise CortexCoreError(f"compare needs at least two different targets, got {', '.join(targets) or 'none'}")
    forms = network if isinstance(network, Mapping) else dict.fromkeys(targets, network)
    if missing := [name for name in targets if name not in forms]:
        raise CortexCoreError(f"no network was given for the target {', '.join(missing)}: add it to the dict")
    ready: dict[str, Compiled] = {}
    for name in targets:
        form = forms[name]
        ready[name] = form if isinstance(form, Compiled) else compile(form, name)
    results = {name: ready[name].run(inputs, trace=True) for name in targets}
    base = results[targets[0]]
    integer = {name: isinstance(ready[name].network, IntegerNetwork) for name in targets}
    rows: list[Difference] = []
    for name in targets[1:]:
        exact = integer[name] and integer[targets[0]]
        same_kind = integer[name] == integer[targets[0]]
        rows += _differences(name, base, results[name], exact, same_kind)
    steps, batch = next(iter(base.outputs.values())).shape[:2]
    return Comparison(targets[0], steps, batch, tuple(rows))


def _differences(target: str, base: Result, other: Result, exact: bool, same_units: bool) -> list[Difference]:
    """Signals both report; u, v and outputs only where both are in the same units."""
    pairs: list[tuple[Kind, Mapping[str, Array], Mapping[str, Array]]] = [("spikes", base.spikes, other.spikes)]
    if same_units:
        pairs += [("u", base.u, other.u), ("v", base.v, other.v), ("output", base.outputs, other.outputs)]
    rows = []
    for kind, ours, theirs in pairs:
        for name in ours:
            if name in theirs:
                differs = np.asarray(ours[name] != theirs[name])
                at = np.flatnonzero(differs.reshape(len(differs), -1).any(axis=1))
                first = int(at[0]) if at.size else None
                count = int(np.count_nonzero(differs))
                rows.append(Difference(target, kind, name, differs.size, count, first, exact))
    return rows
