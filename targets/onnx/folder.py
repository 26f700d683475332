"""An ONNX artifact in a folder: its network, its models and its options."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from cortexcore.errors import BundleError
from cortexcore.export.graph import Graph
from cortexcore.export.network import IntegerNetwork
from cortexcore.targets.onnx.config import OnnxConfig
from cortexcore.targets.onnx.models import MODELS, OnnxArtifact, identity
from cortexcore.targets.reference.saved import FILE as GRAPH_FILE
from cortexcore.targets.reference.saved import load_graph, save_graph
from cortexcore.targets.saved import FILE as NETWORK_FILE
from cortexcore.targets.saved import load_network, save_network

CONFIG = "config.json"


def save(artifact: OnnxArtifact[Any], folder: Path) -> None:
    """Write ``network.nir`` or ``graph.nir``, the models and the options into an existing folder."""
    if isinstance(artifact.network, Graph):
        save_graph(artifact.network, folder)
    else:
        save_network(artifact.network, folder)
    for model in MODELS:
        (folder / f"{model}.onnx").write_bytes(getattr(artifact, model))
    index = {"config": asdict(artifact.config), "sha256": _digests(artifact)}
    (folder / CONFIG).write_text(json.dumps(index), encoding="utf-8")


def load(folder: Path) -> OnnxArtifact[Any]:
    """Read what :func:`save` wrote.

    Raises:
        BundleError: a file is missing, damaged, not ours, or of another network than the rest.
    """
    try:
        models = [(folder / f"{model}.onnx").read_bytes() for model in MODELS]
        index = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
        config, digests = OnnxConfig(**index["config"]), dict(index["sha256"])
    except OSError as error:
        raise BundleError(f"{error.filename} is missing: the ONNX artifact in {folder} is incomplete") from error
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise BundleError(f"{folder / CONFIG} is not the ONNX target's: {error}; lower the network again") from error
    network = _load_network(folder)
    artifact: OnnxArtifact[Any] = OnnxArtifact(network, config, *models)
    for model in MODELS:
        about, wanted = artifact.session(model).about, identity(network, config, model)
        if {key: about.get(key) for key in wanted} != wanted:
            raise BundleError(
                f"{folder / model}.onnx is not the {model} model of the network beside it: lower the network again"
            )
    if changed := [f"{model}.onnx" for model, digest in _digests(artifact).items() if digests.get(model) != digest]:
        raise BundleError(
            f"{', '.join(changed)} in {folder} is damaged, or another artifact's: lower the network again"
        )
    return artifact


def _digests(artifact: OnnxArtifact[Any]) -> dict[str, str]:
    """Model → its SHA-256: a weight that changed runs as well as the right one."""
    return {model: hashlib.sha256(getattr(artifact, model)).hexdigest() for model in MODELS}


def _load_network(folder: Path) -> Graph | IntegerNetwork:
    if (folder / GRAPH_FILE).is_file():
        return load_graph(folder)
    if (folder / NETWORK_FILE).is_file():
        return load_network(folder)
    raise BundleError(
        f"neither {NETWORK_FILE} nor {GRAPH_FILE} is in '{folder}': the ONNX artifact is incomplete; lower it again"
    )
