"""Forwards that a graph cannot keep: reads of values, wiring that changes, functions, states, outputs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
snn = pytest.importorskip("snntorch")
from torch import nn  # noqa: E402

from cortexcore.errors import GraphError  # noqa: E402
from cortexcore.export.from_torch import from_torch  # noqa: E402


def leaky(beta: object = 0.9, **options: object) -> nn.Module:
    return snn.Leaky(beta, init_hidden=True, **options)


GLOBAL = torch.zeros(2, 3)


class Surrogate(torch.autograd.Function):
    """A custom function, which no recorder can look into."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:
        return x.clamp(0, 1)


class Forward(nn.Module):
    """Any forward over a few modules."""

    def __init__(self, forward: Callable[..., Any]) -> None:
        super().__init__()
        self.steps = forward
        self.fc, self.rec = nn.Linear(3, 3), nn.Linear(3, 3)
        self.one = nn.Linear(3, 1)
        self.conv, self.act = nn.Conv1d(3, 3, 3, padding=1), nn.ReLU()
        self.n, self.k = leaky(), leaky()
        self.e, self.e2 = snn.Leaky(0.9), snn.Leaky(0.8)
        self.r, self.z = leaky(reset_mechanism="none", output=True), leaky(reset_mechanism="zero", output=True)
        self.syn = snn.Synaptic(0.5, 0.9, init_hidden=True, reset_mechanism="none", output=True)
        self.wide = leaky()

    def forward(self, x: torch.Tensor) -> Any:
        return self.steps(self, x)


def refused(forward: Callable[..., Any], says: str, shape: tuple[int, ...] = (2, 3), **options: Any) -> str:
    with pytest.raises(GraphError, match=says) as caught:
        from_torch(Forward(forward), np.zeros(shape), 1e-3, **options)
    return str(caught.value)


