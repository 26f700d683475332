"""Which axis is time and which step is read, and the wrappers and modes in which a model may arrive."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
snn = pytest.importorskip("snntorch")
from torch import nn  # noqa: E402

from cortexcore.errors import GraphError  # noqa: E402
from cortexcore.export import reference  # noqa: E402
from cortexcore.export.from_torch import from_torch  # noqa: E402

STEPS, BATCH = 60, 3


class Loop(nn.Module):
    """A loop over the steps ``steps(T)``, and what ``returned`` makes of its list of spikes."""

    def __init__(
        self,
        steps: Callable[[int], range] = range,
        returned: Callable[[list[torch.Tensor]], torch.Tensor] = torch.stack,
    ) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.steps, self.returned = steps, returned
        self.fc, self.n = nn.Linear(5, 4), snn.Leaky(0.9)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        mem, spikes = self.n.reset_mem(), []
        for step in self.steps(len(x)):
            spk, mem = self.n(self.fc(x[step]), mem)
            spikes.append(spk)
        return self.returned(spikes)


def data() -> np.ndarray:
    return np.asarray(np.random.default_rng(0).normal(size=(STEPS, BATCH, 5)) * 3).astype(np.float32)


def test_steps_counted_from_the_end() -> None:
    """x[-T], …, x[-1] are x[0], …, x[T - 1]."""
    model, x = Loop(lambda steps: range(-steps, 0)), data()
    with torch.no_grad():
        spikes = model(torch.tensor(x)).numpy()
    assert spikes.mean() > 0.1
    np.testing.assert_array_equal(reference.run(from_torch(model, x, 1e-3), {"x": x}).outputs["y"], spikes)


def test_a_step_before_the_first_is_the_last_one() -> None:
    """x[t − 1] is x[−1] in the first step, the last sample, which no delay sends."""
    with pytest.raises(GraphError, match="wired otherwise at step 1 than at the last"):
        from_torch(Loop(lambda steps: range(-1, steps - 1)), data(), 1e-3)


@pytest.mark.parametrize(
    "returned",
    [
        lambda spikes: torch.stack(spikes).transpose(0, 1)[-1],
        lambda spikes: torch.stack(spikes).permute(1, 0, 2)[-1],
        lambda spikes: torch.stack(spikes, dim=1)[-1],
        lambda spikes: torch.stack(spikes, dim=-1)[0],
        lambda spikes: torch.stack(spikes, 2).transpose(0, 1),
        lambda spikes: torch.vstack(spikes)[-1],
    ],
)
def test_one_inference_of_a_record_is_no_step_of_it(returned: Callable[[list[torch.Tensor]], torch.Tensor]) -> None:
    with pytest.raises(GraphError, match=r"works on what was recorded over the steps|'vstack' has no counterpart"):
        from_torch(Loop(returned=returned), data(), 1e-3)


@pytest.mark.parametrize(
    "returned",
    [
        lambda spikes: torch.stack(spikes)[-1],
        lambda spikes: torch.stack(spikes, dim=1).transpose(0, 1)[-1],
        lambda spikes: torch.stack(spikes, 1).permute(1, 0, 2)[-1],
    ],
)
def test_a_step_of_a_record(returned: Callable[[list[torch.Tensor]], torch.Tensor]) -> None:
    model, x = Loop(returned=returned), data()
    with torch.no_grad():
        last = model(torch.tensor(x)).numpy()
    np.testing.assert_array_equal(reference.run(from_torch(model, x, 1e-3), {"x": x}).outputs["y"][-1], last)


def at_once() -> nn.Module:
    return nn.Sequential(nn.Linear(3, 2), snn.Leaky(0.9, init_hidden=True, reset_delay=False))


@pytest.mark.parametrize("given", [(1, 2, 3), 3, (9, -9), ("a", "b"), (0, float("nan"))])
def test_ranges_that_are_none(given: Any) -> None:
    with pytest.raises(GraphError, match=r"'input_ranges'\]\['input'\] is .* it must be two numbers"):
        from_torch(at_once(), np.zeros((1, 3)), 1e-3, {"input_ranges": {"input": given}})
    with pytest.raises(GraphError, match=r"'input_ranges'\] is \[1\], it must be"):
        from_torch(at_once(), np.zeros((1, 3)), 1e-3, {"input_ranges": [1]})


def plain() -> nn.Module:
    return nn.Sequential(nn.Linear(3, 2), snn.Leaky(0.9, init_hidden=True))


def compiled() -> nn.Module:
    model = plain()
    model.compile()
    return model


@pytest.mark.parametrize(
    ("model", "says"),
    [
        (lambda: nn.DataParallel(plain()), "the model: a DataParallel .give the module in it, its .module"),
        (lambda: torch.compile(plain()), "the model: compiled by torch.compile .give it as it was before"),
        (compiled, "the model: compiled by torch.compile"),
        (lambda: nn.Sequential(nn.Linear(3, 2), snn.Leaky(0.9), nn.Linear(2, 2)), "'2' is called with 2 tensors"),
    ],
)
def test_wrappers(model: Callable[[], nn.Module], says: str) -> None:
    with pytest.raises(GraphError, match=says):
        from_torch(model(), np.zeros((1, 3)), 1e-3)


@pytest.mark.parametrize("own", [False, True])
def test_autocast_rounds(own: bool) -> None:
    """A layer, and a function, under autocast."""
    model = plain()

    class Cast(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            with torch.autocast("cpu", dtype=torch.bfloat16):
                x = nn.functional.linear(x, model[0].weight).float() if own else self.model[0](x)
            return self.model[1](x)

    with pytest.raises(GraphError, match=r"rounds its result to torch.bfloat16 \(run without torch.autocast\)"):
        from_torch(Cast(), np.zeros((1, 3)), 1e-3)


def test_inference_mode() -> None:
    """Called within it a model exports as ever; one made or run within it holds tensors without versions."""
    model = plain()
    with torch.inference_mode():
        assert list(from_torch(model, np.zeros((1, 3)), 1e-3).nodes) == ["input", "0", "1", "y"]
        made = plain()
    with pytest.raises(
        GraphError, match=r"Sequential cannot be exported: it holds or makes tensors in torch.inference"
    ):
        from_torch(made, np.zeros((1, 3)), 1e-3)
    model.forward = torch.inference_mode()(model.forward)
    with pytest.raises(GraphError, match=r"it holds or makes tensors in torch.inference_mode"):
        from_torch(model, np.zeros((1, 3)), 1e-3)


def test_a_single_module() -> None:
    assert list(from_torch(nn.Linear(3, 2), np.zeros((1, 3)), 1e-3).nodes) == ["input", "linear", "y"]


class Single(nn.Module):
    """One step of a neuron behind ``between``, in a model that has a few things to change."""

    def __init__(self, between: Callable[[Any, torch.Tensor], torch.Tensor]) -> None:
        super().__init__()
        self.between, self.fc, self.n = between, nn.Linear(3, 3), snn.Leaky(0.9, init_hidden=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.n(self.between(self, self.fc(x)))


def doubled(tensor: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    tensor.data.mul_(2.0)
    return x


def replaced(neuron: nn.Module, name: str, x: torch.Tensor) -> torch.Tensor:
    setattr(neuron, name, torch.tensor(0.5))
    return x


@pytest.mark.parametrize(
    ("between", "says"),
    [
        (lambda m, x: doubled(x, x), "Single.forward changes a signal in place through its .data"),
        (lambda m, x: doubled(x.data[0], x), "Single.forward changes a signal in place through its .data"),
        (lambda m, x: doubled(m.fc.weight, x), "Single.forward changes 'fc.weight' while it runs"),
        (lambda m, x: replaced(m.n, "beta", x), "Single.forward changes 'n.beta' while it runs"),
        (lambda m, x: replaced(m.n, "threshold", x), "Single.forward changes 'n.threshold' while it runs"),
        (lambda m, x: x * torch.full_like(m.fc.bias, x.max()), "'max' has no counterpart"),
        (lambda m, x: x * x.new_full((3,), x.max()), "'max' has no counterpart"),
    ],
)
def test_changes_that_leave_no_trace(between: Callable[[Any, torch.Tensor], torch.Tensor], says: str) -> None:
    """They are refused, and undone."""
    model = Single(between)
    held = {name: value.clone() for name, value in model.state_dict().items()}
    with pytest.raises(GraphError, match=says):
        from_torch(model, np.ones((2, 3)), 1e-3)
    assert all(torch.equal(value, held[name]) for name, value in model.state_dict().items())


@pytest.mark.parametrize(("weight", "kept"), [(1.05, True), (1.15, False)])
def test_a_membrane_between_spikes_counts_in_the_proof(weight: float, kept: bool) -> None:
    """0.9·θ may be left when w arrives: above 2·θ from w = 1.1·θ on."""
    model = nn.Sequential(nn.Linear(1, 1, bias=False), snn.Leaky(0.9, init_hidden=True, reset_delay=False))
    with torch.no_grad():
        model[0].weight.fill_(weight)
    ranges = {"input_ranges": {"input": (0, 1)}}
    if kept:
        assert list(from_torch(model, np.zeros((1, 1)), 1e-3, ranges).nodes) == ["input", "0", "1", "y"]
    else:
        with pytest.raises(GraphError, match="'1' subtracts its threshold at once"):
            from_torch(model, np.zeros((1, 1)), 1e-3, ranges)
