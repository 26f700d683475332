"""A network over several bit widths: one point each, as data."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from cortexcore.errors import BundleError

SCHEMA = "cortexcore.quantization-sweep"
SCHEMA_VERSION = 1


@dataclass(frozen=True)
class SweepPoint:
    """The network at one choice of bits.

    Attributes:
        name: e.g. "4 bits", or what else was chosen; bits: of all layers without bits of their own, None where the
            layers were chosen one by one.
        layer_bits: layer → its bits.
        bytes: weights packed at their bits and 2 bytes per bias.
        energy_uj: per inference, as ``Sweep.energy`` says; None without judged data or a price.
        sqnr_db: of all weights together, each layer by the mean over its weights of noise over signal; None where
            nothing was lost.
        layer_sqnr_db: layer → its SQNR.
        clipped, underflowed: weights beyond the grid, and weights other than 0 that became 0.
        exact: share of equal spikes over all (step, inference, neuron); None without data or spikes.
        population_exact: spiking population → its share.
        decisions_equal: output → share of inferences with the float graph's decision.
        accuracy, macro_f1: against labels; None without.
        wraps, clips: currents that left 24 bits, voltages that were clipped.
    """

    name: str
    bits: int | None
    layer_bits: Mapping[str, int]
    bytes: int
    energy_uj: float | None
    sqnr_db: float | None
    layer_sqnr_db: Mapping[str, float | None]
    clipped: int
    underflowed: int
    exact: float | None
    population_exact: Mapping[str, float]
    decisions_equal: Mapping[str, float]
    accuracy: float | None
    macro_f1: float | None
    wraps: int
    clips: int


@dataclass(frozen=True)
class Sweep:
    """Points in the order they were asked for, and the float graph beside them.

    Attributes:
        points: see there.
        bytes_float: parameters as float32.
        accuracy_float, macro_f1_float: of the float graph; None without labels.
        steps, inferences: of the judged data; 0 without.
        data, calibration: what judged and what calibrated, in words.
        energy: kind, source and conditions of the points' energies; empty where they have none.
        warnings: sentences that a reader must know before believing the figures.
    """

    points: tuple[SweepPoint, ...]
    bytes_float: int
    accuracy_float: float | None = None
    macro_f1_float: float | None = None
    steps: int = 0
    inferences: int = 0
    data: str = ""
    calibration: str = ""
    energy: Mapping[str, str] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The sweep as JSON values, with its schema's name and version (``schema/quantization-sweep-1.json``)."""
        plain: dict[str, Any] = json.loads(json.dumps(asdict(self), allow_nan=False))
        return {"schema": SCHEMA, "version": SCHEMA_VERSION, **plain}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Sweep:
        """The sweep that ``to_json`` gave.

        Raises:
            BundleError: not such a sweep, of another version, or incomplete.
        """
        if values.get("schema") != SCHEMA or values.get("version") != SCHEMA_VERSION:
            raise BundleError(
                f"this is no quantization sweep of version {SCHEMA_VERSION} "
                f"(schema {values.get('schema')!r}, version {values.get('version')!r})"
            )
        fields = {k: v for k, v in values.items() if k not in ("schema", "version")}
        try:
            fields["points"] = tuple(SweepPoint(**point) for point in fields["points"])
            fields["warnings"] = tuple(fields["warnings"])
            return cls(**fields)
        except (KeyError, TypeError) as error:
            raise BundleError(f"this quantization sweep is incomplete: {error}") from error

    def to_text(self) -> str:
        """A table for a terminal, one line per point."""
        from cortexcore.export.report.text import sweep_text

        return sweep_text(self)

    def to_html(self) -> str:
        """A self-contained page."""
        from cortexcore.export.report.sweep_page import sweep_page

        return sweep_page(self)
