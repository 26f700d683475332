"""The ONNX target: exact where float32 alone would not be, standard ONNX, small, and run without the onnx package."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cortexcore.errors import GraphError
from cortexcore.export import integer
from cortexcore.export.network import Conv1d, Dense, InputPort, IntegerNetwork, OutputPort, Population, Synapses
from cortexcore.export.stored_weight import stored_weight
from cortexcore.targets.bounds import digit_bits
from cortexcore.targets.compiled import compile
from cortexcore.targets.onnx.config import OnnxConfig
from cortexcore.targets.registry import get_target

onnx = pytest.importorskip("onnx")
ZERO = np.zeros((), np.int32)


def single(operation, port: InputPort, shape: tuple[int, ...], **changes: object) -> IntegerNetwork:
    population = replace(Population("p", shape, (Synapses("w", "x", operation),), 4095, 300, 500, ZERO), **changes)
    return IntegerNetwork((port,), (population,), (OutputPort("y", "p"),), 1e-3, {"classes": ["N"]})


def agrees(network: IntegerNetwork, inputs: dict[str, np.ndarray]) -> None:
    golden, result = integer.run(network, inputs), compile(network, "onnx").run(inputs, trace=True)
    for kind in ("outputs", "spikes", "u", "v"):
        for name, expected in getattr(golden, kind).items():
            assert np.array_equal(getattr(result, kind)[name], expected), (kind, name)


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 2**31),
    du=st.sampled_from([0, 1, 7, 2048, 4094, 4095]),
    dv=st.sampled_from([0, 1, 9, 2047, 4095, 4096]),
    vth=st.sampled_from([None, 0, 1, 600, 131071]),
    reset=st.sampled_from([("zero", False), ("subtract", False), ("subtract", True), ("none", False)]),
    each=st.sets(st.sampled_from(["du", "dv", "vth"])),
    exponent=st.integers(-8, 7),
    high=st.sampled_from([1, 127, 2**15, 2**24, 2**31 - 1]),
)
def test_any_neuron_equals_the_golden_arithmetic(seed, du, dv, vth, reset, each, exponent, high):
    rng = np.random.default_rng(seed)
    weight = (rng.integers(-128, 128, (6, 9)) * 2).astype(np.int32)
    bias = rng.integers(-4096, 4096, (6,)).astype(np.int32)
    port = InputPort("x", (9,), -high, high)
    changes = {"du": du, "dv": dv, "vth": vth, "reset": reset[0], "reset_delay": reset[1], "bias": bias, "bias_exp": 7}
    tops = {"du": 4095, "dv": 4096, "vth": 131071}
    changes |= {k: rng.integers(0, tops[k] + 1, 6).astype(np.int32) for k in each if changes[k] is not None}
    network = single(Dense(weight, exponent), port, (6,), **changes)
    x = rng.integers(-high, high + 1, (7, 2, 9))
    x[rng.random(x.shape) < 0.2] = high
    agrees(network, {"x": x})


@pytest.mark.parametrize(("low", "high"), [(-(2**31), 2**31 - 1), (0, 2**20), (-5, 2**26), (-(2**22), -1)])
def test_sums_beyond_float32_are_exact(low, high):
    """Every weight and input at its extreme: the sums reach 2^45, and one lost bit would show."""
    weight = np.full((3, 64), 254, np.int32)
    weight[1, ::2], weight[2] = -256, -256
    network = single(Dense(weight, -8), InputPort("x", (64,), low, high), (3,), vth=None, dv=0)
    x = np.stack([np.full((1, 64), v) for v in (low, high, high - 1, low + 1, (low + high) // 2)])
    agrees(network, {"x": x})
    kernel = np.where(np.arange(2 * 8 * 5).reshape(2, 8, 5) % 3 == 0, -256, 254).astype(np.int32)
    conv = single(Conv1d(kernel, -8, 2, 1), InputPort("x", (8, 8), low, high), (2, 3), vth=None, dv=0)
    agrees(conv, {"x": np.broadcast_to(x[:, :, :1, None], (5, 1, 8, 8))})


def test_a_sum_just_beyond_float32_takes_two_products():
    """Σ|w|·127 around 2^24: exact on both sides of the bound."""
    for inputs in (1030, 1045):
        weight = np.full((2, inputs), 254, np.int32)
        weight[1, -1] = 252
        network = single(Dense(weight), InputPort("x", (inputs,), -127, 127), (2,), vth=None, dv=0, du=4095)
        x = np.full((1, 1, inputs), 127)
        x[0, 0, 0] = 126
        agrees(network, {"x": x})
        products = sum(n.op_type == "MatMul" for n in parsed(network, "sequence").graph.node)
        assert products == (1 if inputs == 1030 else 2)


def parsed(network: IntegerNetwork, form: str):
    return onnx.load_from_string(getattr(compile(network, "onnx").artifact, form))


def small() -> IntegerNetwork:
    weight = (np.random.default_rng(0).integers(-128, 128, (4, 5)) * 2).astype(np.int32)
    return single(Dense(weight), InputPort("x", (5,), -127, 127), (4,), du=900)


def renamed(entering: str, leaving: str) -> IntegerNetwork:
    """The small network, its input and its output under other names."""
    p = small().populations[0]
    synapses = (replace(p.synapses[0], source=entering),)
    ports = (replace(small().inputs[0], name=entering),)
    return IntegerNetwork(ports, (replace(p, synapses=synapses),), (OutputPort(leaving, "p"),), 1e-3)


@pytest.mark.parametrize("form", ["sequence", "step"])
def test_models_are_standard_and_say_what_they_are(form):
    model = parsed(small(), form)
    onnx.checker.check_model(model, full_check=True)
    onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True, data_prop=True)
    assert [o.domain for o in model.opset_import] == [""]
    about = json.loads({p.key: p.value for p in model.metadata_props}["cortexcore"])
    artifact = compile(small(), "onnx").artifact
    assert about["sha256"] == artifact.sha256 and about["metadata"] == {"classes": ["N"]}
    assert about["inputs"] == [{"name": "x", "shape": [5], "low": -127, "high": 127}] and about["dt_s"] == 1e-3
    inputs = {i.name: i.type.tensor_type for i in model.graph.input}
    assert inputs["x"].elem_type == onnx.TensorProto.INT8
    leading = [d.dim_param for d in inputs["x"].shape.dim][: 2 if form == "sequence" else 1]
    assert leading == (["T", "B"] if form == "sequence" else ["B"])
    stored = next(t for t in model.graph.initializer if t.name.startswith("weight/"))
    assert stored.data_type == onnx.TensorProto.INT8


def test_steps_and_batch_are_free():
    compiled = compile(small(), "onnx")
    for shape in ((1, 1, 5), (9, 2, 5), (3, 7, 5)):
        x = np.random.default_rng(0).integers(-127, 128, shape)
        assert np.array_equal(compiled.run(x).outputs["y"], integer.run(small(), {"x": x}).outputs["y"])


@pytest.mark.parametrize(
    ("weights", "dtype", "k"),
    [([[-256, 254]], np.int8, 1), ([[-224, 96]], np.int8, 5), ([[255, 3]], np.int16, 0), ([[0, 0]], np.int8, 0)],
)
def test_weights_are_stored_small(weights, dtype, k):
    stored, shift = stored_weight(Dense(np.array(weights, np.int32)))
    assert stored.dtype == dtype and shift == k
    assert np.array_equal(stored.astype(np.int32) << k, weights)


def test_digits_shrink_as_sums_grow():
    bits = [digit_bits(Dense(np.full((1, n), 254, np.int32))) for n in (1, 1000, 60_000, 70_000)]
    assert bits == [17, 7, 1, 0]


def test_what_it_cannot_take_is_refused_with_reason_and_remedy():
    target = get_target("onnx")
    huge = single(Dense(np.full((1, 70_000), 254, np.int32)), InputPort("x", (70_000,), 0, 1), (1,))
    with pytest.raises(GraphError, match=r"'w': its weights add up to more than float32 holds \(split the layer"):
        target.lower(huge, OnnxConfig())
    wide = single(Dense(np.full((1, 16_000), 254, np.int32), 2), InputPort("x", (16_000,), 0, 2**31), (1,))
    assert target.check(wide).ok
    wide = single(Dense(np.full((1, 17_000), 254, np.int32)), InputPort("x", (17_000,), 0, 2**31), (1,))
    assert target.check(wide).problems[0].reason == f"its sums reach {17_000 * 254 * 2**31}, beyond 2^53"


@pytest.mark.parametrize(
    ("entering", "leaving", "refused"),
    [
        ("x", "v/p", {"v/p": "an output has the name of an input or a trace"}),
        ("x", "x", {"x": "an output has the name of an input or a trace"}),
        ("u/p", "y", {"u/p": "an input has the name of a trace"}),
        ("previous/x", "y", {"previous/x": "names that begin with 'previous/' are the models' own"}),
        ("x", "next/y", {"next/y": "names that begin with 'next/' are the models' own"}),
    ],
)
def test_names_that_its_models_keep_are_refused(entering, leaving, refused):
    found = get_target("onnx").check(renamed(entering, leaving)).problems
    assert {p.node: p.reason for p in found} == refused
    assert {p.remedy for p in found} == {"rename it"}


def test_a_network_may_use_any_name_that_its_models_give_a_tensor():
    tensors = {name for form in ("sequence", "step") for n in parsed(small(), form).graph.node for name in n.output}
    tensors |= {constant.name for constant in parsed(small(), "traced").graph.initializer}
    values = np.random.default_rng(2).integers(-127, 128, (2, 1, 5))
    taken = sorted(name for name in tensors if "." in name)
    assert len(taken) > 20
    for name in taken:
        for network in (renamed(name, "y"), renamed("x", name)):
            entering = network.inputs[0].name
            agrees(network, {entering: values})
            compile(network, "onnx").stepper().step({entering: values[0]})


@pytest.mark.parametrize("threads", [0, -1, 1000, 1.5, "1", True, None])
def test_threads_are_checked(threads):
    with pytest.raises(GraphError, match="it must be in 1…256"):
        OnnxConfig(threads)


def test_threads_reach_onnx_runtime():
    artifact = compile(small(), "onnx", OnnxConfig(threads=2)).artifact
    assert artifact.session("sequence").runtime.get_session_options().intra_op_num_threads == 2


def test_a_saved_artifact_runs_without_the_onnx_package(tmp_path):
    target = get_target("onnx")
    target.save(target.lower(small(), OnnxConfig()), tmp_path)
    x = np.random.default_rng(0).integers(-127, 128, (4, 2, 5))
    np.save(tmp_path / "x.npy", x)
    code = f"""
import sys
sys.modules["onnx"] = None
import numpy as np
from pathlib import Path
from cortexcore.targets.registry import get_target
from cortexcore.errors import TargetUnavailable
folder = Path({str(tmp_path)!r})
target = get_target("onnx")
x = np.load(folder / "x.npy")
artifact = target.load(folder)
np.save(folder / "y.npy", target.run(artifact, {{"x": x}}).outputs["y"])
stepper = target.stepper(artifact)
stepper.start(2)
np.save(folder / "y0.npy", stepper.step({{"x": x[0]}})["y"])
target.profile(artifact, {{"x": x}})
target.check(artifact.network).require()
try:
    target.lower(artifact.network, target.config())
except TargetUnavailable as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "lowering to ONNX needs the package 'onnx'" in done.stdout and "cortexcore[export]" in done.stdout
    golden = integer.run(small(), {"x": x}).outputs["y"]
    assert np.array_equal(np.load(tmp_path / "y.npy"), golden)
    assert np.array_equal(np.load(tmp_path / "y0.npy"), golden[0])
