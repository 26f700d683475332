"""Every way in which C is generated, on every network: kernels, layouts of weights, sanitizers, cores; and its RAM.

The default of each target is in test_conformance.py. A library with sanitizers stops the process where C is undefined.
"""

from __future__ import annotations

import numpy as np
import pytest

from cortexcore.export import integer
from cortexcore.firmware_sim.codegen.generate import network_files
from cortexcore.firmware_sim.codegen.memory import memory
from cortexcore.firmware_sim.codegen.options import CodegenOptions
from cortexcore.firmware_sim.codegen.planning import plan
from cortexcore.firmware_sim.toolchain import missing_compiler
from cortexcore.targets.compiled import compile
from cortexcore.targets.cortex_m.config import CortexMConfig
from cortexcore.targets.native.artifact import packed, traces
from cortexcore.targets.native.library import Library
from cortexcore.targets.registry import get_target

pytestmark = pytest.mark.skipif(missing_compiler() is not None, reason=str(missing_compiler()))

VARIANTS = [
    CodegenOptions("event", "host"),
    CodegenOptions("event", "cortex_m4", pack=True),
    CodegenOptions("dense", "host", pack=True),
    CodegenOptions("dense", "cortex_m4"),
]


def said(options: CodegenOptions) -> str:
    return f"{options.kernel}-{options.core}{'-packed' * options.pack}"


@pytest.mark.parametrize("options", VARIANTS, ids=said)
def test_sanitized_on_this_machine(options, animal):
    _, network, inputs = animal
    planned = plan(network, options)
    assert all(link.event == (options.kernel == "event") for link in planned.links)
    library = Library(planned, network_files(planned), traced=True, sanitize=True)
    kept_for_traces = sum(4 * p.size for p in network.populations if not p.has_current)
    assert library.network_bytes == memory(planned).state + kept_for_traces
    outputs, traced = library.run(packed(planned, integer.check_inputs(network, inputs), library.input))
    golden = integer.run(network, inputs)
    spikes, u, v = traces(planned, traced)
    for kind, got in (("spikes", spikes), ("u", u), ("v", v)):
        expected = getattr(golden, kind)
        assert got.keys() == expected.keys()
        for name in expected:
            assert np.array_equal(got[name], expected[name]), (kind, name)
    for port in network.outputs:
        assert np.array_equal(outputs[planned.outputs[port.name]], golden.outputs[port.name])


def test_dense_kernels_on_the_emulated_core(animal):
    """The DSP instructions, which this machine's build replaces by plain C; test_conformance.py has the others."""
    reason = get_target("cortex-m").unavailable()
    if reason is not None:
        pytest.skip(reason)
    name, network, inputs = animal
    if name == "deep_snn":
        assert "more than the board's" in str(get_target("cortex-m").check(network).problems)
        return
    equal_on_the_core(network, inputs, CortexMConfig("dense"))


@pytest.mark.parametrize("kernel", ["event", "dense"])
def test_packed_weights_on_the_emulated_core(kernel, build):
    reason = get_target("cortex-m").unavailable()
    if reason is not None:
        pytest.skip(reason)
    zoo, network = build("four_bits")
    config = CortexMConfig(kernel, pack=True)
    assert {link.weight_bits for link in plan(network, config.options).links} == {4}
    equal_on_the_core(network, zoo.inputs(network), config)


def equal_on_the_core(network, inputs, config):
    golden, result = integer.run(network, inputs), compile(network, "cortex-m", config).run(inputs, trace=True)
    for kind in ("spikes", "u", "v", "outputs"):
        for signal, expected in getattr(golden, kind).items():
            assert np.array_equal(getattr(result, kind)[signal], expected), (kind, signal)
