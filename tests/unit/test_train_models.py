"""The ConvSNN: one step or many, as a module or as an exported graph, it is one network."""

import numpy as np
import pytest
import torch

from cortexcore.errors import CortexCoreError
from cortexcore.export.from_torch import from_torch
from cortexcore.export.reference import run as run_reference
from cortexcore.train.models.conv_snn import ConvSNN, ConvSNNConfig
from cortexcore.train.models.registry import build_model, describe_model

SIZES = {"channels": 2, "length": 40, "features": 5, "classes": 4, "filters": (4, 6), "hidden": 8}


@pytest.fixture
def model():
    torch.manual_seed(3)
    net = ConvSNN(ConvSNNConfig(**SIZES))
    net.norm1.running_mean.uniform_(-0.2, 0.2)
    net.norm1.running_var.uniform_(0.5, 2.0)
    return net.eval()


def beats(count, seed=0):
    rng = np.random.default_rng(seed)
    window = rng.integers(-127, 128, (count, 2, 40)).astype(np.float32)
    return torch.from_numpy(window), torch.from_numpy(rng.integers(-127, 128, (count, 5)).astype(np.float32))


def test_run_is_forward_repeated_from_rest(model):
    window, rhythm = beats(7)
    with torch.no_grad():
        model.reset()
        for _ in range(6):
            v = model(window, rhythm)
        assert torch.equal(model.run(window, rhythm, 6)[0], v)
        assert torch.equal(model.run(window, rhythm, 6)[0], v), "the second run did not start from rest"


def test_run_reports_the_share_of_neurons_that_fire(model):
    with torch.no_grad():
        rates = model.run(*beats(5), 6)[1]
    assert rates.shape == (3,)
    assert 0 < rates[0] < 1 and rates.min() >= 0


def test_batches_do_not_mix(model):
    window, rhythm = beats(6)
    with torch.no_grad():
        together = model.run(window, rhythm, 5)[0]
        alone = torch.cat([model.run(window[i : i + 1], rhythm[i : i + 1], 5)[0] for i in range(6)])
    torch.testing.assert_close(together, alone, rtol=0, atol=1e-5)


def test_exported_graph_computes_the_same_readout_at_every_step(model):
    window, rhythm = beats(4)
    steps = 6
    graph = from_torch(model, {"window": window.numpy(), "rhythm": rhythm.numpy()}, dt_s=1e-3)
    assert set(graph.inputs) == {"window", "rhythm"}
    inputs = {name: np.repeat(x.numpy()[None], steps, 0) for name, x in (("window", window), ("rhythm", rhythm))}
    exported = run_reference(graph, inputs).outputs["y"]
    model.reset()
    with torch.no_grad():
        for t in range(steps):
            # float32 against float64: values of order 1 after sums of some hundred terms
            np.testing.assert_allclose(exported[t], model(window, rhythm).numpy(), rtol=0, atol=1e-4)


def test_description_builds_the_same_network(model):
    name, values = describe_model(model)
    again = build_model(name, values).eval()
    again.load_state_dict(model.state_dict())
    with torch.no_grad():
        assert torch.equal(again.run(*beats(3), 4)[0], model.run(*beats(3), 4)[0])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"length": 10}, "too short"),
        ({"beta": 1.0}, "beta"),
        ({"hidden": 0}, "positive"),
        ({"filters": (4,)}, "two each"),
        ({"dropout": 1.0}, "dropout"),
        ({"colour": 3}, "colour"),
        ({"length": "long"}, "cannot be built"),
    ],
)
def test_impossible_configurations_are_named(change, words):
    with pytest.raises(CortexCoreError, match=words):
        build_model("conv_snn", {**SIZES, **change})


def test_unknown_architecture_lists_the_known():
    with pytest.raises(CortexCoreError, match="conv_snn"):
        build_model("perceptron", SIZES)
