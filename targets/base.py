"""What a target is: check, lower, run, profile. One folder per target; backends are final and share by composition."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, Literal, Protocol, TypeVar

from numpy.typing import NDArray

from cortexcore.errors import GraphError
from cortexcore.export.graph import Graph
from cortexcore.export.network import IntegerNetwork
from cortexcore.targets.profile import Profile

Array = NDArray[Any]
Arrays = Mapping[str, Array]
"""Node name → array [T, B, *shape]; T steps, B independent inferences that each start from rest."""
Form = Literal["float", "integer"]


def form_of(network: Graph | IntegerNetwork) -> Form:
    """Which of the two kinds of network this is."""
    return "float" if isinstance(network, Graph) else "integer"


@dataclass(frozen=True)
class Problem:
    """One thing a target cannot take: the node, why, and what the user can do about it."""

    node: str
    reason: str
    remedy: str


@dataclass(frozen=True)
class CheckReport:
    """All that a target cannot take of a network, none where it runs there.

    Attributes:
        notes: what a user must know of how it runs there, one sentence each, e.g. that a neuron needs microcode.
    """

    target: str
    problems: tuple[Problem, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        return not self.problems

    def require(self) -> None:
        """Raise one :class:`GraphError` that lists every problem, if there is any."""
        if self.problems:
            rows = "; ".join(f"'{p.node}': {p.reason} ({p.remedy})" for p in self.problems)
            raise GraphError(f"target '{self.target}' cannot take this network: {rows}")


@dataclass(frozen=True, eq=False)
class Result:
    """What a run produced.

    Attributes:
        outputs: output name → [T, B, *shape]: spikes (0/1, uint8) of a spiking population, v of an LI (int32 of an
            integer network; of a float graph float64 on ``reference``, and on ``onnx`` the precision it computes in).
        spikes, u, v: population → [T, B, *shape], as far as the target can tell; only with ``trace``. ``spikes``
            holds spiking populations alone; u and v are in the units of :mod:`cortexcore.export.integer`.
    """

    outputs: Arrays
    spikes: Arrays = field(default_factory=dict)
    u: Arrays = field(default_factory=dict)
    v: Arrays = field(default_factory=dict)


class Stepper(Protocol):
    """A network that is advanced step by step, its state kept between calls: what streaming needs."""

    def start(self, batch: int = 1) -> None:
        """Back to rest, for ``batch`` independent inferences. A new stepper stands at rest with batch 1."""
        ...

    def step(self, inputs: Arrays) -> dict[str, Array]:
        """One step: inputs [B, *shape] → outputs [B, *shape] as in :class:`Result`; DataError names an unfit input."""
        ...


NetworkT = TypeVar("NetworkT", Graph, IntegerNetwork, contravariant=True)
ConfigT = TypeVar("ConfigT")
ArtifactT = TypeVar("ArtifactT")


class Target(Protocol, Generic[NetworkT, ConfigT, ArtifactT]):
    """One place a network can run."""

    name: str
    takes: tuple[Form, ...]
    """Which networks it runs, the preferred first: the float :class:`Graph`, the :class:`IntegerNetwork`, or both."""
    config: type[ConfigT]
    """Frozen dataclass of this target's options, validated at construction; ``config()`` are the defaults."""

    def unavailable(self) -> str | None:
        """None where the target can run on this machine, else one sentence with the command that mends it."""
        ...

    def check(self, network: NetworkT) -> CheckReport:
        """Everything in ``network`` that this target cannot take; needs nothing installed."""
        ...

    def lower(self, network: NetworkT, config: ConfigT) -> ArtifactT:
        """Translate. Raises GraphError where ``check`` finds a problem, TargetUnavailable without its packages."""
        ...

    def save(self, artifact: ArtifactT, folder: Path) -> None:
        """Write the artifact's files into an existing, empty folder."""
        ...

    def load(self, folder: Path) -> ArtifactT:
        """Read what ``save`` wrote; BundleError where it is incomplete."""
        ...

    def run(self, artifact: ArtifactT, inputs: Arrays, trace: bool = False) -> Result:
        """Run on ``inputs`` [T, B, *shape], every inference from rest. DataError names an unfit input."""
        ...

    def stepper(self, artifact: ArtifactT) -> Stepper:
        """A stepper at rest. Raises GraphError where the target only runs whole sequences."""
        ...

    def profile(self, artifact: ArtifactT, inputs: Arrays) -> Profile:
        """Latency, operations, memory and energy on these inputs, each figure with its kind and source."""
        ...
