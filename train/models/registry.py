"""Architectures by name, so that a checkpoint can say what it holds without pickling code."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any

from cortexcore.errors import CortexCoreError
from cortexcore.train.models.conv_ann import ConvANN, ConvANNConfig
from cortexcore.train.models.conv_snn import ConvSNN, ConvSNNConfig

Model = ConvSNN | ConvANN
ARCHITECTURES: dict[str, tuple[type[Any], type[Any]]] = {
    "conv_snn": (ConvSNNConfig, ConvSNN),
    "conv_ann": (ConvANNConfig, ConvANN),
}


def build_model(architecture: str, values: Mapping[str, Any]) -> Model:
    """A fresh, untrained network.

    Args:
        architecture: a key of :data:`ARCHITECTURES`.
        values: the fields of its configuration.

    Raises:
        CortexCoreError: the architecture or a field is unknown, a field is missing, or a value is out of range.
    """
    if architecture not in ARCHITECTURES:
        raise CortexCoreError(f"architecture '{architecture}' is unknown, use one of {', '.join(ARCHITECTURES)}")
    config_type, model_type = ARCHITECTURES[architecture]
    unknown = sorted(values.keys() - {field.name for field in fields(config_type)})
    if unknown:
        raise CortexCoreError(f"architecture '{architecture}' has no field {', '.join(unknown)}")
    try:
        model: Model = model_type(config_type(**values))
        return model
    except TypeError as error:
        raise CortexCoreError(f"architecture '{architecture}' cannot be built: {error}") from error


def describe_model(model: Model) -> tuple[str, dict[str, Any]]:
    """Name and configuration from which :func:`build_model` makes the same network, as JSON values."""
    for name, (_, model_type) in ARCHITECTURES.items():
        if type(model) is model_type:
            return name, asdict(model.config)
    raise CortexCoreError(f"a {type(model).__name__} cannot be saved, CortexCore knows {', '.join(ARCHITECTURES)}")
