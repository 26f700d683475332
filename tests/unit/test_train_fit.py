"""Learning works, is repeatable, and obeys its spike budget."""

import numpy as np
import pytest

from cortexcore.errors import CortexCoreError
from cortexcore.train.augment import Augmentation
from cortexcore.train.dataset import Beats
from cortexcore.train.fit import FitConfig, fit
from cortexcore.train.predict import predict

STEPS = 5
MODEL = {
    "channels": 2,
    "length": 40,
    "features": 3,
    "classes": 4,
    "filters": (4, 6),
    "hidden": 16,
    "dropout": 0.0,
}
GENTLE = Augmentation(scale=0.05, shift=1, noise=1, drift=1, rhythm_noise=1, drop_signal=0)


@pytest.fixture(scope="module")
def made_up():
    """Four kinds of beat: normal; the same, but early (known by rhythm alone); wide; and in between wide and normal."""
    rng = np.random.default_rng(1)
    labels = np.repeat(np.arange(4), 80)
    time = np.arange(40) - 16
    width = np.array([2.0, 2.0, 8.0, 4.5])[labels] * rng.normal(1, 0.05, 320)
    pulse = 90 * np.exp(-0.5 * (time / width[:, None]) ** 2)
    windows = np.stack([pulse, pulse - 90 * np.exp(-0.5 * (time / 2.0) ** 2)], 1) + rng.normal(0, 2, (320, 2, 40))
    rhythms = np.where(labels == 1, -50, 0)[:, None] + rng.normal(0, 4, (320, 3))
    return Beats(
        windows=np.clip(windows.round(), -127, 127).astype(np.int8),
        rhythms=np.clip(rhythms.round(), -127, 127).astype(np.int8),
        labels=labels.astype(np.int8),
        records=(np.arange(320) % 2).astype(np.int16),
        samples=np.arange(320, dtype=np.int64),
        names=("a", "b"),
    )


def train(beats, seed=0, **changes):
    values = {"epochs": 6, "beats_per_epoch": 1024, "batch": 64, "learning_rate": 8e-3, "augmentation": GENTLE}
    epochs = []
    model = fit("conv_snn", MODEL, beats, STEPS, FitConfig(**{**values, **changes}), seed, epochs.append)
    return model, epochs


def test_a_few_hundred_beats_are_learned(made_up):
    model, epochs = train(made_up)
    decided = predict(model, made_up.windows, made_up.rhythms, STEPS)
    assert np.mean(decided == made_up.labels) > 0.95
    assert [epoch.number for epoch in epochs] == [1, 2, 3, 4, 5, 6]
    assert epochs[-1].loss < 0.5 * epochs[0].loss
    assert not model.training


def test_the_seed_decides_the_model(made_up):
    first, again, other = (train(made_up, seed, epochs=1, beats_per_epoch=128)[0].state_dict() for seed in (5, 5, 6))
    assert all(np.array_equal(first[name], again[name]) for name in first)
    assert not np.array_equal(first["dense_window.weight"], other["dense_window.weight"])


def test_spikes_cost_something(made_up):
    free = train(made_up, epochs=3, rate_penalty=0.0)[1][-1].rates
    dear = train(made_up, epochs=3, rate_penalty=20.0, rate_targets=(0.02, 0.02, 0.02))[1][-1].rates
    assert sum(dear) < 0.7 * sum(free)


@pytest.mark.parametrize(
    "values", [{"epochs": 0}, {"batch": 0}, {"beats_per_epoch": 3}, {"balance": 2.0}, {"learning_rate": 0.0}]
)
def test_impossible_hyper_parameters_are_refused(values):
    with pytest.raises(CortexCoreError, match="must"):
        FitConfig(**values)
