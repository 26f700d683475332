"""An int8 ANN's generated C, plain, laid out for the Cortex-M4, and on the emulated core, is NumPy's arithmetic."""

import ctypes
from dataclasses import replace

import numpy as np
import pytest

from cortexcore.errors import DataError, GraphError
from cortexcore.firmware_sim.board import read_firmware
from cortexcore.firmware_sim.codegen.ann import SHIFTS, AnnLayer, AnnPort, Int8Ann, fixed_point, run
from cortexcore.firmware_sim.codegen.ann_file import load_ann, save_ann
from cortexcore.firmware_sim.codegen.ann_header import SCORES, ann_inputs, ann_outputs, ann_traces
from cortexcore.firmware_sim.codegen.ann_source import ann_files
from cortexcore.firmware_sim.codegen.frontend_config import frontend_header
from cortexcore.firmware_sim.codegen.generate import KERNELS, SOURCES
from cortexcore.firmware_sim.codegen.records import record
from cortexcore.firmware_sim.toolchain import build_elf, build_shared
from cortexcore.runtime.frontend import FrontEndConfig
from cortexcore.targets.cortex_m.against_ann_core import AnnCore, build_ann, count_passes

for package in ("ziglang", "unicorn", "capstone", "elftools"):
    pytest.importorskip(package, reason="needs the extra 'firmware'")


def layer(rng, name, shape, sources, step, window, factor, zero=-128):
    weight = rng.integers(-127, 128, (shape[0], window)).astype(np.int8)
    bias = rng.integers(-9000, 9000, shape[0]).astype(np.int32)
    return AnnLayer(name, shape, sources, step, weight, bias, *fixed_point(factor), zero, 1.0)


def beat_shaped(rng):
    """The beat model's layers; odd numbers of positions, and windows that are filled up."""
    return Int8Ann(
        (AnnPort("window", (2, 96)), AnnPort("rhythm", (12,))),
        (
            layer(rng, "conv1", (8, 30), ("window",), 6, 18, 0.003),
            layer(rng, "conv2", (16, 13), ("conv1",), 16, 40, 0.002),
            layer(rng, "dense", (64,), ("conv2", "rhythm"), 0, 220, 0.001),
            layer(rng, "readout", (4,), ("dense",), 0, 64, 0.002, 5),
        ),
        ("N", "S", "V", "F"),
    )


def odd(rng):
    """Everything that the kernels do not like: odd channels, odd steps, windows under four, one position left over."""
    return Int8Ann(
        (AnnPort("int", (3, 11)),),
        (
            layer(rng, "a b", (7, 9), ("int",), 3, 9, 0.01),
            layer(rng, "a_b", (5, 3), ("a b",), 21, 7, 0.05, 3),
            layer(rng, "*/", (3,), ("a_b",), 0, 15, 0.2, -7),
        ),
        ("x", "y", "z"),
    )


def extreme(rng):
    """Sums as large as 32 bits hold, the largest multiplier and both ends of the shift."""
    weight = np.full((4, 4000), 127, np.int8)
    weight[1], weight[2, ::2] = -127, -128
    reach = np.abs(weight.astype(np.int64)).sum(axis=1) * 128
    bias = np.array([1, -1, 1, -1]) * (2**31 - 1 - reach)
    first = AnnLayer("first", (4,), ("in",), 0, weight, bias.astype(np.int32), 2**31 - 1, SHIFTS[-1], 127, 1.0)
    small = AnnLayer("small", (2,), ("first",), 0, weight[:2, :4], np.array([1, -1], np.int32), 2**30, 33, -128, 1.0)
    return Int8Ann((AnnPort("in", (4000,)),), (first, small), ("p", "q"))


NETWORKS = {"beat": beat_shaped, "odd": odd, "extreme": extreme}


def passes(ann, rng, batch=5):
    values = {port.name: rng.integers(-128, 128, (batch, *port.shape)).astype(np.int8) for port in ann.ports}
    for x in values.values():
        x[0], x[1] = -128, 127
    return values


def by_hand(ann, inputs):
    """The equation of codegen/ann.py in Python's own integers, one value at a time."""
    sent = {p.name: np.moveaxis(np.atleast_2d(inputs[p.name]), 0, -1).reshape(-1).tolist() for p in ann.ports}
    for each in ann.layers:
        x = [value for source in each.sources for value in sent[source]]
        sent[each.name] = [
            max(-128, min(127, each.zero + ((total * each.multiplier + 2 ** (each.shift - 1)) >> each.shift)))
            for q in range(each.positions)
            for weights, bias in zip(each.weight.tolist(), each.bias.tolist(), strict=True)
            for total in [bias + sum(w * x[q * each.step + i] for i, w in enumerate(weights))]
        ]
    return sent


