"""The zoo: a test that asks for a ``case`` runs once per network, for ``subtracting`` per one that subtracts."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))


def pytest_generate_tests(metafunc: Any) -> None:
    wanted = {"case", "subtracting"} & set(metafunc.fixturenames)
    if wanted:
        pytest.importorskip("snntorch")
        import zoo_layers
        import zoo_loops
        import zoo_neurons

        cases = [*zoo_layers.CASES, *zoo_neurons.CASES, *zoo_loops.CASES]
        if "subtracting" in wanted:
            cases = [case for case in cases if case.subtracts()]
        metafunc.parametrize(wanted.pop(), cases, ids=[case.name for case in cases])


@pytest.fixture
def subtracting_files() -> list[Any]:
    """The subtracting networks of Linear layers alone, in one chain, which snnTorch's exporter can write."""
    pytest.importorskip("snntorch")
    import torch
    import zoo_layers
    import zoo_neurons

    def plain(case: Any) -> bool:
        model = case.model()
        kinds = {type(layer).__name__ for layer in model} if isinstance(model, torch.nn.Sequential) else {""}
        return (
            case.subtracts() and kinds <= {"Linear", "Leaky", "Synaptic", "RLeaky", "RSynaptic"} and not case.graded()
        )

    return [case for case in [*zoo_layers.CASES, *zoo_neurons.CASES] if plain(case) and "leaks" not in case.name]
