"""The TFLite target: exact where float32 alone would not be, int8 in the file, and no damaged file near a runtime."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cortexcore.errors import BundleError, CortexCoreError, GraphError, TargetUnavailable
from cortexcore.export import integer
from cortexcore.export.network import Conv1d, Dense, InputPort, IntegerNetwork, OutputPort, Population, Synapses
from cortexcore.targets.compiled import compile
from cortexcore.targets.registry import get_target
from cortexcore.targets.saved import network_sha256, save_network
from cortexcore.targets.tflite import runtime
from cortexcore.targets.tflite.config import TfliteConfig
from cortexcore.targets.tflite.exact import decays_at_once, fits_float32, input_dtype, reach

tflite = pytest.importorskip("tflite")
if get_target("tflite").unavailable():
    pytest.skip(get_target("tflite").unavailable(), allow_module_level=True)
ZERO = np.zeros((), np.int32)
TARGET = get_target("tflite")


def single(operation, port: InputPort, shape: tuple[int, ...], **changes: object) -> IntegerNetwork:
    population = replace(Population("p", shape, (Synapses("w", "x", operation),), 4095, 300, 500, ZERO), **changes)
    return IntegerNetwork((port,), (population,), (OutputPort("y", "p"),), 1e-3, {"classes": ["N"]})


def small(seed: int = 0, **changes: object) -> IntegerNetwork:
    weight = (np.random.default_rng(seed).integers(-128, 128, (4, 5)) * 2).astype(np.int32)
    return single(Dense(weight), InputPort("x", (5,), -127, 127), (4,), **{"du": 900, **changes})


def agrees(network: IntegerNetwork, inputs: dict[str, np.ndarray], **options: object) -> None:
    golden = integer.run(network, inputs)
    compiled = compile(network, "tflite", TfliteConfig(**options))
    result = compiled.run(inputs, trace=True)
    for kind in ("outputs", "spikes", "u", "v"):
        for name, expected in getattr(golden, kind).items():
            assert np.array_equal(getattr(result, kind)[name], expected), (kind, name)
    untraced = compiled.run(inputs).outputs
    assert all(np.array_equal(untraced[name], expected) for name, expected in golden.outputs.items())


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**31),
    du=st.sampled_from([0, 1, 7, 2048, 4094, 4095]),
    dv=st.sampled_from([0, 1, 9, 400, 2047, 4095, 4096]),
    vth=st.sampled_from([None, 0, 1, 600, 131071]),
    reset=st.sampled_from([("zero", False), ("subtract", False), ("subtract", True), ("none", False)]),
    each=st.sets(st.sampled_from(["du", "dv", "vth"])),
    exponent=st.integers(-8, 7),
    high=st.sampled_from([1, 127, 2**15, 2**24, 2**31 - 1]),
    looped=st.booleans(),
    steps=st.integers(1, 9),
)
def test_any_neuron_equals_the_golden_arithmetic(seed, du, dv, vth, reset, each, exponent, high, looped, steps):
    rng = np.random.default_rng(seed)
    weight = (rng.integers(-128, 128, (6, 9)) * 2).astype(np.int32)
    bias = rng.integers(-4096, 4096, (6,)).astype(np.int32)
    port = InputPort("x", (9,), -high, high)
    changes = {"du": du, "dv": dv, "vth": vth, "reset": reset[0], "reset_delay": reset[1], "bias": bias, "bias_exp": 7}
    tops = {"du": 4095, "dv": 4096, "vth": 131071}
    changes |= {k: rng.integers(0, tops[k] + 1, 6).astype(np.int32) for k in each if changes[k] is not None}
    network = single(Dense(weight, exponent), port, (6,), **changes)
    if looped:
        p = network.populations[0]
        loop = Synapses("loop", "p", Dense((rng.integers(-128, 128, (6, 6)) * 2).astype(np.int32), -3), recurrent=True)
        network = replace(network, populations=(replace(p, synapses=(*p.synapses, loop)),))
    x = rng.integers(-high, high + 1, (7, 2, 9))
    x[rng.random(x.shape) < 0.2] = high
    agrees(network, {"x": x}, steps=steps)


@pytest.mark.parametrize("exponent", [-8, -1, 0, 7])
@pytest.mark.parametrize(("low", "high"), [(-(2**31), 2**31 - 1), (0, 2**20), (-5, 2**26), (-(2**22), -1)])
def test_sums_beyond_float32_are_exact(low, high, exponent):
    """Every weight and input at its extreme: the sums reach 2^45, and one lost bit would show."""
    weight = np.full((3, 64), 254, np.int32)
    weight[1, ::2], weight[2] = -256, -256
    network = single(Dense(weight, exponent), InputPort("x", (64,), low, high), (3,), vth=None, dv=0)
    x = np.stack([np.full((1, 64), v) for v in (low, high, high - 1, low + 1, (low + high) // 2)])
    agrees(network, {"x": x})
    kernel = np.where(np.arange(2 * 8 * 5).reshape(2, 8, 5) % 3 == 0, -256, 254).astype(np.int32)
    conv = single(Conv1d(kernel, exponent, 2, 1), InputPort("x", (8, 8), low, high), (2, 3), vth=None, dv=0)
    agrees(conv, {"x": np.broadcast_to(x[:, :, :1, None], (5, 1, 8, 8))})


def test_many_wrapping_connections_add_up():
    """Seven currents of up to 2^23 each, which no float32 holds together."""
    rng = np.random.default_rng(0)
    ops = [Dense(rng.integers(-256, 256, (6, 40)).astype(np.int32), 7) for _ in range(7)]
    synapses = tuple(Synapses(f"w{i}", "x", op) for i, op in enumerate(ops))
    network = single(ops[0], InputPort("x", (40,), -(2**20), 2**20), (6,), synapses=synapses, dv=4096, vth=None, du=9)
    x = rng.integers(-(2**20), 2**20 + 1, (9, 3, 40))
    assert integer.run(network, {"x": x}).current_wraps["p"] > 50
    agrees(network, {"x": x}, steps=4)


def test_a_sum_just_beyond_float32_takes_two_products():
    """Σ|w|·127 around 2^24, seen in the result's last bit: exact on both sides of the bound."""
    for inputs in (1030, 1045):
        weight = np.full((2, inputs), 254, np.int32)
        weight[1, -1] = 252
        network = single(Dense(weight, -8), InputPort("x", (inputs,), -127, 127), (2,), vth=None, dv=0, du=4095)
        x = np.full((1, 1, inputs), 127)
        x[0, 0, 0] = 126
        agrees(network, {"x": x})
        kinds = operators(compile(network, "tflite").artifact.step.data)
        assert kinds.count("FULLY_CONNECTED") == (1 if inputs == 1030 else 2)


