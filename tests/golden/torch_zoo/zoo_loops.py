"""Networks with a time loop of their own, in the forms in which snnTorch's users write them."""

from __future__ import annotations

import snntorch as snn
import torch
from snntorch import utils
from torch import nn
from zoo import Case, hard, leaky

Tensors = tuple[torch.Tensor, ...]


def explicit(beta: object = 0.9, **options: object) -> nn.Module:
    return snn.Leaky(beta, spike_grad=hard, **options)


class Tutorial(nn.Module):
    """snnTorch's tutorial 5: explicit membranes, x[step], records of spikes and of a readout's membrane."""

    def __init__(self) -> None:
        super().__init__()
        self.fc1, self.lif1 = nn.Linear(6, 10), explicit(0.9)
        self.fc2, self.lif2 = nn.Linear(10, 4), explicit(0.8)

    def forward(self, x: torch.Tensor) -> Tensors:
        mem1, mem2 = self.lif1.init_leaky(), self.lif2.init_leaky()
        spikes, membranes = [], []
        for step in range(x.size(0)):
            spk1, mem1 = self.lif1(self.fc1(x[step]), mem1)
            spk2, mem2 = self.lif2(self.fc2(spk1), mem2)
            spikes.append(spk2)
            membranes.append(mem2)
        return torch.stack(spikes), torch.stack(membranes)


class Constant(nn.Module):
    """Direct coding: the same x at every one of num_steps, hidden states put to rest before."""

    def __init__(self) -> None:
        super().__init__()
        self.num_steps = 120
        self.net = nn.Sequential(nn.Linear(6, 10), leaky(0.8), nn.Linear(10, 4), leaky(0.7, output=True))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        utils.reset(self.net)
        record = []
        for _ in range(self.num_steps):
            spikes, _ = self.net(x)
            record.append(spikes)
        return torch.stack(record, dim=0)


class Once(nn.Module):
    """The constant part computed once before the loop; a readout; the last membrane alone is returned."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.lif1, self.head = nn.Conv1d(2, 3, 3), explicit(0.7), nn.Linear(3 * 8, 4)
        self.li = explicit(0.95, reset_mechanism="none")

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        mem1, mem2 = self.lif1.reset_mem(), self.li.reset_mem()
        current = self.conv(x)
        for _ in range(120):
            spk1, mem1 = self.lif1(current, mem1)
            _, mem2 = self.li(self.head(torch.flatten(spk1, 1)), mem2)
        return mem2


class Recurrent(nn.Module):
    """Recurrence written by hand: feedback between two layers, and of a layer on itself; iterates over x."""

    def __init__(self) -> None:
        super().__init__()
        self.fc, self.own, self.lif1 = nn.Linear(6, 8), nn.Linear(8, 8), explicit(0.8)
        self.up, self.back, self.lif2 = nn.Linear(8, 5), nn.Linear(5, 8, bias=False), explicit(0.7)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        mem1, mem2 = self.lif1.reset_mem(), self.lif2.reset_mem()
        spk1, spk2 = torch.zeros(x.shape[1], 8, dtype=x.dtype), x.new_zeros(x.shape[1], 5)
        record = []
        for now in x:
            spk1, mem1 = self.lif1(self.fc(now) + self.own(spk1) + self.back(spk2), mem1)
            spk2, mem2 = self.lif2(self.up(spk1), mem2)
            record.append(spk2)
        return torch.stack(record)


class LateForward(nn.Module):
    """A connection that is one step late without closing a loop, and an input two steps late: both become delays."""

    def __init__(self) -> None:
        super().__init__()
        self.fc, self.lif1 = nn.Linear(6, 8), leaky(0.8)
        self.late, self.direct, self.lif2 = nn.Linear(8, 5), nn.Linear(6, 5, bias=False), leaky(0.7)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        spk, old, older = torch.zeros(x.shape[1], 8).to(x), torch.zeros_like(x[0]), torch.zeros_like(x[0])
        record = torch.zeros(len(x), x.shape[1], 5).to(x)
        for step in range(len(x)):
            record[step] = self.lif2(self.late(spk) + self.direct(older))
            spk, old, older = self.lif1(self.fc(x[step])), x[step], old
        return record


class States(nn.Module):
    """Neurons with several states in a loop, time on axis 1, and a synaptic readout."""

    def __init__(self) -> None:
        super().__init__()
        self.fc1, self.n1 = nn.Linear(6, 8), snn.RSynaptic(0.5, 0.7, linear_features=8, spike_grad=hard)
        self.fc2, self.n2 = nn.Linear(8, 6), snn.RLeaky(0.8, all_to_all=False, V=-0.5, spike_grad=hard)
        self.fc3, self.n3 = nn.Linear(6, 3), snn.Synaptic(0.4, 0.9, spike_grad=hard, reset_mechanism="none")

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x.transpose(0, 1)
        spk1, syn1, mem1 = self.n1.init_rsynaptic()
        spk2, mem2 = self.n2.init_rleaky()
        syn3, mem3 = self.n3.init_synaptic()
        record = []
        for step in range(x.size(1)):
            spk1, syn1, mem1 = self.n1(self.fc1(x[:, step]), spk1, syn1, mem1)
            spk2, mem2 = self.n2(self.fc2(spk1), spk2, mem2)
            _, syn3, mem3 = self.n3(self.fc3(spk2), syn3, mem=mem3)
            record.append(mem3)
        return torch.stack(record)


class Handed(nn.Module):
    """One step, the states as arguments that are handed back."""

    def __init__(self) -> None:
        super().__init__()
        self.fc1, self.lif1 = nn.Linear(6, 10), explicit(0.9)
        self.fc2, self.lif2 = nn.Linear(10, 4), snn.Synaptic(0.5, 0.8, spike_grad=hard)

    def forward(self, x: torch.Tensor, mem1: torch.Tensor, syn2: torch.Tensor, mem2: torch.Tensor) -> Tensors:
        spk1, mem1 = self.lif1(self.fc1(x), mem1)
        spk2, syn2, mem2 = self.lif2(self.fc2(spk1), syn2, mem2)
        return spk2, mem1, syn2, mem2


class HiddenLoop(nn.Module):
    """Hidden states, a loop over a list of blocks, and a list of steps returned as it is."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in ((6, 9), (9, 7), (7, 5)))
        self.neurons = nn.ModuleList(leaky(0.6 + 0.1 * i) for i in range(3))

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        record = []
        for now in torch.unbind(x):
            for layer, neuron in zip(self.layers, self.neurons, strict=True):
                now = neuron(layer(now))
            record.append(now)
        return record


CASES = [
    Case("loop, tutorial", Tutorial, {"x": (6,)}, "loop", options={"outputs": (0,)}),
    Case("loop, constant input", Constant, {"x": (6,)}, "constant"),
    Case("loop, constant current", Once, {"x": (2, 10)}, "constant"),
    Case("loop, recurrence by hand", Recurrent, {"x": (6,)}, "loop"),
    Case("loop, late connections", LateForward, {"x": (6,)}, "loop"),
    Case("loop, several states", States, {"x": (6,)}, "loop"),
    Case("loop, hidden states", HiddenLoop, {"x": (6,)}, "loop"),
    Case(
        "one step, states handed through",
        Handed,
        {"x": (6,)},
        "handed",
        states={"mem1": (10,), "syn2": (4,), "mem2": (4,)},
    ),
]
