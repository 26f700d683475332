"""A float graph as an artifact, made, kept in a folder and read from there."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from cortexcore.errors import BundleError, GraphError
from cortexcore.export.graph import Graph
from cortexcore.targets.base import CheckReport
from cortexcore.targets.onnx.config import OnnxConfig
from cortexcore.targets.onnx.floating.check import check
from cortexcore.targets.onnx.floating.precision import PRECISIONS, Precision
from cortexcore.targets.onnx.floating.session import FloatArtifact
from cortexcore.targets.onnx.session import FORMS, METADATA_KEY, Form
from cortexcore.targets.reference.saved import FILE, graph_sha256, load_graph, save_graph

CONFIG = "config.json"


def lower(graph: Graph, config: OnnxConfig, dtype: Precision = "float32") -> FloatArtifact:
    """The models of ``graph``, computing in ``dtype``.

    Raises:
        GraphError: the graph has parts of which no model can be made, all listed, its metadata is not JSON, or there
            is no such precision.
        TargetUnavailable: the package onnx is missing.
    """
    if dtype not in PRECISIONS:
        raise GraphError(f"dtype is '{dtype}', use one of {', '.join(PRECISIONS)}")
    CheckReport("onnx", tuple(check(graph, dtype))).require()
    from cortexcore.targets.onnx.floating.forms import build_sequence, build_step

    sha256 = graph_sha256(graph)

    def noted(form: Form) -> dict[str, str]:
        inputs = [{"name": name, "shape": [int(n) for n in node.shape]} for name, node in graph.inputs.items()]
        about = {**_identity(form, sha256, dtype), "dt_s": float(graph.dt_s), "inputs": inputs}
        try:
            return {METADATA_KEY: json.dumps({**about, "metadata": dict(graph.metadata)}, sort_keys=True)}
        except (TypeError, ValueError) as error:
            raise GraphError(f"the graph's metadata cannot be written, it must hold JSON values: {error}") from error

    return FloatArtifact(
        graph,
        config,
        build_sequence(graph, noted("sequence"), False, dtype),
        build_sequence(graph, noted("traced"), True, dtype),
        build_step(graph, noted("step"), dtype),
    )


def save(artifact: FloatArtifact, folder: Path) -> None:
    """Write ``graph.nir``, the models and the options into an existing folder."""
    save_graph(artifact.graph, folder)
    for form in FORMS:
        (folder / f"{form}.onnx").write_bytes(getattr(artifact, form))
    (folder / CONFIG).write_text(json.dumps(asdict(artifact.config)), encoding="utf-8")


def load(folder: Path) -> FloatArtifact:
    """Read what :func:`save` wrote.

    Raises:
        BundleError: a file is missing, damaged, not ours, or of another graph than the rest.
    """
    try:
        models = [(folder / f"{form}.onnx").read_bytes() for form in FORMS]
        config = OnnxConfig(**json.loads((folder / CONFIG).read_text(encoding="utf-8")))
    except OSError as error:
        raise BundleError(f"{error.filename} is missing: the ONNX artifact in {folder} is incomplete") from error
    except (TypeError, ValueError) as error:
        raise BundleError(f"{folder / CONFIG} is not the ONNX target's: {error}") from error
    artifact = FloatArtifact(load_graph(folder), config, *models)
    for form in FORMS:
        about = artifact.session(form).about
        wanted = _identity(form, artifact.sha256, artifact.dtype)
        if {key: about.get(key) for key in wanted} != wanted:
            raise BundleError(f"{folder / form}.onnx is not the {form} form of the graph in {FILE}: lower it again")
    return artifact


def _identity(form: Form, sha256: str, dtype: Any) -> dict[str, Any]:
    """What a model notes of itself and must fit the folder it is in."""
    return {"network": "float", "form": form, "sha256": sha256, "dtype": dtype}
