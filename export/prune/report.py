"""What pruning took away."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

from cortexcore.errors import GraphError
from cortexcore.export.graph import Graph


@dataclass(frozen=True)
class PruneRow:
    """One layer's weights other than zero, or one population's neurons (channels where it has several axes)."""

    name: str
    before: int
    after: int


@dataclass(frozen=True)
class PruneReport:
    """What was pruned.

    Attributes:
        kind: "weights" set to zero, or "neurons" taken out; share: as asked for.
        rows: per layer or population, in the graph's order.
        weights_before, weights_after: of the whole graph, other than zero.
    """

    kind: Literal["weights", "neurons"]
    share: float
    rows: tuple[PruneRow, ...]
    weights_before: int
    weights_after: int

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    def to_text(self) -> str:
        parts = ", ".join(f"{row.name} {row.before} → {row.after}" for row in self.rows if row.after < row.before)
        return f"pruned {self.kind}: {parts}; weights other than zero {self.weights_before} → {self.weights_after}"


@dataclass(frozen=True, eq=False)
class Pruned:
    """The pruned graph, and what is gone."""

    graph: Graph
    report: PruneReport


def check_share(share: float) -> None:
    """Raises GraphError where ``share`` is no share that can be pruned."""
    if not 0 < share < 1:
        raise GraphError(f"the share to prune is {share}, it must be above 0 and below 1")
