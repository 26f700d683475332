"""The report in a few lines."""

from __future__ import annotations

from cortexcore.export.report.html import percent
from cortexcore.export.report.report import QuantizationReport


def report_text(report: QuantizationReport) -> str:
    """Per layer one line, then the model's."""
    lines = [
        f"{'layer':<16} {'bits':>4} {'exp':>4} {'SQNR dB':>8} {'clipped':>8} {'to zero':>8}  "
        f"{'population':<14} {'equal spikes':>12}  bound"
    ]
    for p in report.populations:
        equal = percent(p.agreement.exact) if p.agreement else "–"
        for layer in p.layers:
            sqnr = "–" if layer.sqnr_db is None else f"{layer.sqnr_db:.1f}"
            lines.append(
                f"{layer.name:<16} {layer.bits:>4} {layer.weight_exp:>4} {sqnr:>8} {layer.clipped:>8} "
                f"{layer.underflowed:>8}  {p.name:<14} {equal:>12}  {p.bound_kind}"
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
    return "\n".join(lines)
