"""The report in a few lines."""

from __future__ import annotations

from cortexcore.export.report.html import joules, percent
from cortexcore.export.report.points import Sweep
from cortexcore.export.report.report import QuantizationReport


def report_text(report: QuantizationReport) -> str:
    """Per layer one line, then the model's."""
    shared = [p for p in report.populations if not p.helper]
    wide = max(len("layer"), *(len(layer.name) for p in shared for layer in p.layers))
    into = max(len("population"), *(len(p.name) for p in shared))
    lines = [
        f"{'layer':<{wide}} {'bits':>4} {'exp':>4} {'SQNR dB':>8} {'clipped':>8} {'to zero':>8}  "
        f"{'population':<{into}} {'equal spikes':>12}  bound"
    ]
    for p in shared:
        equal = percent(p.agreement.exact) if p.agreement else "–"
        for layer in p.layers:
            sqnr = "–" if layer.sqnr_db is None else f"{layer.sqnr_db:.1f}"
            lines.append(
                f"{layer.name:<{wide}} {layer.bits:>4} {layer.weight_exp:>4} {sqnr:>8} {layer.clipped:>8} "
                f"{layer.underflowed:>8}  {p.name:<{into}} {equal:>12}  {p.bound_kind}"
            )
    lines.append(f"parameters: {report.bytes_before:,} bytes → {report.bytes_after:,} bytes")
    for name, share in report.decisions_equal.items():
        lines.append(f"same decision at '{name}': {percent(share)} of {report.inferences:,} inferences")
    if report.accuracy is not None:
        a = report.accuracy
        lines.append(
            f"accuracy: {percent(a.accuracy_float)} → {percent(a.accuracy_integer)}, "
            f"macro-F1: {percent(a.macro_f1_float)} → {percent(a.macro_f1_integer)}"
        )
    wraps = sum(p.agreement.wraps for p in report.populations if p.agreement)
    clips = sum(p.agreement.clips for p in report.populations if p.agreement)
    if wraps or clips:
        lines.append(f"left the 24 bits: {wraps:,} currents wrapped, {clips:,} voltages clipped")
    if report.energy_uj is not None:
        factor, unit = joules([report.energy_uj])
        lines.append(f"energy: {factor * report.energy_uj:.4g} {unit} per inference, {report.energy['kind']}")
    if report.calibration:
        lines.append(f"calibrated on {report.calibration}; judged on {report.data}")
    lines += [f"note: {sentence}" for sentence in report.warnings]
    if report.sweep is not None:
        lines += ["", sweep_text(report.sweep)]
    return "\n".join(lines)


def sweep_text(sweep: Sweep) -> str:
    """One line per point, and the float graph's first."""
    width = max(len("float32"), *(len(p.name) for p in sweep.points))
    factor, unit = joules([p.energy_uj or 0.0 for p in sweep.points])
    head = ["bits".ljust(width), f"{'bytes':>9}", f"energy {unit}", f"{'SQNR dB':>7}", f"{'equal spikes':>12}"]
    lines = ["  ".join([*head, f"{'same decision':>13}", f"{'accuracy':>8}", f"{'macro-F1':>8}"])]
    blank = ["–".rjust(n) for n in (9, 7, 12, 13)]
    scores = [percent(sweep.accuracy_float).rjust(8), percent(sweep.macro_f1_float).rjust(8)]
    lines.append("  ".join(["float32".ljust(width), f"{sweep.bytes_float:>9,}", *blank, *scores]))
    for p in sweep.points:
        cells = [
            p.name.ljust(width),
            f"{p.bytes:>9,}",
            ("–" if p.energy_uj is None else f"{factor * p.energy_uj:.4g}").rjust(9),
            ("–" if p.sqnr_db is None else f"{p.sqnr_db:.1f}").rjust(7),
            percent(p.exact).rjust(12),
            percent(min(p.decisions_equal.values(), default=None)).rjust(13),
            percent(p.accuracy).rjust(8),
            percent(p.macro_f1).rjust(8),
        ]
        lines.append("  ".join(cells))
    if sweep.energy:
        lines.append(f"energy: {sweep.energy['kind']}, per inference; it compares bit widths and nothing else")
    return "\n".join(lines)