def test_what_float32_holds():
    op = Dense(np.array([[254, -256]], np.int32), -2)
    assert reach(op, (0, 1)) == 64 << 6 and reach(op, (-3, 1)) == 256 << 6, "⌈256/4⌉ and ⌈(254 + 3·256)/4⌉"
    assert fits_float32(op, (0, 1)) and not fits_float32(op, (0, 2**24))
    assert not fits_float32(replace(op, weight_exp=7), (0, 2**10)), "the sum fits, the current leaves 24 bits"
    assert decays_at_once(np.array(3696), 2**16) and not decays_at_once(np.array(3695), 2**16)
    assert decays_at_once(np.array([0, 2048]), 2**23) and not decays_at_once(np.array([1, 2048]), 2**23)
    highs = (127, 128, 32767, 32768)
    assert [input_dtype(InputPort("x", (1,), 0, h)) for h in highs] == ["int8", "int16", "int16", "int32"]


def operators(data: bytes) -> list[str]:
    """The names of a file's operators, in order."""
    model = tflite.Model.GetRootAs(data)
    graph = model.Subgraphs(0)
    codes = [model.OperatorCodes(i).BuiltinCode() for i in range(model.OperatorCodesLength())]
    return [
        tflite.utils.BUILTIN_OPCODE2NAME[codes[graph.Operators(i).OpcodeIndex()]]
        for i in range(graph.OperatorsLength())
    ]


