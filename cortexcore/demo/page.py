"""The demo's page: what was seen, the model, quantization, and every target beside the others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cortexcore.demo import figures
from cortexcore.demo.session import Session
from cortexcore.export.network import Convolution, IntegerNetwork, Population
from cortexcore.export.report.html import Fact, Section, facts, figure_svg, page, percent, table
from cortexcore.runtime.bundle import Bundle
from cortexcore.targets.base import Result
from cortexcore.targets.compare import Comparison
from cortexcore.targets.profile import Profile
from cortexcore.targets.report import figure_rows, latency_rows


@dataclass(frozen=True, eq=False)
class Findings:
    """Everything the page tells.

    Attributes:
        bundle, session: the model and what it saw.
        agreement: beat-by-beat figures against the reference, name → (share, "k of n").
        inputs: the beats seen, as network input.
        trace: the golden network's run on one of them, and ``shown`` which.
        comparison: every integer target against the golden network on ``inputs``.
        profiles: one per target; ``unavailable`` says why others are missing.
    """

    bundle: Bundle
    session: Session
    agreement: Mapping[str, tuple[float | None, str]]
    trace: Result
    shown: int
    comparison: Comparison | None
    profiles: Sequence[Profile]
    unavailable: Mapping[str, str]


def demo_page(found: Findings, quantization: Sequence[Section]) -> str:
    """The page; ``quantization`` are the quantization report's own sections, as far as they should appear."""
    source = found.session.source
    return page(
        "CortexCore demo",
        [
            _glance(found),
            _seen(found),
            _model(found),
            *quantization,
            _targets(found),
            *_costs(found),
        ],
        subtitle=f"{source.what}, sent by a virtual wearable over a serial port and classified live by "
        f"“{found.bundle.name}” on target {found.session.target}.",
        footer="A research model, not a medical device.",
    )


def _glance(found: Findings) -> Section:
    summary = found.session.summary
    items = [Fact("Beats", str(sum(summary.beats.values())), f"in {summary.duration_s:.0f} s of ECG")]
    if summary.heart_rate_bpm is not None:
        items.append(Fact("Heart rate", f"{summary.heart_rate_bpm:.0f} bpm", "mean"))
    items += [Fact(name, percent(share), count) for name, (share, count) in found.agreement.items()]
    if found.comparison is not None:
        targets = sorted({row.target for row in found.comparison.rows})
        items.append(
            Fact("Differing spikes", f"{found.comparison.differing_spikes}", f"{', '.join(targets)} against golden")
        )
    if summary.latency_p50_ms is not None:
        items.append(
            Fact("Decision", f"{summary.latency_p50_ms:.1f} ms", "after the last sample arrived; median, this host")
        )
    training = found.bundle.manifest.get("training") or {}
    fitted = found.session.source.name in training.get("fitted_records", ())
    note = (
        "The model was fitted on beats of this record: its figures on new patients stand in the model card."
        if fitted
        else ""
    )
    return Section("At a glance", facts(items), note)


def _seen(found: Findings) -> Section:
    session = found.session
    seen = Counter(d.label for d in session.decisions)
    true = Counter(session.source.labels)
    rows = [
        {"class": label, "annotated": true[label], "network": seen[label]}
        for label in dict.fromkeys([*found.bundle.classes, *sorted(true)])
    ]
    body = (
        figure_svg(figures.ecg_strip(session), "Filtered ECG as the front end sees it, each beat with its class.")
        + figure_svg(figures.rr_intervals(session), "Interval from the beat before.")
        + table(rows)
    )
    link = session.summary
    note = (
        f"{link.samples:,} samples arrived, {link.lost_samples} were lost. "
        "N normal, S supraventricular, V ventricular, F fusion of ventricular and normal, Q unclassifiable. "
        "The front end needs signal after the R peak: a median of "
        f"{link.delay_p50_ms or 0:.0f} ms before a beat can be decided."
    )
    return Section("What was seen", body, note)


def _model(found: Findings) -> Section:
    network = found.bundle.network
    rows = [_population_row(network, p, found.trace.spikes.get(p.name)) for p in network.populations]
    output = network.outputs[0]
    scores = found.trace.outputs[output.name][:, found.shown]
    one = {name: values[:, found.shown] for name, values in found.trace.spikes.items()}
    label = found.session.decisions[found.shown].label
    time_s = found.session.decisions[found.shown].beat.sample / found.session.source.rate_hz
    body = table(rows) + figure_svg(
        figures.raster(one, scores, found.bundle.classes),
        f"One inference, the beat at {time_s:.1f} s, decided {label}: every spike, and the readout's membranes; "
        "the highest at the last step decides.",
    )
    beats = len(found.session.decisions)
    note = f"{found.bundle.steps} time steps per beat; spikes are the mean over the {beats} beats seen."
    return Section("The network", body, note)


def _population_row(network: IntegerNetwork, population: Population, spikes: NDArray[Any] | None) -> dict[str, Any]:
    inputs = ", ".join(
        f"{'conv' if isinstance(s.operation, Convolution) else 'dense'} of {s.source}" for s in population.synapses
    )
    weights = sum(s.operation.weight.size for s in population.synapses)
    per_neuron = None if spikes is None else float(spikes.sum(axis=0).mean())
    active = None if spikes is None else f"{100 * float(spikes.any(axis=0).mean()):.0f} %"
    return {
        "layer": population.name,
        "reads": inputs,
        "neurons": int(np.prod(population.shape)),
        "weights": weights,
        "kind": "LI readout" if population.vth is None else "LIF" if not population.has_current else "CUBA-LIF",
        "spikes per neuron and beat": per_neuron,
        "neurons active": active or "–",
    }


def _targets(found: Findings) -> Section:
    missing = " ".join(f"{name}: {reason}" for name, reason in found.unavailable.items())
    if found.comparison is None:
        return Section("The same spikes on every target", "<p>There was no second target to compare with.</p>", missing)
    rows = [
        {
            "target": row.target,
            "signal": f"{row.kind} of {row.name}",
            "values compared": row.compared,
            "differing": row.differing,
        }
        for row in found.comparison.rows
        if row.kind in ("spikes", "output") and row.exact
    ]
    note = (
        f"Every beat seen ({found.comparison.batch}), {found.comparison.steps} steps each, compared value by value "
        f"with the golden integer network. {missing}"
    )
    return Section("The same spikes on every target", table(rows), note)


def _costs(found: Findings) -> list[Section]:
    latency = latency_rows(found.profiles)
    energy = figure_rows(found.profiles, "energy")
    operations = figure_rows(found.profiles, "operations")
    judged = next((p for p in found.profiles if p.verdict), None)
    verdict = f"{judged.verdict} {_priced(judged)}" if judged is not None else ""
    caution = (
        "What is counted differs, so rows of different targets do not compare: on a host every product, zeros "
        "included, and nothing else, a lower bound; on Loihi events, messages and idle power. "
    )
    return [
        Section(
            "Latency per target",
            table(latency),
            "Measured on the thing itself, simulated, or modelled by arithmetic: each figure says which.",
        ),
        Section("Energy per target", table(energy), caution + verdict),
        Section("Operations per beat", table(operations), "Counted on these beats; each row says in whose spikes."),
    ]


def _priced(profile: Profile) -> str:
    """Where a verdict's joules come from; they are priced otherwise than the targets' own."""
    figure = next(iter(profile.break_even.values()))
    return f"Both {figure.kind} alike: {figure.source} ({figure.conditions})."
