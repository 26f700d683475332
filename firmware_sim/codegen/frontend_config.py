"""The front end's constants as a C header: what ``csrc/frontend`` is compiled with."""

from __future__ import annotations

from dataclasses import fields

from cortexcore.errors import DataError
from cortexcore.runtime.frontend import FEATURES, FEATURES_VERSION, RATE_HZ, UNIT_PER_MV, FrontEndConfig
from cortexcore.runtime.frontend.builder import MS_PER_SAMPLE
from cortexcore.runtime.frontend.config import MAX_INTERVAL, Biquad
from cortexcore.runtime.frontend.detector import MOST_LEFT
from cortexcore.runtime.frontend.filters import COEFFICIENT_BITS, INPUT_LIMIT
from cortexcore.runtime.frontend.fixed import LOG2_ONE
from cortexcore.runtime.frontend.shapes import FRACTION_BITS
from cortexcore.runtime.frontend.sharpness import BEND_SHIFT, POWER_SHIFT

_LARGEST = 2**15 - 1
"""Of every constant but the coefficients: then no product of two and a sample leaves 64 bits."""
_SIGNAL_LIMIT = 2**24
_MOST_CORRELATED = 364
"""Samples of a correlation whose sums, 127² times their square, stay below 2^31."""
_SETTLED = 2.0**-40
_SLOWEST = 100_000
"""Samples within which a section's impulse response must have died away: 400 s."""


def frontend_header(config: FrontEndConfig) -> str:
    """``ccx_frontend_config.h`` of a configuration; the same text for the same configuration.

    Raises:
        DataError: the configuration has values that the C code's integers or arrays do not hold; all of them are named.
    """
    problems = _problems(config)
    if problems:
        raise DataError("this front end cannot be built in C: " + "; ".join(problems))
    lines = [
        "/* The front end's constants, written by CortexCore from the model's configuration. Do not edit.",
        " * What each is for: cortexcore/runtime/frontend/config.py. Counts of samples are at the rate below. */",
        "#ifndef CCX_FRONTEND_CONFIG_H",
        "#define CCX_FRONTEND_CONFIG_H",
        "",
        *(f"#define CCX_FE_{name.upper()} {value}" for name, value in _constants(config).items()),
        "",
        f"#define CCX_FE_COEFFICIENTS {_initialiser(config.sections)}",
        "",
        "#endif",
    ]
    return "\n".join(lines) + "\n"


def _constants(config: FrontEndConfig) -> dict[str, int]:
    """Name → value: the arithmetic's, the configuration's own, and what follows from it."""
    own = {field.name: getattr(config, field.name) for field in fields(config)}
    return {
        "rate_hz": RATE_HZ,
        "ms_per_sample": MS_PER_SAMPLE,
        "unit_per_mv": UNIT_PER_MV,
        "features": len(FEATURES),
        "features_version": FEATURES_VERSION,
        "max_interval": MAX_INTERVAL,
        "max_left": MOST_LEFT,
        "coefficient_bits": COEFFICIENT_BITS,
        "input_limit": INPUT_LIMIT,
        "log2_one": LOG2_ONE,
        "fraction_bits": FRACTION_BITS,
        "bend_shift": BEND_SHIFT,
        "power_shift": POWER_SHIFT,
        **{name: value for name, value in own.items() if isinstance(value, int)},
        "sections": len(config.sections),
        "window": config.window_length,
        "after": config.after,
        "hold": config.hold,
        "look_back": config.look_back,
        "bend_delay": config.bend_delay,
        "power_delay": config.power_delay,
        "bend_ring": 1 << (2 * (config.qrs_smooth + config.qrs_lag)).bit_length(),
        "max_queue": config.learn // (config.refractory + 1) + 1,
        "max_waiting": _most_waiting(config),
    }


def _most_waiting(config: FrontEndConfig) -> int:
    """Beats found whose window is not complete yet: their middles lie after the newest complete one, before the newest
    that can be found, and ``refractory`` + 1 apart."""
    incomplete = config.align_reach + max(config.after, config.bend_delay)
    found = config.refractory + config.power_delay
    return max(0, incomplete - found) // (config.refractory + 1) + 1


def _initialiser(sections: tuple[Biquad, ...]) -> str:
    return "{" + ", ".join("{" + ", ".join(map(str, section)) + "}" for section in sections) + "}"


def _problems(config: FrontEndConfig) -> list[str]:
    """What the C code cannot hold, each with the reason and the remedy."""
    problems = []
    for field in fields(config):
        value = getattr(config, field.name)
        if isinstance(value, int) and value > _LARGEST:
            problems.append(f"{field.name} is {value}, at most {_LARGEST} is possible")
    for name, length in (
        ("shape_reach", 2 * config.shape_reach + 1),
        ("p_start - p_stop", config.p_start - config.p_stop),
    ):
        if length > _MOST_CORRELATED:
            problems.append(f"{name} correlates {length} samples, sums of 32 bits hold {_MOST_CORRELATED}: shorten it")
    if not config.sections:
        problems.append("there is no filter section: give highpass or lowpass at least one")
    largest = _largest_output(config.sections)
    if largest >= _SIGNAL_LIMIT:
        problems.append(
            f"the filter can reach {largest:.3g} at full input, signals are kept below {_SIGNAL_LIMIT}: "
            "lower its gain, or choose sections that are stable"
        )
    bend = 4 * config.qrs_smooth**2 * _SIGNAL_LIMIT
    if bend >= 2**31:
        problems.append(f"qrs_smooth of {config.qrs_smooth} lets the bend's sum reach {bend}: at most 5 fits 32 bits")
    return problems


def _largest_output(sections: tuple[Biquad, ...]) -> float:
    """The largest magnitude that any section can put out: full input times the l1 norm of the impulse response up to
    it. Infinite where the response does not die away."""
    response = [1.0]
    largest = 0.0
    for section in sections:
        response = _respond(section, response)
        if not response:
            return float("inf")
        largest = max(largest, INPUT_LIMIT * sum(map(abs, response)))
    return largest


def _respond(section: Biquad, samples: list[float]) -> list[float]:
    """What a section makes of ``samples`` and of the zeros after them, until it settles; nothing if it never does."""
    b0, b1, b2, a1, a2 = (value / 2**COEFFICIENT_BITS for value in section)
    x1 = x2 = y1 = y2 = 0.0
    out: list[float] = []
    while len(out) < _SLOWEST:
        x = samples[len(out)] if len(out) < len(samples) else 0.0
        y = b0 * x + b1 * x1 + b2 * x2 - a1 * y1 - a2 * y2
        out.append(y)
        x1, x2, y1, y2 = x, x1, y, y1
        if len(out) > len(samples) + 1 and abs(y1) + abs(y2) < _SETTLED:
            return out
        if abs(y) > _SIGNAL_LIMIT:
            return []
    return []