@pytest.mark.parametrize(
    ("forward", "says"),
    [
        (lambda m, x: m.n(torch.relu(m.fc(x))), "'relu' has no counterpart .use layers, a . b"),
        (lambda m, x: m.n(m.fc(x) + 1.0), "'add' adds a constant .put it into the bias"),
        (lambda m, x: m.n(m.fc(x) + m.fc.bias), "'add' receives a constant"),
        (lambda m, x: m.n(torch.add(m.fc(x), x, alpha=2)), "'add' adds a multiple"),
        (lambda m, x: m.n(m.fc(x) - 1.0), "'sub' subtracts a constant"),
        (lambda m, x: m.n(m.fc(x) * m.fc(x)), "'mul' does not multiply a signal by a constant"),
        (lambda m, x: m.n(m.fc(x) / m.fc(x)), "'div' does not divide"),
        (lambda m, x: m.n(m.fc(x) / 0.0), "by a constant other than 0"),
        (lambda m, x: m.n(m.fc(x) * torch.ones(5, 1, 3)), "multiplies .3,. by a constant of shape .5, 1, 3."),
        (lambda m, x: m.n(x + x), "to itself .multiply it by 2"),
        (lambda m, x: m.n(m.fc(x) + m.fc(x)), "'n' receives the same signal twice"),
        (lambda m, x: m.n(m.fc(x) + m.one(x)), r"adds signals of the shapes \(3,\) and \(1,\)"),
        (lambda m, x: m.n(m.fc(x).view(1, -1)), r"'view' makes \(1, 6\) of \(2, 3\)"),
        (lambda m, x: m.n(m.fc(x)[:, :2]), "'getitem' has no counterpart"),
        (lambda m, x: m.n(x[:, :2]), "takes a part of an input"),
        (lambda m, x: m.n(m.fc(x[0])), "whose sample has 2 axes .give it steps"),
        (lambda m, x: m.n(m.fc(x.T)), "'T' has no counterpart .*; 'fc' is a Linear that fails on the shape"),
        (lambda m, x: m.n((m.fc(x) > 0).float()), "'gt' has no counterpart"),
        (lambda m, x: m.n(m.fc(x).half().float()), "turns torch.float32 into torch.float16, which rounds it"),
        (lambda m, x: m.n(nn.functional.dropout(m.fc(x))), "drops at random also in evaluation"),
        (lambda m, x: m.n(nn.functional.linear(x, m.fc(x)[:, :3])), "'linear' needs a constant where a signal stands"),
        (lambda m, x: m.n(Surrogate.apply(m.fc(x))), "'clamp' has no counterpart"),
        (
            lambda m, x: m.n(m.fc(x) + GLOBAL),
            "'add' receives a tensor made by code that cannot be followed, .*a global",
        ),
        (lambda m, x: m.n(m.fc(torch.ones(2, 3))), "'fc' receives a constant"),
        (lambda m, x: m.n(m.z(m.fc(x))), "'n' receives a tuple where a signal should stand"),
        (lambda m, x: m.n(m.fc(x), x), "'n' .*should not be passed as an argument while `init_hidden=True`"),
        (lambda m, x: m.n(m.n(m.fc(x))), "'n' is used twice in one step"),
        (lambda m, x: m.k(m.r(m.fc(x))[0] + m.r.mem), "'r' is read at its spikes and its membrane"),
        (lambda m, x: m.z(m.fc(x))[1], "'y0' is the membrane of 'z', which spikes"),
        (lambda m, x: m.syn(m.fc(x))[1], "is the synaptic current of 'syn'"),
        (lambda m, x: m.k(m.syn(m.fc(x))[1]), "'k' reads a neuron's syn"),
        (lambda m, x: (m.n(m.fc(x)), torch.ones(3)), "'y1' depends on no input"),
        (lambda m, x: None, "returns no tensor"),
        (lambda m, x: {"x": m.n(x)}, "'x' would be the name of two nodes"),
        (lambda m, x: m.n(m.fc(x) + torch.zeros(2, 3)), "adds zeros at every recorded step"),
        (lambda m, x: m.missing(x), "the forward of Forward does not run on the sample"),
    ],
)
def test_forwards_of_one_step(forward: Callable[..., Any], says: str) -> None:
    refused(forward, says)


@pytest.mark.parametrize(
    "read",
    [
        lambda y: bool(y.sum() > 0),
        lambda y: y.max().item(),
        lambda y: float(y[0, 0]),
        lambda y: y.numpy(),
        lambda y: y.tolist(),
        lambda y: torch.equal(y, y),
        lambda y: torch.allclose(y, y),
    ],
)
def test_a_read_of_a_signal_is_a_branch_on_data(read: Callable[[torch.Tensor], Any]) -> None:
    def forward(m: nn.Module, x: torch.Tensor) -> torch.Tensor:
        y = m.n(m.fc(x))
        read(y)
        return y

    refused(forward, "Forward.forward reads a signal's value by '.*a branch on data")


def test_shapes_types_and_prints_are_no_reads() -> None:
    def forward(m: nn.Module, x: torch.Tensor) -> torch.Tensor:
        assert x.dim() == 2 and x.is_floating_point() and x.dtype == m.fc.weight.dtype and len(x) == x.size(0)
        str(x), repr(x.device), x.numel(), x.stride(), x.requires_grad
        return m.n(m.fc(x).to(x.dtype).clone().detach().contiguous())

    assert set(from_torch(Forward(forward), np.zeros((2, 3)), 1e-3).nodes) == {"x", "fc", "n", "y"}


def test_a_change_in_place_through_a_view() -> None:
    def forward(m: nn.Module, x: torch.Tensor) -> torch.Tensor:
        y = m.conv(x)
        flat = y.flatten(1)
        flat *= 2
        return m.wide(y)

    refused(forward, "'wide' reads a tensor that was changed in place", (2, 3, 4))


