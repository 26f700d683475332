"""The zoo: every test that asks for a ``case`` runs once per network."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))


def pytest_generate_tests(metafunc: Any) -> None:
    if "case" in metafunc.fixturenames:
        pytest.importorskip("snntorch")
        import zoo_layers
        import zoo_loops
        import zoo_neurons

        cases = [*zoo_layers.CASES, *zoo_neurons.CASES, *zoo_loops.CASES]
        metafunc.parametrize("case", cases, ids=[case.name for case in cases])
