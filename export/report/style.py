"""The looks that all pages share: one style sheet, and the same colours and type in figures."""

from __future__ import annotations

from typing import Any

INK, MUTED, LINE, PAPER = "#1d2733", "#5d6b7a", "#dfe4ea", "#ffffff"
COLOURS = ("#1f6f8b", "#e07a3f", "#6a8d3a", "#8a5a9e", "#b8894a", "#4b5d73")
"""Series colours, in order; told apart by lightness too, for print and for colour-blind eyes."""

CSS = """
:root { color-scheme: light; }
* { box-sizing: border-box; }
body { margin: 0; background: #f4f6f8; color: #1d2733; line-height: 1.5;
  font: 15px/1.55 -apple-system, "Segoe UI", Roboto, "Noto Sans", "Liberation Sans", "DejaVu Sans", Arial, sans-serif; }
main { max-width: 1080px; margin: 0 auto; padding: 36px 24px 48px; }
header { margin-bottom: 24px; }
h1 { font-size: 28px; line-height: 1.2; margin: 0 0 6px; letter-spacing: -0.01em; }
h2 { font-size: 18px; margin: 0 0 12px; }
.subtitle { color: #5d6b7a; margin: 0; max-width: 110ch; }
section { background: #ffffff; border: 1px solid #dfe4ea; border-radius: 10px; padding: 20px 24px; margin: 0 0 18px; }
.note { color: #5d6b7a; font-size: 13.5px; max-width: 120ch; margin: 12px 0 0; }
.facts { display: grid; grid-template-columns: repeat(auto-fit, minmax(150px, 1fr)); gap: 14px; margin: 0; }
.facts div { border-left: 3px solid #1f6f8b; padding: 2px 0 2px 12px; }
.facts dt { color: #5d6b7a; font-size: 13px; }
.facts dd { margin: 0; font-size: 22px; font-weight: 600; font-variant-numeric: tabular-nums; }
.facts dd small { display: block; font-size: 12.5px; font-weight: 400; color: #5d6b7a; }
.warnings { background: #fff4e8; border-left: 3px solid #e07a3f; margin: 0 0 16px; padding: 8px 14px 8px 30px; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: 13.5px; font-variant-numeric: tabular-nums; }
th { color: #5d6b7a; font-weight: 600; text-align: left; vertical-align: bottom; border-bottom: 1px solid #b9c3ce; }
th, td { padding: 6px 14px 6px 0; }
td { border-bottom: 1px solid #edf0f3; vertical-align: top; }
td small { display: block; font-size: 12px; color: #5d6b7a; }
tr:last-child td { border-bottom: 0; }
th.number, td.number { text-align: right; white-space: nowrap; }
caption { caption-side: bottom; text-align: left; color: #5d6b7a; font-size: 13px; padding-top: 8px; }
figure { margin: 0 0 8px; }
figure svg { max-width: 100%; height: auto; display: block; }
figcaption { color: #5d6b7a; font-size: 13.5px; margin-top: 6px; max-width: 120ch; }
footer { color: #5d6b7a; font-size: 12.5px; }
code { font: 13px ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; }
@media print {
  body { background: #ffffff; } main { max-width: none; padding: 0; }
  section { break-inside: avoid; border: 0; border-top: 1px solid #dfe4ea; border-radius: 0; padding: 14px 0; }
}
"""

FIGURE: Any = {
    "font.size": 10,
    "axes.edgecolor": "#b9c3ce",
    "axes.labelcolor": INK,
    "axes.titlesize": 11,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid": True,
    "grid.color": LINE,
    "grid.linewidth": 0.8,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "text.color": INK,
    "lines.linewidth": 1.6,
    "legend.frameon": False,
    "figure.facecolor": PAPER,
    "axes.facecolor": PAPER,
    "svg.hashsalt": "cortexcore",
    "text.parse_math": False,
}
"""matplotlib settings; glyphs become paths, so that a page looks the same everywhere."""