def loop(body: Callable[..., Any]) -> Callable[..., Any]:
    """A loop over x [T, B, 3] that records what ``body`` returns from (model, current step, step, memory)."""

    def forward(m: nn.Module, x: torch.Tensor) -> torch.Tensor:
        memory = {"spk": torch.zeros(x.shape[1], 3), "mem": m.e.reset_mem(), "x": x}
        return torch.stack([body(m, x[t], t, memory) for t in range(len(x))])

    return forward


def own_state(m: nn.Module, x: torch.Tensor, t: int, memory: dict[str, Any]) -> torch.Tensor:
    memory["spk"], memory["mem"] = m.e(m.fc(x), memory["mem"])
    return memory["spk"]


def reset_midway(m: nn.Module, x: torch.Tensor, t: int, memory: dict[str, Any]) -> torch.Tensor:
    if t == 2:
        memory["mem"] = torch.zeros(x.shape)
    return own_state(m, x, t, memory)


def hidden_reset_midway(m: nn.Module, x: torch.Tensor, t: int, memory: dict[str, Any]) -> torch.Tensor:
    if t == 2:
        m.n.reset_mem()
    return m.n(m.fc(x))


def states_crossed(m: nn.Module, x: torch.Tensor, t: int, memory: dict[str, Any]) -> torch.Tensor:
    spk, memory["mem"] = m.e(m.fc(x), memory["mem"])
    return m.e2(spk, memory["mem"])[0]


def changed_state(m: nn.Module, x: torch.Tensor, t: int, memory: dict[str, Any]) -> torch.Tensor:
    spikes = own_state(m, x, t, memory)
    memory["mem"] = memory["mem"] * 0.5
    return spikes


def first_without(m: nn.Module, x: torch.Tensor, t: int, memory: dict[str, Any]) -> torch.Tensor:
    memory["spk"] = m.n(m.fc(x) + m.rec(memory["spk"]) if t else m.fc(x))
    return memory["spk"]


def late_bias(m: nn.Module, x: torch.Tensor, t: int, memory: dict[str, Any]) -> torch.Tensor:
    out = m.n(m.fc(x) + memory["spk"])
    memory["spk"] = m.rec(out)
    return out


def crossed_loop(m: nn.Module, x: torch.Tensor, t: int, memory: dict[str, Any]) -> torch.Tensor:
    k = m.k(memory["spk"])
    memory["spk"] = m.n(m.fc(x) + m.rec(k))
    return memory["spk"]


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (reset_midway, "'e' is not handed its own mem of the step before"),
        (hidden_reset_midway, "'n' is not handed its own mem of the step before"),
        (states_crossed, "'e2' is handed the mem of 'e'"),
        (changed_state, "'e' is not handed its own mem of the step before"),
        (first_without, "'n' is used twice in one step, or is wired otherwise at step 1"),
        (late_bias, "'n' is used twice in one step, or is wired otherwise at step 1"),
        (crossed_loop, "'n' reads 'k' of the same step, where their loop is entered at 'n'"),
        (lambda m, x, t, memory: m.n(m.fc(x)) if t % 2 else m.n(m.rec(x)), "wired otherwise at step 1"),
        (lambda m, x, t, memory: m.n(m.fc(x * t)), "wired otherwise at step 1"),
        (lambda m, x, t, memory: m.n(m.fc(x)) if t != 1 else m.k(x), "is called 1 times where another"),
        (lambda m, x, t, memory: m.n(m.fc(memory["x"][-1 - t])), "wired otherwise at step 1"),
        (lambda m, x, t, memory: m.n(m.fc(memory["x"][min(t + 1, 3)])), "wired otherwise at step 1"),
        (
            lambda m, x, t, memory: m.n(m.fc(memory["x"].flatten(1)[:, :3])),
            "input 'x' is used step by step and also whole",
        ),
        (lambda m, x, t, memory: m.n(m.fc(x.T.T)), "'T' has no counterpart"),
    ],
)
def test_loops_over_time(body: Callable[..., Any], says: str) -> None:
    refused(loop(body), says, (4, 2, 3))


