"""Times per population: which networks they are the difference of, and what is said of them."""

from __future__ import annotations

import sys
from dataclasses import replace

import numpy as np
import pytest

from cortexcore.export import integer
from cortexcore.export.network import Dense, InputPort, IntegerNetwork, OutputPort, Population, Synapses
from cortexcore.targets.compiled import compile
from cortexcore.targets.registry import get_target
from cortexcore.targets.tflite.config import TfliteConfig

pytest.importorskip("tflite")
if get_target("tflite").unavailable():
    pytest.skip(get_target("tflite").unavailable(), allow_module_level=True)
from cortexcore.targets.energy.latency import Measurement
from cortexcore.targets.tflite import layers
from cortexcore.targets.tflite.layers import cut_short, layer_times


def network() -> IntegerNetwork:
    """a → b ⇄ c → r: four populations, two of them a loop."""
    rng = np.random.default_rng(0)

    def population(name: str, size: int, source: str, inputs: int, **changes: object) -> Population:
        weight = (rng.integers(-128, 128, (size, inputs)) * 2).astype(np.int32)
        synapses = (Synapses(f"{source}_{name}", source, Dense(weight)),)
        return replace(Population(name, (size,), synapses, 4095, 400, 300, np.zeros((), np.int32)), **changes)

    b = population("b", 6, "a", 8)
    back = Synapses("back", "c", Dense((rng.integers(-128, 128, (6, 5)) * 2).astype(np.int32)), recurrent=True)
    populations = (
        population("a", 8, "x", 4),
        replace(b, synapses=(*b.synapses, back)),
        population("c", 5, "b", 6),
        population("r", 2, "c", 5, vth=None),
    )
    return IntegerNetwork((InputPort("x", (4,), -127, 127),), populations, (OutputPort("y", "r"),), 1e-3, {"steps": 4})


INPUTS = {"x": np.random.default_rng(1).integers(-127, 128, (5, 1, 4))}


def test_a_network_cut_short_is_the_same_as_far_as_it_goes():
    whole = network()
    golden = integer.run(whole, INPUTS)
    artifact = compile(whole, "tflite", TfliteConfig(xnnpack=False)).artifact
    for end, last in ((1, "a"), (3, "c"), (4, "r")):
        part = cut_short(artifact, end)
        assert [p.name for p in part.network.populations] == ["a", "b", "c", "r"][:end]
        assert (part.config, part.steps) == (artifact.config, 4)
        sent = compile(part.network, "tflite", part.config).run(INPUTS).outputs["last"]
        assert np.array_equal(sent, golden.spikes[last] if last != "r" else golden.v["r"])


def test_every_population_is_told_and_a_loop_as_one():
    times = layer_times(compile(network(), "tflite").artifact, INPUTS)
    assert list(times) == ["a", "b", "r"]
    assert "the loop of b, c" in times["b"].conditions and "with the call" in times["a"].conditions
    assert {(figure.kind, figure.unit) for figure in times.values()} == {("measured", "s")}


def test_a_time_is_the_difference_to_the_network_before(monkeypatch):
    """Medians of 5, 7 and 12 s for a, a to c, and all."""
    seconds = [np.array([4.0, 5.0, 90.0]), np.array([6.0, 7.0, 8.0]), np.array([12.0, 11.0, 13.0])]
    monkeypatch.setattr(layers, "measure_by_turns", lambda calls: [Measurement(times, None) for times in seconds])
    times = layer_times(compile(network(), "tflite").artifact, INPUTS)
    assert {name: figure.value for name, figure in times.items()} == {"a": 5.0, "b": 2.0, "r": 5.0}


def test_the_profile_carries_them_and_says_what_they_are():
    profile = compile(network(), "tflite").profile(INPUTS)
    assert [name for name, figures in profile.layers.items() if "time added" in figures] == ["a", "b", "r"]
    assert profile.notes[-1].endswith("what it adds to the network cut short before it.")


def test_without_the_schema_the_profile_says_why_there_are_none(monkeypatch):
    artifact = compile(network(), "tflite").artifact
    for name in [m for m in sys.modules if m.startswith("cortexcore.targets.tflite.")]:
        if name.rsplit(".", 1)[1] in ("forms", "flatbuffer", "operators", "serialize", "group", "signal", "synapses"):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "tflite", None)
    from cortexcore.targets.tflite.profile import profile

    found = profile(artifact, INPUTS)
    assert not any("time added" in figures for figures in found.layers.values())
    assert any("none per population is told here" in note and "cortexcore[tflite]" in note for note in found.notes)