@pytest.mark.parametrize("form", ["sequence", "step"])
def test_models_say_what_they_are_and_hold_int8(form):
    data = getattr(compile(small(), "tflite").artifact, form).data
    model = tflite.Model.GetRootAs(data)
    graph = model.Subgraphs(0)
    entries = {model.Metadata(i).Name(): model.Metadata(i).Buffer() for i in range(model.MetadataLength())}
    about = json.loads(model.Buffers(entries[b"cortexcore"]).DataAsNumpy().tobytes())
    assert about["sha256"] == network_sha256(small()) and about["metadata"] == {"classes": ["N"]}
    assert about["inputs"] == [{"name": "x", "shape": [5], "low": -127, "high": 127}] and about["dt_s"] == 1e-3
    tensors = {graph.Tensors(i).Name(): graph.Tensors(i) for i in range(graph.TensorsLength())}
    weight = tensors[b"weight/w"]
    stored = model.Buffers(weight.Buffer()).DataAsNumpy().view(np.int8).reshape(4, 5)
    assert weight.Type() == tflite.TensorType.INT8 and weight.Quantization().ZeroPoint(0) == 0
    assert np.array_equal(
        stored * weight.Quantization().Scale(0), small().populations[0].synapses[0].operation.weight * 64
    )
    wide = [
        t.Name()
        for t in tensors.values()
        if t.Type() == tflite.TensorType.FLOAT32 and t.Buffer() and model.Buffers(t.Buffer()).DataLength() > 16
    ]
    assert not wide, "float constants are single numbers"
    free = [-1, 5] if form == "step" else [16, -1, 5]
    assert tensors[b"x"].ShapeSignatureAsNumpy().tolist() == free and tensors[b"x"].Type() == tflite.TensorType.INT8
    signature = model.SignatureDefs(0)
    names = {signature.Outputs(i).Name() for i in range(signature.OutputsLength())}
    assert names == {b"y", b"next/u/p", b"next/v/p"}


def test_no_int8_weight_feeds_a_product_directly():
    """It would choose a hybrid kernel, which quantizes the activations."""
    model = tflite.Model.GetRootAs(compile(small(), "tflite").artifact.sequence.data)
    graph = model.Subgraphs(0)
    for i in range(graph.OperatorsLength()):
        operator = graph.Operators(i)
        if model.OperatorCodes(operator.OpcodeIndex()).BuiltinCode() == tflite.BuiltinOperator.FULLY_CONNECTED:
            types = {graph.Tensors(operator.Inputs(j)).Type() for j in range(2)}
            assert types == {tflite.TensorType.FLOAT32}
            return
    pytest.fail("there is no product")


@pytest.mark.parametrize("name", sorted(runtime.MODULES))
def test_the_signature_runs_without_us(name):
    """Any TFLite user: the network's own names, every state at rest by zeros."""
    pytest.importorskip(runtime.MODULES[name])
    found = runtime.find_runtime(name)
    interpreter = found.module.Interpreter(model_content=compile(small(), "tflite").artifact.step.data)
    runner = interpreter.get_signature_runner("serving_default")
    x = np.random.default_rng(0).integers(-127, 128, (3, 5)).astype(np.int8)
    rest = np.zeros((3, 4), np.float32)
    y = runner(**{"x": x, "previous/u/p": rest, "previous/v/p": rest})["y"]
    assert np.array_equal(y, integer.run(small(), {"x": x[None]}).outputs["y"][0])


def test_steps_and_batch_are_free():
    compiled = compile(small(), "tflite", TfliteConfig(steps=4))
    for shape in ((1, 1, 5), (4, 2, 5), (9, 2, 5), (3, 7, 5)):
        x = np.random.default_rng(0).integers(-127, 128, shape)
        assert np.array_equal(compiled.run(x).outputs["y"], integer.run(small(), {"x": x}).outputs["y"])


@pytest.mark.parametrize(
    ("metadata", "given", "expected"),
    [
        ({"steps": 6}, None, 6),
        ({"steps": 6}, 3, 3),
        ({"steps": 100}, None, 15),
        ({}, None, 16),
        ({"steps": "6"}, None, 16),
        ({"steps": 0}, None, 16),
    ],
)
def test_blocks_are_as_long_as_an_inference(metadata, given, expected):
    artifact = compile(replace(small(), metadata=metadata), "tflite", TfliteConfig(steps=given)).artifact
    assert artifact.steps == expected
    assert artifact.opened_sequence.inputs["x"]["shape"].tolist() == [expected, 1, 5]


