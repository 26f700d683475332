"""Put a model to rest and into evaluation for a while, and leave it, and all random generators, as they were."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import snntorch
import torch

from cortexcore.export.torch_import.leaves import is_leaf

STATE_NAMES = ("spk", "syn", "mem")
"""What of a neuron may change while a model runs."""


@contextlib.contextmanager
def at_rest(model: torch.nn.Module) -> Iterator[list[str]]:
    """Evaluation without gradients, all neurons without a state; afterwards everything is as it was before.

    snnTorch's ``utils.reset`` reaches every neuron of the process, so they are all put back.

    Yields:
        a list that holds sentences afterwards, if the model drew random numbers or changed its own weights.
    """
    problems: list[str] = []
    modules = dict.fromkeys([*model.modules(), *snntorch.SpikingNeuron.instances])
    kept = [(module, dict(module.__dict__), dict(module._buffers)) for module in modules]
    values = [
        (buffer, buffer.detach().clone())
        for module in model.modules()
        for buffer in (*module._buffers.values(), *module._parameters.values())
        if buffer is not None
    ]
    settings = {where: now.detach().clone() for where, now, _ in _settings(model, {})}
    python, numpy = random.getstate(), np.random.get_state()
    devices = range(torch.cuda.device_count()) if torch.cuda.is_available() else []
    try:
        with torch.inference_mode(False), torch.no_grad(), torch.random.fork_rng(devices=devices):
            model.eval()
            for module in model.modules():
                if isinstance(module, snntorch.SpikingNeuron):
                    _rest(module)
            before = _generators(devices)
            yield problems
            if changed := [where for where, now, then in _settings(model, settings) if not _equal(now, then)]:
                problems.append(
                    f"{type(model).__name__}.forward changes {', '.join(changed)} while it runs (a graph's weights and "
                    "neurons stay what they are)"
                )
            drawn = any(not torch.equal(a, b) for a, b in zip(before, _generators(devices), strict=True))
        if drawn or random.getstate() != python or not _same(numpy, np.random.get_state()):
            problems.append(
                f"{type(model).__name__}.forward draws random numbers, so that no two runs are the same network "
                "(encode its input outside the model)"
            )
    finally:
        for module, attributes, buffers in kept:
            module.__dict__.clear()
            module.__dict__.update(attributes)
            module._buffers.clear()
            module._buffers.update(buffers)
        with torch.no_grad():
            for buffer, value in values:
                if not _equal(buffer, value):
                    buffer.copy_(value)
        random.setstate(python)
        np.random.set_state(numpy)


def _settings(
    model: torch.nn.Module, then: Mapping[str, torch.Tensor]
) -> Iterator[tuple[str, torch.Tensor, torch.Tensor | None]]:
    """Where, what is there now and what was ``then``: all parameters, and what leaves hold but neurons' states."""
    for path, module in model.named_modules():
        held = {name: each for name, each in module._buffers.items() if is_leaf(module) and name not in STATE_NAMES}
        for name, each in {**module._parameters, **held}.items():
            where = f"{path}.{name}" if path else name
            if each is not None:
                yield f"'{where}'", each, then.get(f"'{where}'")


def _equal(now: torch.Tensor, then: torch.Tensor | None) -> bool:
    """Whether two tensors hold the same values, NaN being itself."""
    if then is None or now.shape != then.shape:
        return False
    return bool(((now == then) | ((now != now) & (then != then))).all())


def _rest(neuron: Any) -> None:
    """A neuron without a state: it makes one of the right shape, of zeros, at its next call."""
    for name in STATE_NAMES:
        state = getattr(neuron, name, None)
        if isinstance(state, torch.Tensor):
            setattr(neuron, name, torch.zeros(0, dtype=state.dtype, device=state.device))


def _generators(devices: Any) -> list[torch.Tensor]:
    return [torch.random.get_rng_state(), *(torch.cuda.get_rng_state(device) for device in devices)]


def _same(a: Any, b: Any) -> bool:
    """Whether two states of NumPy's generator are equal."""
    return bool(a[0] == b[0] and np.array_equal(a[1], b[1]) and a[2:] == b[2:])
