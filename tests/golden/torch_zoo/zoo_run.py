"""A case's graph beside what PyTorch says of the very model it was made from."""

from __future__ import annotations

from typing import Any

import numpy as np
import snntorch as snn
import torch

from cortexcore.export.from_torch import from_torch
from cortexcore.export.graph import Graph

STEPS, BATCH, SHOWN = 120, 4, 5


def recorded(
    case: Any, dtype: Any
) -> tuple[Graph, dict[str, np.ndarray], dict[str, np.ndarray], dict[str, np.ndarray]]:
    """A case's graph, its inputs [T, B, *shape], and what PyTorch's neurons and outputs say."""
    model = case.model().to(dtype)
    rng = np.random.default_rng(0)
    steps = 1 if case.mode == "constant" else STEPS
    inputs = {name: rng.normal(size=(steps, BATCH, *shape)) * case.scale for name, shape in case.shapes.items()}
    if "metadata" in case.options:
        inputs = {name: np.clip(x, *case.options["metadata"]["input_ranges"][name]) for name, x in inputs.items()}
    inputs = {name: torch.tensor(x, dtype=dtype).double().numpy() for name, x in inputs.items()}
    sample: dict[str, Any] = {name: x[:SHOWN] if case.mode == "loop" else x[0] for name, x in inputs.items()}
    states = {name: np.zeros((BATCH, *shape)) for name, shape in case.states.items()}
    graph = from_torch(model, sample | states, 1e-3, **case.options)
    seen: dict[str, list[np.ndarray]] = {}
    for path, module in model.named_modules():
        if isinstance(module, snn.SpikingNeuron):

            def keep(_: object, __: object, out: object, name: str = path.replace(".", "_")) -> None:
                spikes = out[0] if isinstance(out, tuple) else out
                seen.setdefault(name, []).append((spikes != 0).numpy().astype(np.uint8))

            module.register_forward_hook(keep)
    tensors = {name: torch.tensor(x, dtype=dtype) for name, x in inputs.items()}
    with torch.no_grad():
        returned = stepped(case, model, tensors)
    outputs = dict(zip(graph.outputs, returned, strict=True))
    readouts = {name for name in seen if name not in reference_spiking(graph)}
    spikes = {name: np.stack(each) for name, each in seen.items() if name not in readouts}
    inputs = {name: np.broadcast_to(x, (STEPS, *x.shape[1:])) for name, x in inputs.items()}
    return graph, inputs, spikes, outputs


def reference_spiking(graph: Graph) -> set[str]:
    """The neurons of a graph that send spikes."""
    return {name for name, node in graph.nodes.items() if hasattr(node, "v_threshold")}


def stepped(case: Any, model: Any, tensors: dict[str, Any]) -> list[np.ndarray]:
    """The outputs of all steps [T, B, *shape], or of the last [1, B, *shape], in the order of the graph's."""
    if case.mode == "loop" or case.mode == "constant":
        given = {name: x if case.mode == "loop" else x[0] for name, x in tensors.items()}
        result = model(**given)
        result = torch.stack(result) if isinstance(result, list) else result
        result = result[0] if isinstance(result, tuple) else result
        return [(result if len(result) == STEPS else result[None]).numpy()]
    states = {name: torch.zeros(BATCH, *shape).to(next(iter(tensors.values()))) for name, shape in case.states.items()}
    collected: list[list[Any]] = []
    for t in range(STEPS):
        result = model(*(x[t] for x in tensors.values()), *states.values())
        if states:
            states = dict(zip(states, result[1:], strict=True))
            result = result[0]
        if isinstance(result, dict):
            result = list(result.values())
        elif isinstance(result, tuple):
            result = [result[-1]]
        collected.append(result if isinstance(result, list) else [result])
    return [np.stack([each.numpy() for each in column]) for column in zip(*collected, strict=True)]
