"""The network's state in C: its members, what a step reads of them, and their bytes."""

from __future__ import annotations

from cortexcore.firmware_sim.codegen.plan import Layer, Link, Plan, Sums


def sums_type(sums: Sums) -> str:
    """Sums of 16 bits are signed and never overflow; sums of 32 bits count modulo 2^32."""
    return "int16_t" if sums.bits == 16 else "uint32_t"


def member_lines(plan: Plan, layer: Layer) -> list[str]:
    """The declarations of one population's state."""
    p, ident = layer.population, layer.ident
    lines = [f"int32_t v_{ident}[{p.size}];"]
    if p.has_current:
        lines.append(f"int32_t u_{ident}[{p.size}];")
    else:
        lines += ["#ifdef CCX_TRACE", f"int32_t u_{ident}[{p.size}];", "#endif"]
    if layer.listed:
        lines += [f"uint32_t count_{ident};", f"ccx_index list_{ident}[{p.size}] CCX_ALIGNED;"]
    if layer.mapped:
        lines.append(f"int8_t map_{ident}[{p.size}] CCX_ALIGNED;")
    if "list" in layer.late:
        lines += [f"uint32_t late_count_{ident};", f"ccx_index late_list_{ident}[{p.size}] CCX_ALIGNED;"]
    if "map" in layer.late:
        lines.append(f"int8_t late_map_{ident}[{p.size}] CCX_ALIGNED;")
    if "v" in layer.late:
        lines.append(f"int32_t late_v_{ident}[{p.size}];")
    return lines + [f"{sums_type(s)} sums_{s.ident}[{p.size}] CCX_ALIGNED;" for s in layer.sums if s.held]


def scratch_lines(plan: Plan) -> list[str]:
    """The sums that live within their layer's step alone, which share their memory."""
    layers = [
        [f"{sums_type(s)} sums_{s.ident}[{layer.population.size}] CCX_ALIGNED;" for s in layer.sums if not s.held]
        for layer in plan.layers
    ]
    if not any(layers):
        return []
    inner = [
        "    " + (x[0] if len(x) == 1 else "struct { " + " ".join(x) + f" }} of_{i};")
        for i, x in enumerate(layers)
        if x
    ]
    return ["union {", *inner, "} scratch;"]


def sums_at(plan: Plan, layer: Layer, sums: Sums) -> str:
    """Where a layer's sums lie, as a C expression."""
    if sums.held:
        return f"net->sums_{sums.ident}"
    alone = sum(not s.held for s in layer.sums) == 1
    inside = "" if alone else f"of_{plan.layers.index(layer)}."
    return f"net->scratch.{inside}sums_{sums.ident}"


def read_by(link: Link) -> str:
    """What a kernel reads, as its C arguments: a list and its count, or values and their bits."""
    source = link.source
    late = "late_" if link.late else ""
    if source.port:
        if link.event and source.spiking and not link.late:
            return f"net->list_{source.ident}, net->count_{source.ident}"
        return f"{'net->late_' if link.late else 'in->'}{source.ident}, {source.bits}"
    if not source.spiking:
        return f"net->{late}v_{source.ident}, 32"
    if link.event:
        return f"net->{late}list_{source.ident}, net->{late}count_{source.ident}"
    return f"net->{late}map_{source.ident}, 8"


def lists(link: Link) -> bool:
    """Whether a kernel reads a list of spikes."""
    return link.event and link.source.spiking and not (link.source.port and link.late)


def state_bytes(plan: Plan) -> int:
    """Bytes of the network's state on a 32-bit processor, without traces."""
    index = plan.index_bits // 8

    def words(count: int, size: int) -> int:
        return -(-count * size // 4) * 4

    total = sum(4 + words(s.size, index) for s in plan.ports if s.name in plan.listed)
    total += sum(words(s.size, s.bits // 8) for s in plan.ports if s.name in plan.late)
    scratch = 0
    for layer in plan.layers:
        size = layer.population.size
        total += words(size, 4) * (1 + layer.population.has_current + ("v" in layer.late))
        total += (4 + words(size, index)) * (layer.listed + ("list" in layer.late))
        total += words(size, 1) * (layer.mapped + ("map" in layer.late))
        total += sum(words(size, s.bits // 8) for s in layer.sums if s.held)
        scratch = max(scratch, sum(words(size, s.bits // 8) for s in layer.sums if not s.held))
    return total + scratch