def test_a_loop_that_is_sound() -> None:
    graph = from_torch(Forward(loop(own_state)), np.zeros((4, 2, 3)), 1e-3)
    assert set(graph.nodes) == {"x", "fc", "e", "y"} and graph.inputs["x"].shape == (3,)


def test_what_is_done_with_a_record() -> None:
    sums = loop(own_state)
    refused(lambda m, x: sums(m, x).sum(0), "'sum' works on what was recorded over the steps", (4, 2, 3))
    refused(lambda m, x: m.fc(sums(m, x)), "'fc' works on what was recorded", (4, 2, 3))

    def total(m: nn.Module, x: torch.Tensor) -> torch.Tensor:
        spikes = 0
        for now in x:
            spikes = spikes + m.n(m.fc(now))
        return spikes

    refused(total, "output 'y' adds up several steps .return torch.stack", (4, 2, 3))
    turned = from_torch(Forward(lambda m, x: sums(m, x).transpose(0, 1)), np.zeros((4, 2, 3)), 1e-3)
    assert turned.outputs["y"].shape == (3,)

    def holes(m: nn.Module, x: torch.Tensor) -> torch.Tensor:
        record = torch.zeros(4, 2, 3)
        for t in range(1, 4):
            record[t] = m.n(m.fc(x[t]))
        return record

    refused(holes, "'y0' leaves out some steps", (4, 2, 3))

    def part(m: nn.Module, x: torch.Tensor) -> torch.Tensor:
        record = torch.zeros(2, 3)
        record[:, :2] = m.n(m.fc(x))[:, :2]
        return record

    refused(part, "'setitem' changes a part of a tensor .collect the steps")


def test_a_step_of_the_future() -> None:
    def forward(m: nn.Module, x: torch.Tensor) -> torch.Tensor:
        return torch.stack([m.n(m.fc(x[t + 1])) for t in range(3)])

    refused(forward, "'n' reads 'x' before its step", (4, 2, 3))


def test_one_step_hides_a_recurrence() -> None:
    refused(loop(first_without), "wired otherwise at step 1", (3, 2, 3))

    def recurrent(m: nn.Module, x: torch.Tensor, t: int, memory: dict[str, Any]) -> torch.Tensor:
        memory["spk"] = m.n(m.fc(x) + m.rec(memory["spk"]))
        return memory["spk"]

    refused(loop(recurrent), "'n' adds zeros at every recorded step: .*run more steps", (1, 2, 3))
    assert "rec" in from_torch(Forward(loop(recurrent)), np.zeros((2, 2, 3)), 1e-3).nodes


def test_one_mistake_in_a_loop_is_named_once() -> None:
    message = refused(loop(lambda m, x, t, memory: m.n(m.act(m.fc(x)))), "'act' is a ReLU", (4, 2, 3))
    assert message.count("ReLU") == 1


def test_an_input_whole_and_by_step() -> None:
    def forward(m: nn.Module, x: torch.Tensor) -> torch.Tensor:
        whole = m.conv(x)
        return torch.stack([m.wide(whole + m.conv(x[t].unsqueeze(2))) for t in range(3)])

    refused(forward, "input 'x' is used step by step and also whole", (3, 3, 3))


def test_random_numbers() -> None:
    refused(lambda m, x: m.n(m.fc(x) * torch.rand(3)), "draws random numbers, .*encode its input outside")
    refused(lambda m, x: m.n(m.fc(x) * float(np.random.rand())), "draws random numbers")


@pytest.mark.parametrize(
    ("outputs", "says"),
    [((), "does not choose among the 2 values"), ((2,), r"outputs=\(2,\) does not choose"), (("z",), "y0, y1")],
)
def test_outputs_that_are_not_returned(outputs: tuple[Any, ...], says: str) -> None:
    refused(lambda m, x: m.z(m.fc(x)), says, outputs=outputs)


