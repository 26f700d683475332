"""CortexCore: from a trained spiking neural network to hardware, the same network, bit for bit, on every target.

The public names load what they need when first used, so that importing the package stays quick and an edge device
never loads PyTorch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from cortexcore.errors import CortexCoreError

if TYPE_CHECKING:
    from cortexcore.api import compare, compile, fine_tune, from_torch, quantize, sweep
    from cortexcore.export.nir_io import read_integer_nir, read_nir, write_integer_nir, write_nir
    from cortexcore.runtime.bundle import load_bundle, save_bundle

__version__ = "0.1.0"
__all__ = [
    "CortexCoreError",
    "__version__",
    "compare",
    "compile",
    "fine_tune",
    "from_torch",
    "load_bundle",
    "quantize",
    "read_integer_nir",
    "read_nir",
    "save_bundle",
    "sweep",
    "write_integer_nir",
    "write_nir",
]

_HOMES = {
    "compare": "cortexcore.api",
    "compile": "cortexcore.api",
    "fine_tune": "cortexcore.api",
    "from_torch": "cortexcore.api",
    "quantize": "cortexcore.api",
    "sweep": "cortexcore.api",
    "load_bundle": "cortexcore.runtime.bundle",
    "save_bundle": "cortexcore.runtime.bundle",
    "read_nir": "cortexcore.export.nir_io",
    "read_integer_nir": "cortexcore.export.nir_io",
    "write_nir": "cortexcore.export.nir_io",
    "write_integer_nir": "cortexcore.export.nir_io",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'cortexcore' has no attribute '{name}'")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
