"""Every neuron with every reset and delay that a graph can keep, scalar and vector parameters, learned or not."""

from __future__ import annotations

import snntorch as snn
import torch
from torch import nn
from zoo import Case, hard, leaky, readout, rleaky, rsynaptic, sequential, synaptic


def dense() -> nn.Module:
    return nn.Linear(6, 10)


def small(inputs: int, outputs: int) -> nn.Module:
    """A layer whose currents stay below 1, as an immediate subtraction needs."""
    layer = nn.Linear(inputs, outputs)
    with torch.no_grad():
        layer.weight.abs_().div_(layer.weight.sum(1, keepdim=True)).mul_(0.9)
        layer.bias.fill_(0.05)
    return layer


class Masked(nn.Module):
    """A recurrent neuron without bias and one to one, with a V per neuron."""

    def __init__(self, neuron: nn.Module) -> None:
        super().__init__()
        self.fc, self.n, self.out, self.li = nn.Linear(6, 10), neuron, nn.Linear(10, 3), readout(0.7)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.li(self.out(self.n(self.fc(x))))[1]


def lapicque(**options: object) -> nn.Module:
    return snn.Lapicque(spike_grad=hard, init_hidden=True, **options)


def vector() -> torch.Tensor:
    """One value per neuron."""
    return torch.linspace(0.2, 0.95, 10)


CASES = [
    *(
        sequential(
            f"leaky, {reset}, delay {delay}",
            (6,),
            dense,
            lambda r=reset, d=delay: leaky(reset_mechanism=r, reset_delay=d),
        )
        for reset, delay in (("zero", True), ("zero", False), ("subtract", True), ("none", True), ("none", False))
    ),
    sequential(
        "leaky, subtract at once, driven by spikes",
        (6,),
        dense,
        leaky,
        lambda: small(10, 8),
        lambda: leaky(reset_delay=False),
        gain=1.0,
    ),
    sequential(
        "leaky, subtract at once, driven by an input in its range",
        (6,),
        lambda: small(6, 8),
        lambda: leaky(0.5, reset_delay=False),
        options={"metadata": {"input_ranges": {"input": [-1.5, 1.5]}}},
        scale=3.0,
        gain=1.0,
    ),
    sequential(
        "leaky, learned scalars",
        (6,),
        dense,
        lambda: leaky(torch.tensor(0.83), threshold=torch.tensor(0.7), learn_beta=True, learn_threshold=True),
    ),
    sequential(
        "leaky, learned vectors",
        (6,),
        dense,
        lambda: leaky(vector(), threshold=vector().flip(0) + 0.3, learn_beta=True, learn_threshold=True),
    ),
    sequential("leaky, a vector along the length", (2, 12), lambda: nn.Conv1d(2, 3, 3), lambda: leaky(vector())),
    sequential(
        "leaky, graded spikes",
        (6,),
        dense,
        lambda: leaky(graded_spikes_factor=0.7),
        lambda: nn.Linear(10, 4),
        leaky,
    ),
    sequential(
        "leaky that never leaks",
        (6,),
        dense,
        lambda: leaky(1.0),
        lambda: nn.Linear(10, 4),
        lambda: leaky(1.0, reset_mechanism="zero"),
    ),
    sequential("leaky that keeps nothing", (6,), dense, lambda: leaky(0.0, reset_mechanism="zero")),
    *(
        sequential(
            f"synaptic, {reset}, delay {delay}",
            (6,),
            dense,
            lambda r=reset, d=delay: synaptic(reset_mechanism=r, reset_delay=d),
        )
        for reset, delay in (("zero", False), ("subtract", True), ("none", True), ("none", False))
    ),
    sequential(
        "synaptic, subtract at once",
        (6,),
        dense,
        leaky,
        lambda: small(10, 8),
        lambda: synaptic(0.3, 0.5, threshold=0.95, reset_delay=False),
        scale=6.0,
        gain=1.0,
    ),
    sequential(
        "synaptic, learned vectors",
        (6,),
        dense,
        lambda: synaptic(
            vector().flip(0),
            vector(),
            threshold=vector() + 0.5,
            learn_alpha=True,
            learn_beta=True,
            learn_threshold=True,
        ),
    ),
    *(
        sequential(
            f"rleaky, all to all, {reset}, delay {delay}",
            (6,),
            dense,
            lambda r=reset, d=delay: rleaky(linear_features=10, reset_mechanism=r, reset_delay=d),
        )
        for reset, delay in (("zero", False), ("subtract", True), ("none", False))
    ),
    sequential(
        "rleaky, convolution",
        (3, 6, 5),
        lambda: nn.Conv2d(3, 4, 3, padding=1),
        lambda: rleaky(conv2d_channels=4, kernel_size=3),
    ),
    sequential(
        "rleaky, one to one, shared", (6,), dense, lambda: rleaky(all_to_all=False, V=-0.6, learn_recurrent=False)
    ),
    sequential("rleaky, one to one, each its own", (6,), dense, lambda: rleaky(all_to_all=False, V=vector() - 0.6)),
    *(
        sequential(
            f"rsynaptic, all to all, {reset}",
            (6,),
            dense,
            lambda r=reset: rsynaptic(linear_features=10, reset_mechanism=r),
        )
        for reset in ("subtract", "none")
    ),
    sequential(
        "rsynaptic, convolution",
        (3, 6, 5),
        lambda: nn.Conv2d(3, 4, 3, padding=1),
        lambda: rsynaptic(conv2d_channels=4, kernel_size=(3, 5)),
    ),
    Case(
        "rsynaptic, one to one",
        lambda: Masked(rsynaptic(vector(), 0.6, all_to_all=False, V=vector() - 0.5)),
        {"x": (6,)},
    ),
    *(
        sequential(
            f"lapicque, {reset}",
            (6,),
            lambda: nn.Linear(6, 10),
            lambda r=reset: lapicque(beta=0.8, reset_mechanism=r),
            scale=4.0,
        )
        for reset in ("subtract", "none")
    ),
    sequential("lapicque, a circuit", (6,), dense, lambda: lapicque(R=2.0, C=1.5, time_step=0.5), scale=8.0),
    sequential("readout", (6,), dense, leaky, lambda: nn.Linear(10, 3), readout),
    sequential(
        "readout with a current",
        (6,),
        dense,
        leaky,
        lambda: nn.Linear(10, 3),
        lambda: synaptic(0.4, 0.9, reset_mechanism="none", output=True),
    ),
    sequential("readout that sums", (6,), dense, leaky, lambda: nn.Linear(10, 3), lambda: readout(1.0)),
]
