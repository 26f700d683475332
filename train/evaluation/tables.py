"""EC57 figures as a table of plain text."""

from __future__ import annotations

from cortexcore.train.evaluation.ec57_figures import Figures, Score

COLUMNS = ("QRS Se", "QRS +P", "VEB Se", "VEB +P", "SVEB Se", "SVEB +P", "accuracy")
_RATIOS = ("sensitivity", "positive_predictivity")
_AVERAGES = (*(f"{kind}_{ratio}" for kind in ("qrs", "veb", "sveb") for ratio in _RATIOS), "accuracy")


def score_table(score: Score) -> str:
    """One row per record, then gross and average; percent, "–" where there is nothing to take a ratio of.

    ``beats`` are the reference beats scored; accuracy is that of the beats found.
    """
    rows: list[tuple[str, ...]] = [("record", "beats", *COLUMNS)]
    rows += [_row(figures) for figures in score.records]
    rows += [_row(score.gross), ("average", "", *(_percent(score.average[name]) for name in _AVERAGES))]
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = ["  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]
    lines.append("percent; the first 5 minutes of each record are not scored; beats match within 150 ms")
    return "\n".join(lines)


def _row(figures: Figures) -> tuple[str, ...]:
    values = [
        value
        for rate in (figures.qrs, figures.veb, figures.sveb)
        for value in (rate.sensitivity, rate.positive_predictivity)
    ]
    beats = figures.qrs.tp + figures.qrs.fn
    return (figures.record, str(beats), *(_percent(value) for value in [*values, figures.accuracy]))


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.2f}"
