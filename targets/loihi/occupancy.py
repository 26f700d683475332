"""How full the cores are, as a table: what Lava's compiler prints for Loihi 2, one row per kind of core.

Cores of one population that are equally full share a row, whose figures are one core's, but for the number of their
synapses; the last row is all cores together.
"""

from __future__ import annotations

from collections.abc import Mapping

from cortexcore.targets.loihi.mapping import ChipLimits, Core, CoreMapping
from cortexcore.targets.loihi.mapping.memory import WORD_BITS
from cortexcore.targets.profile import Figure

Row = Mapping[str, Figure | str]
TOTAL = "total"


def occupancy(mapping: CoreMapping) -> tuple[Row, ...]:
    """Rows of figures per core, each with the number of such cores; then the total over all of them."""
    alike: dict[tuple[object, ...], list[Core]] = {}
    for core in mapping.cores:
        kind = (core.population, core.groups, _stored(core), *core.use().values())
        alike.setdefault(kind, []).append(core)
    return (*(_row(mapping.limits, cores) for cores in alike.values()), _total(mapping))


def _row(limits: ChipLimits, cores: list[Core]) -> Row:
    core = cores[0]
    shares = {name: used / limits.of_core(name) for name, used in core.use().items()}
    tightest = max(shares, key=shares.__getitem__)
    return {
        "population": core.population,
        "axons in": _of(limits, "axons_in", core.axons_in, "axons"),
        "neuron groups": _groups(core.groups),
        "neurons": _of(limits, "neurons", core.neurons, "neurons"),
        "stored as": _stored(core),
        "synapse memory": _memory(limits, core.synapse_bytes),
        "axons out": _of(limits, "axons_out", core.axons_out, "axons"),
        "fullest": Figure(
            100 * shares[tightest], "%", "modelled", limits.sources[tightest], f"by its {tightest.replace('_', ' ')}"
        ),
        "cores": _of(limits, "cores", len(cores), "cores"),
        "synapses together": _synapses(cores),
    }


def _stored(core: Core) -> str:
    """How each connection is stored: "sparse, 8 + 6 + 0 bits" are 8 of the weight, 6 of the index, none of a delay."""
    bits = (f"{s.format}, {s.weight_bits} + {s.index_bits} + {s.delay_bits} bits" for s in core.synapses)
    return "; ".join(bits) or "–"


def _total(mapping: CoreMapping) -> Row:
    limits, cores = mapping.limits, mapping.cores
    return {
        "population": TOTAL,
        "axons in": _of(limits, "axons_in", sum(core.axons_in for core in cores), "axons"),
        "neuron groups": _groups(sum(core.groups for core in cores)),
        "neurons": _of(limits, "neurons", sum(core.neurons for core in cores), "neurons"),
        "stored as": "",
        "synapse memory": _memory(limits, sum(core.synapse_bytes for core in cores)),
        "axons out": _of(limits, "axons_out", sum(core.axons_out for core in cores), "axons"),
        "fullest": "",
        "cores": _of(limits, "cores", len(cores), "cores"),
        "synapses together": _synapses(list(cores)),
    }


def _groups(groups: int) -> Figure:
    return Figure(groups, "groups", "modelled", "the network: settings of du, dv and vth that differ", "per core")


def _synapses(cores: list[Core]) -> Figure:
    source = "the network: weights that are not zero, unrolled"
    return Figure(sum(core.synapse_count for core in cores), "synapses", "modelled", source)


def _of(limits: ChipLimits, name: str, value: int, unit: str) -> Figure:
    where = "chip" if name == "cores" else "core"
    return Figure(value, unit, "modelled", limits.sources[name], f"a {where} has {limits.of_core(name):,}")


def _memory(limits: ChipLimits, value: int) -> Figure:
    most = limits.synapse_words * WORD_BITS // 8
    return Figure(value, "B", "modelled", limits.sources["synapse_words"], f"a core has {most:,} B")
