"""What a case of the zoo is, and the parts that its networks are made of."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import snntorch as snn
import torch
from torch import nn


def hard(x: torch.Tensor) -> torch.Tensor:
    """A surrogate that answers in the type it is asked in; snnTorch's own answer in float32."""
    return (x > 0).to(x.dtype)


def leaky(beta: Any = 0.9, **options: Any) -> nn.Module:
    return snn.Leaky(beta, spike_grad=hard, init_hidden=True, **options)


def synaptic(alpha: Any = 0.6, beta: Any = 0.8, **options: Any) -> nn.Module:
    return snn.Synaptic(alpha, beta, spike_grad=hard, init_hidden=True, **options)


def rleaky(beta: Any = 0.8, **options: Any) -> nn.Module:
    return snn.RLeaky(beta, spike_grad=hard, init_hidden=True, **options)


def rsynaptic(alpha: Any = 0.5, beta: Any = 0.7, **options: Any) -> nn.Module:
    return snn.RSynaptic(alpha, beta, spike_grad=hard, init_hidden=True, **options)


def readout(beta: Any = 0.9) -> nn.Module:
    return snn.Leaky(beta, reset_mechanism="none", init_hidden=True, output=True)


@dataclass(frozen=True)
class Case:
    """One network and how it is run.

    Attributes:
        name: also the seed of its weights.
        build: makes it.
        shapes: input → shape without time and batch.
        mode: "step": forward is one step; "loop": it is given all steps; "constant": it is given one current for all
            of its steps; "handed": one step, with the states of ``states`` passed in and returned after the output.
        scale: standard deviation of the inputs.
        gain: what its weights are multiplied with, so that its neurons fire.
        states: argument → shape, of a "handed" network.
        options: keywords of from_torch.
    """

    name: str
    build: Callable[[], nn.Module]
    shapes: Mapping[str, tuple[int, ...]]
    mode: Literal["step", "loop", "constant", "handed"] = "step"
    scale: float = 2.0
    gain: float = 2.0
    states: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)

    def model(self) -> nn.Module:
        torch.manual_seed(zlib.crc32(self.name.encode()))
        model = self.build().eval()
        with torch.no_grad():
            for name, parameter in model.named_parameters():
                if parameter.ndim > 1 and "recurrent" not in name:
                    parameter.mul_(self.gain)
        return model

    def subtracts(self) -> bool:
        """Whether any of its neurons resets by subtraction."""
        neurons = [module for module in self.model().modules() if isinstance(module, snn.SpikingNeuron)]
        return any(neuron.reset_mechanism == "subtract" for neuron in neurons)

    def graded(self) -> bool:
        """Whether any of its neurons sends spikes of another size than 1, or its membrane."""
        neurons = [module for module in self.model().modules() if isinstance(module, snn.SpikingNeuron)]
        return any(neuron.graded_spikes_factor != 1 or neuron.output for neuron in neurons)


def sequential(name: str, shape: tuple[int, ...], *layers: Callable[[], nn.Module], **options: Any) -> Case:
    """A case of an ``nn.Sequential`` whose input is called "input"."""
    return Case(name, lambda: nn.Sequential(*(layer() for layer in layers)), {"input": shape}, **options)


def norm(module: nn.Module) -> nn.Module:
    """A batch normalisation with statistics of its own."""
    with torch.no_grad():
        module.running_mean.normal_(std=0.3)  # type: ignore[union-attr, operator]
        module.running_var.uniform_(0.5, 2.0)  # type: ignore[union-attr, operator]
        module.weight.uniform_(0.5, 1.5)  # type: ignore[union-attr, operator]
        module.bias.normal_(std=0.3)  # type: ignore[union-attr, operator]
    return module