def test_two_outputs_of_one_population_and_a_population_that_only_passes_on():
    """Tensors that go by several names: v is u where nothing is kept, and two outputs read it."""
    network = small(dv=4096, vth=None, du=4095)
    network = replace(network, outputs=(OutputPort("y", "p"), OutputPort("z", "p")))
    x = np.random.default_rng(0).integers(-127, 128, (5, 2, 5))
    agrees(network, {"x": x}, steps=2)


def test_what_it_cannot_take_is_refused_with_reason_and_remedy():
    """All of it at once; inputs up to 2^31 − 1 it takes."""
    huge = single(Dense(np.full((1, 70_000), 254, np.int32)), InputPort("x", (70_000,), 0, 1), (1,))
    with pytest.raises(GraphError, match=r"'w': its weights add up to more than float32 holds \(split the layer"):
        TARGET.lower(huge, TfliteConfig())
    op, port = Dense(np.full((1, 3), 254, np.int32)), InputPort("x", (3,), 0, 2**31)
    wide = replace(single(op, port, (1,)), outputs=(OutputPort("trace/y", "p"), OutputPort("next/v/p", "p")))
    found = [(p.node, p.reason, p.remedy) for p in TARGET.check(wide).problems]
    assert found == [
        ("x", "its values reach 2147483648, beyond int32", "let them end at 2147483647"),
        ("trace/y", "names that begin with 'trace/' are the models' own", "rename it"),
        ("next/v/p", "names that begin with 'next/' are the models' own", "rename it"),
    ]
    assert TARGET.check(single(op, replace(port, high=2**31 - 1), (1,))).ok


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"threads": 0}, "threads is 0, it must be in 1…256"),
        ({"threads": True}, "threads is True"),
        ({"steps": 0}, "steps is 0, it must be in 1…256"),
        ({"runtime": "tensorflow"}, "runtime is 'tensorflow', it must be one of auto, tflite-runtime, ai-edge-litert"),
        ({"xnnpack": 1}, "xnnpack is 1, it must be True or False"),
        ({"threads": 300, "steps": 2.5}, "threads is 300.*; steps is 2.5"),
    ],
)
def test_options_are_checked(options, words):
    with pytest.raises(GraphError, match=words):
        TfliteConfig(**options)


def saved(folder, network: IntegerNetwork):
    folder.mkdir(exist_ok=True)
    artifact = TARGET.lower(network, TfliteConfig(steps=3, threads=2, xnnpack=False))
    TARGET.save(artifact, folder)
    return artifact


def test_a_saved_artifact_comes_back_whole(tmp_path):
    artifact = saved(tmp_path, small())
    assert {f.name for f in tmp_path.iterdir()} == {"network.nir", "sequence.tflite", "step.tflite", "tflite.json"}
    loaded = TARGET.load(tmp_path)
    assert (loaded.config, loaded.steps, loaded.sha256) == (artifact.config, 3, artifact.sha256)
    assert loaded.sequence.data == artifact.sequence.data and loaded.step.operators == artifact.step.operators
    x = np.random.default_rng(0).integers(-127, 128, (7, 2, 5))
    golden = integer.run(small(), {"x": x})
    result = TARGET.run(loaded, {"x": x}, trace=True)
    assert np.array_equal(result.outputs["y"], golden.outputs["y"]) and np.array_equal(result.v["p"], golden.v["p"])


