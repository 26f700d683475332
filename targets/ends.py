"""What every run needs of a network: something that enters, computes and leaves."""

from __future__ import annotations

from cortexcore.export.network import IntegerNetwork
from cortexcore.targets.base import Problem


def end_problems(network: IntegerNetwork) -> list[Problem]:
    """A network without inputs has no number of steps, one without populations or outputs nothing to tell."""
    parts = {
        "inputs": (network.inputs, "give the network an input"),
        "populations": (network.populations, "give the network a population"),
        "outputs": (network.outputs, "name a population as output"),
    }
    return [Problem(name, "there is none", remedy) for name, (those, remedy) in parts.items() if not those]
