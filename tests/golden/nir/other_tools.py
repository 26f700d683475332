"""Runs NIR files in Norse or sinabs, and keeps the spikes; for the environments of those tools, which lack CortexCore.

    python tests/golden/test_nir_tools.py DIR                  (CortexCore) writes the .nir files and their input
    python tests/golden/nir/other_tools.py norse DIR OUT.npz   (norse 1.1.0, nir 1.0.8, nirtorch 2.6, torch 2.14.1)
    python tests/golden/nir/other_tools.py sinabs DIR OUT.npz  (sinabs 3.1.3, nir 1.0.4, nirtorch 2.0.2, torch 2.14.1)

made ``norse.npz`` and ``sinabs.npz`` beside this file. One inference, without a batch axis, all in float32.
"""

from __future__ import annotations

import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import nir
import numpy as np
import torch


def norse(graph: nir.NIRGraph, x: torch.Tensor) -> np.ndarray:
    """Norse as it imports the graph: it keeps v_reset at 0 and takes r for 1."""
    from norse.torch import from_nir

    net, state, sent = from_nir(graph, dt=1e-3), None, []
    for step in x:
        y, state = net(step) if state is None else net(step, state)
        sent.append(y.detach().numpy())
    return np.stack(sent)


def sinabs(graph: nir.NIRGraph, x: torch.Tensor) -> np.ndarray:
    """Sinabs, with one spike a step at most and no lower bound of v, which are its own additions to NIR's neuron."""
    from sinabs.activation import SingleSpike
    from sinabs.layers import IAFSqueeze
    from sinabs.nir import from_nir

    net = from_nir(graph, batch_size=1)
    for module in net.modules():
        if isinstance(module, IAFSqueeze):
            module.spike_fn, module.min_v_mem = SingleSpike, None
    y: Any = net(x)
    return (y[0] if isinstance(y, tuple) else y).detach().numpy()


def main(tool: str, folder: Path, path: Path) -> None:
    found: dict[str, Any] = {"versions": [f"{name} {version(name)}" for name in (tool, "nir", "nirtorch", "torch")]}
    for file in sorted(folder.glob(f"{tool}_*.nir")):
        x = torch.tensor(np.load(file.with_suffix(".npy")), dtype=torch.float32)
        with torch.no_grad():
            found[file.stem] = {"norse": norse, "sinabs": sinabs}[tool](nir.read(file), x).astype(np.uint8)
    np.savez_compressed(path, **found)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))