def on_host(ann, inputs, folder, lanes, sanitize):
    """Every layer, from a library built of the generated C."""
    for name, text in ann_files(ann, lanes).items():
        (folder / name).write_text(text)
    include = [KERNELS, SOURCES / "ann", folder]
    sources = [folder / "model.c", KERNELS / "ccx_run.c"]
    path = build_shared(sources, include, folder / "ann.so", sanitize=sanitize, defines={"CCX_TRACE": ""})
    library = ctypes.CDLL(str(path))
    batch = len(next(iter(inputs.values())))
    sent = np.zeros(batch, record(ann_inputs(ann)))
    for name, port in zip(sent.dtype.names, ann.ports, strict=True):
        sent[name] = inputs[port.name]
    out, trace = np.zeros(batch, record(ann_outputs(ann))), np.zeros(batch, record(ann_traces(ann)))
    sizes = (ctypes.c_uint32 * 3)()
    library.ccx_run_sizes(sizes)
    assert sizes[1:] == [sent.itemsize, out.itemsize]
    state = np.zeros(sizes[0], np.uint8)
    library.ccx_run(*(ctypes.c_void_p(a.ctypes.data) for a in (state, sent, out, trace)), 1, batch)
    return out[SCORES], {x.name: trace[name] for x, name in zip(ann.layers, trace.dtype.names, strict=True)}


def same(found, wanted):
    assert found.keys() == wanted.keys()
    for name, values in wanted.items():
        np.testing.assert_array_equal(found[name], values, err_msg=name)


@pytest.mark.parametrize("name", NETWORKS)
def test_numpy_computes_the_equation(name):
    rng = np.random.default_rng(1)
    ann = NETWORKS[name](rng)
    inputs = passes(ann, rng, 3)
    found = run(ann, inputs)
    for b in range(3):
        wanted = by_hand(ann, {port: values[b] for port, values in inputs.items()})
        for each in ann.layers:
            values = np.array(wanted[each.name]).reshape(each.positions, -1).T.reshape(each.shape)
            np.testing.assert_array_equal(found[each.name][b], values, err_msg=each.name)


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize(("lanes", "sanitize"), [(False, False), (True, True)])
def test_the_host_computes_the_same_at_every_layer(name, lanes, sanitize, tmp_path):
    rng = np.random.default_rng(2)
    ann = NETWORKS[name](rng)
    inputs = passes(ann, rng)
    scores, layers = on_host(ann, inputs, tmp_path, lanes, sanitize)
    same(layers, run(ann, inputs))
    np.testing.assert_array_equal(scores, layers[ann.layers[-1].name])


@pytest.mark.parametrize("name", NETWORKS)
def test_the_emulated_core_computes_the_same_at_every_layer(name):
    rng = np.random.default_rng(3)
    ann = NETWORKS[name](rng)
    inputs = passes(ann, rng)
    wanted = run(ann, inputs)
    core, plain = AnnCore(ann, build_ann(ann, traced=True)), AnnCore(ann, build_ann(ann))
    for b in range(5):
        one = {port: values[b] for port, values in inputs.items()}
        scores = core.run(one)
        same(core.traced(), {layer: values[b] for layer, values in wanted.items()})
        np.testing.assert_array_equal(scores, wanted[ann.layers[-1].name][b])
        np.testing.assert_array_equal(plain.run(one), scores)


def test_a_pass_takes_as_many_instructions_whatever_it_reads():
    rng = np.random.default_rng(4)
    ann = beat_shaped(rng)
    first, again = build_ann(ann), build_ann(ann)
    assert first == again
    counted = count_passes(ann, first, passes(ann, rng))
    steps = [run.regions["ccx_network_step"].total for run in counted.runs]
    assert len(set(steps)) == 1
    assert 0 < counted.stack < 256
    parts = sum(cost.total.instructions for name, cost in counted.runs[0].regions.items() if name.startswith("layer_"))
    assert parts < steps[0].instructions < parts + 40
    assert steps[0].instructions < 2 * ann.macs, "the DSP instructions are not used"


