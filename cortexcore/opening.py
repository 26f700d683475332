"""What a path on the command line holds: a bundle, a float graph or an integer network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cortexcore.errors import GraphError
from cortexcore.export.graph import Discretization, Graph
from cortexcore.export.network import IntegerNetwork
from cortexcore.export.nir_io import load_graph_file
from cortexcore.export.nodes import Reset
from cortexcore.runtime.bundle import Bundle, load_bundle
from cortexcore.targets.compiled import Compiled, compile
from cortexcore.targets.registry import get_target

SHIPPED = Path(__file__).parent / "models" / "ecg_beat"
"""The beat classifier that comes with CortexCore: checkpoint, model card and bundle."""

CHECKPOINTS = (".safetensors", ".pt")
ARTIFACTS = (".onnx", ".tflite", ".elf")


@dataclass(frozen=True, eq=False)
class Opened:
    """A network from disk, in as many forms as the file has."""

    path: Path
    graph: Graph | None
    network: IntegerNetwork | None
    bundle: Bundle | None = None

    def form_for(self, target_name: str) -> Graph | IntegerNetwork:
        """The form that a target runs. Raises GraphError where the file lacks it, with the command that makes it."""
        takes = get_target(target_name).takes
        forms = {"float": self.graph, "integer": self.network}
        for kind in takes:
            if (form := forms[kind]) is not None:
                return form
        if "integer" in takes:
            raise GraphError(
                f"target '{target_name}' runs integer networks and '{self.path}' is a float graph; quantize it first: "
                f"cortexcore quantize {self.path} -o OUT.nir"
            )
        raise GraphError(
            f"target '{target_name}' runs float graphs and '{self.path}' holds an integer network alone; give the file "
            "that it was quantized from, or a bundle that has both"
        )

    def compiled(self, target_name: str, config: Any = None) -> Compiled:
        """The network on a target: the artifact that a bundle brings, where no options are given, else lowered now.

        Args:
            config: the target's options, an instance of its ``config`` class.
        """
        if self.bundle is not None and config is None:
            return self.bundle.compiled(target_name)
        return compile(self.form_for(target_name), target_name, config)

    def input_shapes(self) -> Mapping[str, tuple[int, ...]]:
        """Input node → shape without time and batch."""
        if self.network is not None:
            return {port.name: port.shape for port in self.network.inputs}
        if self.graph is not None:
            return {name: node.shape for name, node in self.graph.inputs.items()}
        raise GraphError(f"'{self.path}' holds no network")


def open_model(
    path: Path, dt_s: float | None = None, reset: Reset | None = None, discretization: Discretization | None = None
) -> Opened:
    """Open a bundle (folder or .zip) or a NIR file, float or integer.

    Raises:
        GraphError: the file is missing, damaged or not NIR, or lacks what the three options give, or is a network
            that says all of it itself and they are given.
        BundleError: the bundle is damaged or was changed.
    """
    if path.suffix in CHECKPOINTS:
        raise GraphError(f"'{path}' is a checkpoint; make a bundle of it first: cortexcore export {path} -o BUNDLE")
    if path.suffix in ARTIFACTS:
        raise GraphError(
            f"'{path}' is one target's model, which does not hold the network: give the bundle that it lies in, or the "
            "NIR file that it was made from"
        )
    if path.is_dir() or path.suffix == ".zip":
        bundle = load_bundle(path)
        opened = Opened(path, bundle.graph, bundle.network, bundle)
    else:
        loaded = load_graph_file(path, dt_s=dt_s, reset=reset, discretization=discretization)
        if not isinstance(loaded, IntegerNetwork):
            return Opened(path, loaded, None)
        opened = Opened(path, None, loaded)
    options = {"--dt": dt_s, "--reset": reset, "--discretization": discretization}
    if given := [option for option, value in options.items() if value is not None]:
        raise GraphError(f"'{path}' is an integer network, fixed when it was quantized: leave {', '.join(given)} out")
    return opened