@pytest.mark.parametrize("file", ["network.nir", "sequence.tflite", "step.tflite", "tflite.json"])
def test_a_missing_or_damaged_file_is_one_error(file, tmp_path):
    saved(tmp_path, small())
    whole = (tmp_path / file).read_bytes()
    (tmp_path / file).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(BundleError):
        TARGET.load(tmp_path)
    (tmp_path / file).unlink()
    with pytest.raises(BundleError, match=f"{file}.*is missing"):
        TARGET.load(tmp_path)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"not a model at all", "is no TFLite model; lower the network again with the 'tflite' target"),
        (b"", "is no TFLite model"),
        (b"\x1c\0\0\0TFL3" + bytes(99), "was not made by CortexCore: lower the network with the 'tflite' target"),
        (None, "is damaged, or another artifact's: lower the network again"),
    ],
)
def test_a_foreign_or_damaged_model_never_reaches_a_runtime(content, words, tmp_path, monkeypatch):
    """One flipped bit of a weight included."""
    artifact = saved(tmp_path, small())
    flipped = bytearray(artifact.step.data)
    flipped[-1 - len(flipped) // 3] ^= 1
    (tmp_path / "step.tflite").write_bytes(bytes(flipped) if content is None else content)
    monkeypatch.setattr(runtime, "find_runtime", lambda chosen: pytest.fail("a runtime was asked for"))
    with pytest.raises(BundleError, match=f"step.tflite {words}"):
        TARGET.load(tmp_path)


def test_parts_of_two_artifacts_do_not_mix(tmp_path):
    first, second = tmp_path / "a", tmp_path / "b"
    saved(first, small(0)), saved(second, small(1))
    save_network(small(1), first)
    with pytest.raises(BundleError, match=r"tflite\.json and network\.nir hold different networks"):
        TARGET.load(first)
    save_network(small(0), first)
    (first / "sequence.tflite").write_bytes((second / "sequence.tflite").read_bytes())
    with pytest.raises(BundleError, match=r"sequence\.tflite is damaged, or another artifact's"):
        TARGET.load(first)


@pytest.mark.parametrize(
    "change", [{"steps": "many"}, {"config": {"threads": 0}}, {"config": {"colour": 1}}, {"step": {}}]
)
def test_an_index_that_is_not_ours_is_one_error(change, tmp_path):
    saved(tmp_path, small())
    index = json.loads((tmp_path / "tflite.json").read_text())
    (tmp_path / "tflite.json").write_text(json.dumps({**index, **change}))
    with pytest.raises(BundleError, match=r"tflite\.json is not the TFLite target's"):
        TARGET.load(tmp_path)


@pytest.mark.parametrize(
    ("path", "value"),
    [(("steps",), 4), (("steps",), 0), (("step", "outputs"), {}), (("sequence", "outputs", "y"), 1), (("sha256",), "")],
)
def test_an_index_changed_by_hand_is_refused(path, value, tmp_path):
    """Its numbers of tensors would hand out wrong values without a word."""
    saved(tmp_path, small())
    index = json.loads((tmp_path / "tflite.json").read_text())
    *way, last = path
    part = index
    for key in way:
        part = part[key]
    part[last] = value
    (tmp_path / "tflite.json").write_text(json.dumps(index))
    with pytest.raises(BundleError, match=r"tflite\.json was changed after it was written; lower the network again"):
        TARGET.load(tmp_path)


def test_a_saved_artifact_runs_without_the_schema(tmp_path):
    """A device needs the runtime alone: no package tflite, no FlatBuffers."""
    saved(tmp_path, small())
    x = np.random.default_rng(0).integers(-127, 128, (4, 2, 5))
    np.save(tmp_path / "x.npy", x)
    code = f"""
import sys
sys.modules["tflite"] = sys.modules["flatbuffers"] = None
import numpy as np
from pathlib import Path
from cortexcore.targets.registry import get_target
from cortexcore.errors import TargetUnavailable
folder = Path({str(tmp_path)!r})
target = get_target("tflite")
x = np.load(folder / "x.npy")
artifact = target.load(folder)
np.save(folder / "y.npy", target.run(artifact, {{"x": x}}).outputs["y"])
stepper = target.stepper(artifact)
stepper.start(2)
np.save(folder / "y0.npy", stepper.step({{"x": x[0]}})["y"])
target.check(artifact.network).require()
lower = lambda: target.lower(artifact.network, target.config())
for needing in (lower, lambda: target.run(artifact, {{"x": x}}, True)):
    try:
        needing()
    except TargetUnavailable as error:
        print(error.exit_code, error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    sentence = (
        "3 lowering to TFLite needs the package 'tflite', which is not installed: pip install 'cortexcore[tflite]'"
    )
    assert done.stdout.splitlines() == [sentence] * 2
    golden = integer.run(small(), {"x": x}).outputs["y"]
    assert np.array_equal(np.load(tmp_path / "y.npy"), golden)
    assert np.array_equal(np.load(tmp_path / "y0.npy"), golden[0])


def test_a_missing_runtime_is_one_sentence(monkeypatch):
    artifact = compile(small(), "tflite").artifact
    for module in runtime.MODULES.values():
        monkeypatch.setitem(sys.modules, module, None)
    reason = TARGET.unavailable()
    assert reason is not None and "\n" not in reason
    assert "'tflite-runtime' or 'ai-edge-litert', which is not installed: pip install 'cortexcore[tflite]'" in reason
    with pytest.raises(TargetUnavailable, match="which is not installed") as found:
        TARGET.run(artifact, {"x": np.zeros((1, 1, 5), int)})
    assert found.value.exit_code == 3
    with pytest.raises(TargetUnavailable, match=r"with 'ai-edge-litert' needs that package.*runtime='auto'"):
        runtime.find_runtime("ai-edge-litert")


def test_auto_takes_the_first_that_is_there(monkeypatch):
    for module in runtime.MODULES.values():
        pytest.importorskip(module)
    assert runtime.find_runtime("auto").name == "tflite-runtime"
    monkeypatch.setitem(sys.modules, runtime.MODULES["tflite-runtime"], None)
    assert runtime.find_runtime("auto").name == "ai-edge-litert"
    monkeypatch.undo()
    imported = runtime.import_module

    def broken(name: str):
        if name == runtime.MODULES["tflite-runtime"]:
            raise ImportError("numpy.core.multiarray failed to import\nlong story")
        return imported(name)

    monkeypatch.setattr(runtime, "import_module", broken)
    assert runtime.find_runtime("auto").name == "ai-edge-litert"
    with pytest.raises(TargetUnavailable, match=r"'tflite-runtime' cannot be imported \(numpy.*import\); .*'numpy<2'"):
        runtime.find_runtime("tflite-runtime")


@pytest.mark.parametrize("xnnpack", [False, True])
def test_options_reach_the_runtime(xnnpack, monkeypatch):
    found = runtime.find_runtime("auto")
    asked: dict[str, object] = {}
    real = found.module.Interpreter
    monkeypatch.setattr(found.module, "Interpreter", lambda **options: asked.update(options) or real(**options))
    compile(small(), "tflite", TfliteConfig(threads=2, xnnpack=xnnpack)).stepper()
    resolvers = found.module.OpResolverType
    assert asked["num_threads"] == 2
    wanted = resolvers.AUTO if xnnpack else resolvers.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    assert asked["experimental_op_resolver_type"] is wanted


def test_a_model_that_the_runtime_cannot_run_is_one_error(tmp_path):
    """As an older runtime would find it: an operator of a version it does not know."""
    from cortexcore.targets.tflite.flatbuffer import ModelBuild
    from cortexcore.targets.tflite.runtime import Opened

    m = ModelBuild()
    m.output("y", m.op("FLOOR", [m.input("x", "float32", (-1, 2))], version=99))
    with pytest.raises(BundleError, match=r"cannot run the model: .*; install a newer one"):
        Opened(m.finish({}), TfliteConfig(), {"y": 1})


def test_the_profile_says_what_ran_and_what_it_cannot_tell():
    network = small()
    x = np.random.default_rng(0).integers(-127, 128, (5, 2, 5))
    compiled = compile(network, "tflite", TfliteConfig(steps=5))
    profile = compiled.profile(x)
    found = runtime.find_runtime("auto")
    assert f"{found.name} {found.version}" in profile.conditions and "threads: 1" in profile.conditions
    assert "XNNPACK on, blocks of 5 steps" in profile.conditions
    artifact = compiled.artifact
    assert profile.memory["sequence model"].value == len(artifact.sequence.data)
    assert profile.memory["step model"].value == len(artifact.step.data)
    assert profile.memory["tensors"].value > network.populations[0].synapses[0].operation.weight.size * 5
    operators_there = operators(artifact.sequence.data)
    assert profile.layers["p"]["operators"].value == artifact.sequence.operators["p"]
    assert sum(artifact.sequence.operators.values()) == len(operators_there)
    assert any("no times per operator" in note for note in profile.notes)
    assert profile.latency["per inference p50"].kind == profile.latency["per step p50"].kind == "measured"


def test_unfit_inputs_are_named():
    compiled = compile(small(), "tflite")
    with pytest.raises(CortexCoreError, match=r"holds values in \[128, 128\], the network takes \[-127, 127\]"):
        compiled.run(np.full((1, 1, 5), 128))
    stepper = compiled.stepper()
    with pytest.raises(CortexCoreError, match="holds 2 inferences, the stepper was started for 1"):
        stepper.step({"x": np.zeros((2, 5), int)})
