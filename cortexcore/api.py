"""The Python interface: the same words as the command line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from cortexcore.errors import DataError
from cortexcore.export.graph import Graph
from cortexcore.export.network import IntegerNetwork

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cortexcore.targets.compare import Comparison
    from cortexcore.targets.compiled import Compiled

Network = Graph | IntegerNetwork
Inputs = "Mapping[str, NDArray[Any]] | NDArray[Any]"


def from_torch(model: Any, sample: Any, dt_s: float) -> Graph:
    """Import a snnTorch network; see :func:`cortexcore.export.from_torch.from_torch`."""
    from cortexcore.export.from_torch import from_torch as trace

    return trace(model, sample, dt_s=dt_s)