def test_membranes_of_spiking_neurons_are_chosen_away() -> None:
    model = nn.Sequential(nn.Linear(3, 2), leaky(output=True))
    with pytest.raises(GraphError, match=r"'y1' is the membrane of '1', which spikes.*outputs=\(0,\)"):
        from_torch(model, np.zeros((1, 3)), 1e-3)
    graph = from_torch(model, np.zeros((1, 3)), 1e-3, outputs=(0,))
    assert list(graph.outputs) == ["y"] and graph.sources("y") == ["1"]
    with pytest.raises(GraphError, match=r"no output carries the membrane of a neuron that spikes \(keep its spikes"):
        from_torch(model, np.zeros((1, 3)), 1e-3, outputs=(1,))
    refused(lambda m, x: m.z(m.fc(x))[1], r"that spikes \(return its spikes, or make it a readout")


@pytest.mark.parametrize("one", [0, "y0"])
def test_one_output_needs_no_tuple(one: int | str) -> None:
    model = nn.Sequential(nn.Linear(3, 2), leaky(output=True))
    assert from_torch(model, np.zeros((1, 3)), 1e-3, outputs=one).sources("y") == ["1"]


@pytest.mark.parametrize(
    ("given", "says"), [(nn.Linear, "Linear is a class: give an instance"), (3, "of the type int")]
)
def test_what_is_no_network(given: Any, says: str) -> None:
    with pytest.raises(GraphError, match=says):
        from_torch(given, np.zeros((1, 3)), 1e-3)


class HandedOn(nn.Module):
    """A state that comes in as an argument and is not, or otherwise, handed back."""

    def __init__(self, back: bool) -> None:
        super().__init__()
        self.fc, self.n, self.back = nn.Linear(3, 3), snn.Leaky(0.9), back

    def forward(self, x: torch.Tensor, mem: torch.Tensor) -> Any:
        spikes, new = self.n(self.fc(x), mem)
        return (spikes, new) if self.back else self.n(self.fc(x) + mem, new)[0]


def test_states_as_arguments() -> None:
    sample = {"x": np.zeros((1, 3)), "mem": np.zeros((1, 3))}
    graph = from_torch(HandedOn(back=True), sample, 1e-3)
    assert list(graph.inputs) == ["x"] and list(graph.outputs) == ["y"]
    with pytest.raises(GraphError, match="'n' takes its mem from the argument 'mem'") as caught:
        from_torch(HandedOn(back=False), sample, 1e-3)
    assert "the argument 'mem' is a state and also a signal" in str(caught.value)


@pytest.mark.parametrize("dt_s", [0.0, -1e-3, float("nan"), float("inf")])
def test_a_step_must_have_a_length(dt_s: float) -> None:
    with pytest.raises(GraphError, match="it must be a positive number of seconds"):
        from_torch(nn.Sequential(nn.Linear(3, 3), leaky()), np.zeros((1, 3)), dt_s)


def test_scripted_modules() -> None:
    class Scripted(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner, self.fc, self.n = torch.jit.script(nn.Hardtanh()), nn.Linear(3, 3), leaky()

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.n(self.fc(self.inner(x)))

    with pytest.raises(GraphError, match=r"inner: compiled by torch\.jit"):
        from_torch(Scripted(), np.zeros((1, 3)), 1e-3)


@pytest.mark.parametrize("sample", [(np.zeros((1, 3)), np.zeros((1, 3))), {"z": np.zeros((1, 3))}, np.zeros(3), 3, ()])
def test_samples_must_fit_forward(sample: object) -> None:
    with pytest.raises(GraphError, match="sample"):
        from_torch(nn.Sequential(nn.Linear(3, 3), leaky()), sample, 1e-3)


def test_arguments_without_names() -> None:
    class Starred(nn.Module):
        def forward(self, *x: torch.Tensor) -> torch.Tensor:
            return x[0]

    with pytest.raises(GraphError, match="takes arguments without names"):
        from_torch(Starred(), np.zeros((1, 3)), 1e-3)
