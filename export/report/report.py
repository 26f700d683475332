"""What quantization did to a network: data first, JSON, text and a page second."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from cortexcore.errors import BundleError
from cortexcore.export.report.points import Sweep

SCHEMA = "cortexcore.quantization-report"
SCHEMA_VERSION = 2
READABLE = (1, 2)
"""Version 1 lacks histograms, agreement over time, helpers, sweeps and what calibrated; they are empty then."""


@dataclass(frozen=True)
class Histogram:
    """How values spread: ``counts[i]`` of them lie from ``edges[i]`` to ``edges[i + 1]``."""

    edges: tuple[float, ...]
    counts: tuple[int, ...]


@dataclass(frozen=True)
class LayerFigures:
    """One layer's weights.

    Attributes:
        bits, weight_exp, weights: width, exponent, count.
        clipped: weights that lay beyond the grid; underflowed: weights other than 0 that became 0.
        sqnr_db: 10·log10(Σ w² / Σ (w − ŵ)²), None where nothing was lost or all weights are 0.
        bytes_before, bytes_after: as float32, and packed at ``bits``.
        before, after: the weights' spread in float units, wanted and as they came out; the edges of ``after`` lie
            half-way between grid levels. None where no float graph was at hand.
    """

    name: str
    bits: int
    weight_exp: int
    weights: int
    clipped: int
    underflowed: int
    sqnr_db: float | None
    bytes_before: int
    bytes_after: int
    before: Histogram | None = None
    after: Histogram | None = None


@dataclass(frozen=True)
class Agreement:
    """How alike a population behaves in the float and in the integer network, on the same inputs.

    Attributes:
        exact: share of (step, inference, neuron) with equal spikes; None for an LI.
        cosine: of all spikes, or of v of an LI; None where either is all zero.
        rate_float, rate_integer: spikes per neuron and step; None for an LI.
        first_divergence: first step (from 0) at which any spike differs; None where none does, and for an LI.
        wraps, clips: values of u that left 24 bits and wrapped, of v that were clipped.
        over_time: share of (inference, neuron) with equal spikes, one value for every ``span`` steps; empty for an LI.
    """

    exact: float | None
    cosine: float | None
    rate_float: float | None
    rate_integer: float | None
    first_divergence: int | None
    wraps: int
    clips: int
    over_time: tuple[float, ...] = ()
    span: int = 1


@dataclass(frozen=True)
class PopulationFigures:
    """One population; where its neurons differ, the figures of the neuron that fares worst.

    Attributes:
        unit: float value of one integer unit of weights and threshold; u and v are in 1/64 of it.
        vth: None for an LI; threshold_error: relative.
        decay_v, decay_u: (wanted, got) share of v and u left after a step.
        bias_error: largest |error| per step in float units.
        bound_kind: "static" where ``bound_value`` cannot be passed, "calibrated" where it is the largest seen.
        bound_value, bound_limit: of |u| and |v| in integer units; margin: what was kept free on top.
        agreement: None without data, and for a helper.
        helper: what it is for, where the float graph has no such population; else empty.
    """

    name: str
    neurons: int
    unit: float
    vth: int | None
    threshold_error: float | None
    decay_v: tuple[float, float]
    decay_u: tuple[float, float]
    bias_error: float
    bound_kind: str
    bound_value: float
    bound_limit: int
    margin: float
    layers: tuple[LayerFigures, ...]
    agreement: Agreement | None = None
    helper: str = ""


@dataclass(frozen=True)
class ClassFigures:
    """Sensitivity and positive predictivity of one class; None where it has no cases or no calls."""

    name: str
    cases: int
    sensitivity_float: float | None
    sensitivity_integer: float | None
    predictivity_float: float | None
    predictivity_integer: float | None


@dataclass(frozen=True)
class Accuracy:
    """Decisions against labels, before and after."""

    accuracy_float: float
    accuracy_integer: float
    macro_f1_float: float
    macro_f1_integer: float
    classes: tuple[ClassFigures, ...]


@dataclass(frozen=True)
class QuantizationReport:
    """Everything a quantization cost.

    Attributes:
        scheme, config, inputs: as in the network's ``metadata["quantization"]``.
        populations: per population and layer.
        bytes_before, bytes_after: parameters as float32, and weights packed at their bits with 2 bytes per bias;
            a bias that a channel shares counts once.
        steps, inferences: of the data behind the agreement; 0 without data.
        data: what those inputs were, in words; calibration: what ranges and scales were taken from.
        warnings: sentences that a reader must know before believing the figures.
        decisions_equal: output → share of inferences with the same argmax (an LI's v at the last step, or
            spike counts).
        accuracy: where labels were given.
        energy_uj: of the integer network per inference, None without a price; energy: its kind, source, conditions.
        sweep: the same network over several bit widths, where that was asked for.
    """

    scheme: str
    config: Mapping[str, Any]
    inputs: Mapping[str, Any]
    populations: tuple[PopulationFigures, ...]
    bytes_before: int
    bytes_after: int
    steps: int = 0
    inferences: int = 0
    data: str = ""
    decisions_equal: Mapping[str, float] = field(default_factory=dict)
    accuracy: Accuracy | None = None
    calibration: str = ""
    warnings: tuple[str, ...] = ()
    energy_uj: float | None = None
    energy: Mapping[str, str] = field(default_factory=dict)
    sweep: Sweep | None = None

    def to_json(self) -> dict[str, Any]:
        """The report as JSON values, with its schema's name and version (``schema/quantization-report-2.json``)."""
        plain: dict[str, Any] = json.loads(json.dumps(asdict(replace(self, sweep=None)), allow_nan=False))
        sweep = None if self.sweep is None else self.sweep.to_json()
        return {"schema": SCHEMA, "version": SCHEMA_VERSION, **plain, "sweep": sweep}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> QuantizationReport:
        """The report that ``to_json`` gave, of this version or an older one.

        Raises:
            BundleError: not such a report, of a later version, or incomplete.
        """
        if values.get("schema") != SCHEMA or values.get("version") not in READABLE:
            raise BundleError(
                f"this is no quantization report of version {' or '.join(map(str, READABLE))} "
                f"(schema {values.get('schema')!r}, version {values.get('version')!r})"
            )
        fields = {k: v for k, v in values.items() if k not in ("schema", "version")}
        try:
            fields["populations"] = tuple(_population(p) for p in fields["populations"])
            if fields["accuracy"] is not None:
                classes = tuple(ClassFigures(**c) for c in fields["accuracy"]["classes"])
                fields["accuracy"] = Accuracy(**{**fields["accuracy"], "classes": classes})
            fields["warnings"] = tuple(fields.get("warnings", ()))
            fields["sweep"] = None if fields.get("sweep") is None else Sweep.from_json(fields["sweep"])
            return cls(**fields)
        except (AttributeError, KeyError, TypeError) as error:
            raise BundleError(f"this quantization report is incomplete: {error}") from error

    def to_text(self) -> str:
        """A few lines for a terminal."""
        from cortexcore.export.report.text import report_text

        return report_text(self)

    def to_html(self) -> str:
        """A self-contained page."""
        from cortexcore.export.report.page import report_page

        return report_page(self)


def _population(values: Mapping[str, Any]) -> PopulationFigures:
    agreement = values["agreement"]
    if agreement is not None:
        agreement = Agreement(**{**agreement, "over_time": tuple(agreement.get("over_time", ()))})
    converted = {
        "layers": tuple(_layer(layer) for layer in values["layers"]),
        "agreement": agreement,
        "decay_v": tuple(values["decay_v"]),
        "decay_u": tuple(values["decay_u"]),
    }
    return PopulationFigures(**{**values, **converted})


def _layer(values: Mapping[str, Any]) -> LayerFigures:
    spreads = {
        key: Histogram(tuple(values[key]["edges"]), tuple(values[key]["counts"]))
        for key in ("before", "after")
        if values.get(key) is not None
    }
    return LayerFigures(**{**values, **spreads})
