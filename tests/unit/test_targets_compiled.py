"""A network ready for a target: the right network and options, and a bundle's own artifact where it has one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from cortexcore.errors import GraphError
from cortexcore.export.graph import Graph
from cortexcore.export.network import Dense, InputPort, IntegerNetwork, OutputPort, Population, Synapses
from cortexcore.export.nodes import IF, Input, Linear, Output
from cortexcore.opening import open_model
from cortexcore.runtime.bundle import save_bundle
from cortexcore.targets.compiled import compile
from cortexcore.targets.onnx.config import OnnxConfig
from cortexcore.targets.registry import get_target
from cortexcore.targets.tflite.config import BLOCK, TfliteConfig
from cortexcore.targets.tflite.target import block_steps

pytest.importorskip("onnx")


def network(**metadata: object) -> IntegerNetwork:
    weight = (np.random.default_rng(0).integers(-60, 60, (4, 5)) * 2).astype(np.int32)
    p = Population("p", (4,), (Synapses("w", "x", Dense(weight)),), 4095, 300, 50, np.zeros((), np.int32))
    return IntegerNetwork((InputPort("x", (5,), -9, 9),), (p,), (OutputPort("y", "p"),), 1e-3, metadata)


def graph() -> Graph:
    one = np.ones(())
    nodes = {"x": Input((5,)), "w": Linear(np.ones((4, 5))), "n": IF((4,), one, one, "zero"), "y": Output((4,))}
    return Graph(nodes, (("x", "w"), ("w", "n"), ("n", "y")), 1e-3, "euler")


@pytest.mark.parametrize(
    ("given", "target", "said"),
    [
        (graph(), "tflite", "target 'tflite' runs an integer network: quantize the graph first"),
        (graph(), "integer", "target 'integer' runs an integer network: quantize the graph first"),
        (network(), "reference", "target 'reference' runs a float graph: give the one that was quantized"),
        ({}, "onnx", "target 'onnx' runs a float graph or an integer network, not dict"),
    ],
)
def test_the_wrong_kind_of_network_is_told(given: object, target: str, said: str) -> None:
    with pytest.raises(GraphError, match=said):
        compile(given, target)  # type: ignore[arg-type]


@pytest.mark.parametrize("target", ["integer", "onnx", "tflite"])
def test_a_network_with_nothing_to_take_run_or_tell_is_refused(target: str) -> None:
    p = replace(network().populations[0], synapses=())
    for lacking, given in (
        (["inputs"], replace(network(), populations=(p,), inputs=())),
        (["populations", "outputs"], replace(network(), populations=(), outputs=())),
        (["outputs"], replace(network(), outputs=())),
    ):
        assert [problem.node for problem in get_target(target).check(given).problems] == lacking
        with pytest.raises(GraphError, match=f"'{lacking[0]}': there is none"):
            compile(given, target)


def test_another_targets_options_are_told() -> None:
    with pytest.raises(GraphError, match="target 'onnx' takes the options of OnnxConfig, got TfliteConfig"):
        compile(network(), "onnx", TfliteConfig())


def test_a_bundles_artifact_is_what_runs_unless_options_are_given(tmp_path, monkeypatch) -> None:
    opened = open_model(save_bundle(network(), tmp_path / "b", targets=("onnx",)))
    monkeypatch.setattr("cortexcore.runtime.bundle.compile", lambda *_: pytest.fail("lowered again"))
    found = opened.compiled("onnx")
    assert found.artifact.step == (tmp_path / "b" / "onnx" / "step.onnx").read_bytes()
    given = opened.compiled("onnx", OnnxConfig(threads=2))
    assert given.artifact.config == OnnxConfig(threads=2) and found.artifact.config == OnnxConfig()


@pytest.mark.parametrize(
    ("told", "block"),
    [(1, 1), (6, 6), (16, 16), (17, 9), (32, 16), (33, 11), (100, 15), (None, BLOCK), (0, BLOCK), ("6", BLOCK)],
)
def test_a_block_is_an_inferences_steps_or_an_equal_part_of_them(told: object, block: int) -> None:
    assert block_steps(network(steps=told)) == block


def test_batches_of_any_order_run_in_one_interpreter() -> None:
    if get_target("tflite").unavailable():
        pytest.skip(get_target("tflite").unavailable())
    compiled, golden = compile(network(), "tflite"), compile(network(), "integer")
    for batch in (1, 3, 1, 2, 5, 2):
        x = np.random.default_rng(batch).integers(-9, 10, (7, batch, 5))
        assert np.array_equal(compiled.run(x).outputs["y"], golden.run(x).outputs["y"])