def test_state_and_tables_are_as_the_header_says():
    ann = beat_shaped(np.random.default_rng(5))
    header = ann_files(ann)["model.h"]
    firmware = read_firmware(build_ann(ann))
    assert f"RAM: {firmware.symbol('ccx_harness_network').size} bytes" in header
    assert f"Flash: {8 * 20 + 16 * 40 + 64 * 220 + 4 * 64 + 4 * (8 + 16 + 64 + 4)} bytes" in header


def test_the_whole_firmware_takes_it_as_it_takes_a_network(tmp_path):
    files = ann_files(beat_shaped(np.random.default_rng(6)))
    files["ccx_frontend_config.h"] = frontend_header(FrontEndConfig())
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    rooms = [SOURCES / name for name in ("network", "ann", "frontend", "protocol", "board")]
    sources = [path for room in rooms[2:] for path in sorted(room.glob("*.c")) if path.name != "recording.c"]
    sources += [tmp_path / "model.c", KERNELS / "ccx.c"]
    elf = build_elf(sources, [*rooms, tmp_path], rooms[-1] / "board.ld", tmp_path / "device.elf")
    symbols = read_firmware(elf).symbols
    assert {"ccx_poll_event", "ccx_network_step", "layer_conv1"} <= set(symbols)


def test_everything_wrong_with_an_ann_is_told_at_once():
    rng = np.random.default_rng(6)
    good = beat_shaped(rng)
    conv, _, dense, readout = good.layers
    heavy = replace(dense, bias=np.full(64, 2**31 - 1, np.int32))
    layers = (
        replace(conv, shift=32, zero=128),
        replace(good.layers[1], step=17),
        heavy,
        replace(readout, sources=("conv1",)),
    )
    with pytest.raises(GraphError) as told:
        Int8Ann(good.ports, layers, ("N", "S"))
    for words in ("2^−32", "zero 128", "beyond the 240", "'dense' has sums", "'readout' reads", "each of the 2"):
        assert words in str(told.value), words
    with pytest.raises(GraphError, match="same name"):
        Int8Ann((*good.ports, AnnPort("conv1", (3,))), good.layers, good.classes)
    with pytest.raises(GraphError, match="must lie between"):
        fixed_point(0.5)


@pytest.mark.parametrize("wrong", [np.zeros((1, 2, 95)), np.full((1, 2, 96), 128), np.full((1, 2, 96), 0.5), None])
def test_inputs_that_are_none(wrong):
    ann = beat_shaped(np.random.default_rng(7))
    inputs = {"rhythm": np.zeros((1, 12)), **({} if wrong is None else {"window": wrong})}
    with pytest.raises(DataError, match="'window' must hold integers"):
        run(ann, inputs)


def test_a_factor_is_kept_to_31_bits():
    rng = np.random.default_rng(8)
    for factor in 2.0 ** rng.uniform(-24, -2, 200):
        multiplier, shift = fixed_point(factor)
        assert abs(multiplier / 2.0**shift / factor - 1) <= 2.0**-31


def test_the_file_keeps_it_and_is_the_same_each_time(tmp_path):
    rng = np.random.default_rng(9)
    ann = beat_shaped(rng)
    one, two = tmp_path / "one.npz", tmp_path / "two.npz"
    save_ann(one, ann, {"seed": 3})
    save_ann(two, ann, {"seed": 3})
    assert one.read_bytes() == two.read_bytes()
    read, provenance = load_ann(one)
    assert provenance == {"seed": 3} and read.ports == ann.ports and read.classes == ann.classes
    assert ann_files(read) == ann_files(ann)


def test_files_that_are_none(tmp_path):
    path = tmp_path / "ann.npz"
    with pytest.raises(DataError, match="cannot be read"):
        load_ann(path)
    path.write_bytes(b"PK\x03\x04 no")
    with pytest.raises(DataError, match="damaged or no int8 ANN"):
        load_ann(path)
    np.savez(path, header=np.array("{}"))
    with pytest.raises(DataError, match="damaged or no int8 ANN"):
        load_ann(path)
    np.savez(path, header=np.array('{"format": "other", "version": 1}'))
    with pytest.raises(DataError, match="'other'"):
        load_ann(path)
    with pytest.raises(DataError, match="cannot be written"):
        save_ann(tmp_path / "no" / "ann.npz", beat_shaped(np.random.default_rng(0)), {})
