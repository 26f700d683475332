"""From reports of one network at several bit widths to a sweep."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from numbers import Integral

from cortexcore.errors import QuantizationError
from cortexcore.export.report.points import Sweep, SweepPoint
from cortexcore.export.report.report import Agreement, LayerFigures, PopulationFigures, QuantizationReport

WIDTHS = (8, 7, 6, 5, 4, 3, 2)
"""All weight bits there are."""


def checked_widths(bits: int | Iterable[int]) -> tuple[int, ...]:
    """The bit widths of a sweep; one alone will do.

    Raises:
        QuantizationError: no width, one that is no whole number from 2 to 8, or one that stands twice.
    """
    widths = list(bits) if isinstance(bits, Iterable) else [bits]
    if not widths:
        raise QuantizationError("the sweep has no bit widths; give some from 2 to 8, e.g. 8,6,4")
    if bad := [
        width
        for width in widths
        if not (isinstance(width, Integral) and not isinstance(width, bool) and width in WIDTHS)
    ]:
        raise QuantizationError(
            f"the sweep has the bit widths {', '.join(map(repr, bad))}, they must be whole numbers from 2 to 8"
        )
    if twice := sorted({width for width in widths if widths.count(width) > 1}):
        raise QuantizationError(f"the sweep has the bit widths {', '.join(map(str, twice))} twice; name each once")
    return tuple(map(int, widths))


def sweep_of(reports: Mapping[str, QuantizationReport], widths: Mapping[str, int]) -> Sweep:
    """One point for each report.

    Args:
        reports: what the point is called → the report of the network there; all on the same data, at least one.
        widths: those that have one width for all layers without bits of their own → that width.
    """
    first = next(iter(reports.values()))
    return Sweep(
        points=tuple(point(name, widths.get(name), report) for name, report in reports.items()),
        bytes_float=first.bytes_before,
        accuracy_float=None if first.accuracy is None else first.accuracy.accuracy_float,
        macro_f1_float=None if first.accuracy is None else first.accuracy.macro_f1_float,
        steps=first.steps,
        inferences=first.inferences,
        data=first.data,
        calibration=first.calibration,
        energy=first.energy,
        warnings=first.warnings,
    )


def point(name: str, bits: int | None, report: QuantizationReport) -> SweepPoint:
    """What of a report a sweep shows."""
    layers = [layer for p in report.populations if not p.helper for layer in p.layers]
    spiking = [(p, a) for p, a in _agreements(report) if a.exact is not None]
    neurons = sum(p.neurons for p, _ in spiking)
    scores = report.accuracy
    return SweepPoint(
        name=name,
        bits=bits,
        layer_bits={layer.name: layer.bits for layer in layers},
        bytes=report.bytes_after,
        energy_uj=report.energy_uj,
        sqnr_db=_overall(layers),
        layer_sqnr_db={layer.name: layer.sqnr_db for layer in layers},
        clipped=sum(layer.clipped for layer in layers),
        underflowed=sum(layer.underflowed for layer in layers),
        exact=sum(p.neurons * (a.exact or 0.0) for p, a in spiking) / neurons if neurons else None,
        population_exact={p.name: a.exact for p, a in spiking if a.exact is not None},
        decisions_equal=report.decisions_equal,
        accuracy=None if scores is None else scores.accuracy_integer,
        macro_f1=None if scores is None else scores.macro_f1_integer,
        wraps=sum(a.wraps for _, a in _agreements(report)),
        clips=sum(a.clips for _, a in _agreements(report)),
    )


def _agreements(report: QuantizationReport) -> Iterator[tuple[PopulationFigures, Agreement]]:
    for p in report.populations:
        if p.agreement is not None:
            yield p, p.agreement


def _overall(layers: Sequence[LayerFigures]) -> float | None:
    """The mean ratio of noise to signal over all weights, as a signal to noise ratio in dB."""
    noise = sum(layer.weights * 10 ** (-layer.sqnr_db / 10) for layer in layers if layer.sqnr_db is not None)
    weights = sum(layer.weights for layer in layers)
    return -10 * math.log10(noise / weights) if noise > 0 else None
