"""Self-contained pages: sections, tables, key figures and inline SVG in one HTML text without any outside resource.

Used by every report. Text is escaped; only what these functions build is markup.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cortexcore.errors import DataError, missing_package
from cortexcore.export.report.style import COLOURS, CSS, FIGURE

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PAGES = (".html", ".htm")
PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{ title }}</title>
<style>{{ css }}</style>
</head>
<body>
<main>
<header>
<h1>{{ title }}</h1>
{% if subtitle %}<p class="subtitle">{{ subtitle }}</p>{% endif %}
</header>
{% for section in sections %}<section>
<h2>{{ section.heading }}</h2>
{{ section.body | safe }}
{% if section.note %}<p class="note">{{ section.note }}</p>{% endif %}
</section>
{% endfor %}{% if footer %}<footer>{{ footer }}</footer>{% endif %}
</main>
</body>
</html>
"""
TABLE = """<div class="scroll"><table>
{% if caption %}<caption>{{ caption }}</caption>{% endif %}
<thead><tr>{% for c in columns %}<th class="cell{{ c.kind }}">{{ c.name }}</th>{% endfor %}</tr></thead>
<tbody>
{% for row in rows %}<tr>{% for c in columns %}<td class="cell{{ c.kind }}">{{ row[loop.index0].text }}\
{% if row[loop.index0].hint %}<small>{{ row[loop.index0].hint }}</small>{% endif %}</td>{% endfor %}</tr>
{% endfor %}</tbody>
</table></div>
"""
FACTS = """<dl class="facts">{% for f in facts %}<div><dt>{{ f.label }}</dt><dd>{{ f.value }}\
{% if f.hint %}<small>{{ f.hint }}</small>{% endif %}</dd></div>{% endfor %}</dl>
"""
WARNINGS = """<ul class="warnings">{% for w in warnings %}<li>{{ w }}</li>{% endfor %}</ul>
"""


@dataclass(frozen=True)
class Section:
    """A part of a page: ``body`` is markup from this module's functions, ``note`` plain text below it."""

    heading: str
    body: str
    note: str = ""


@dataclass(frozen=True)
class Fact:
    """A key figure: what it is, its value with unit, and what qualifies it."""

    label: str
    value: str
    hint: str = ""


@dataclass(frozen=True)
class Number:
    """A number in a table as it is to be written."""

    text: str

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True)
class Noted:
    """A cell of a table with a remark, which stands below it and smaller."""

    text: str
    hint: str


def require_packages() -> None:
    """Raise TargetUnavailable where a page cannot be made here; to be asked before long work that ends in one."""
    for package in ("jinja2", "matplotlib"):
        if find_spec(package) is None:
            raise missing_package(package, "export", "writing a report")


def require_page(path: Path) -> None:
    """Raise DataError where a name is no page's, which no browser would open; to be asked before the work."""
    if path.suffix.lower() not in PAGES:
        raise DataError(f"'{path}' would hold an HTML page: name a file that ends in .html")


def page(title: str, sections: Sequence[Section], subtitle: str = "", footer: str = "") -> str:
    """One whole HTML page.

    Raises:
        TargetUnavailable: jinja2 is not installed.
    """
    return _render(PAGE, title=title, sections=sections, subtitle=subtitle, footer=footer, css=CSS)


def table(rows: Sequence[Mapping[str, Any]], caption: str = "") -> str:
    """Rows of equal keys as a table; columns whose values are all numbers (or None) stand right-aligned."""
    names = list(rows[0]) if rows else []
    numbers = {name for name in names if all(isinstance(row[name], int | float | Number | None) for row in rows)}
    columns = [{"name": name, "kind": " number" if name in numbers else ""} for name in names]
    cells = [[_cell(row[name]) for name in names] for row in rows]
    return _render(TABLE, columns=columns, rows=cells, caption=caption)


def _cell(value: Any) -> Noted:
    return value if isinstance(value, Noted) else Noted(shown(value), "")


def facts(items: Sequence[Fact]) -> str:
    """Key figures side by side."""
    return _render(FACTS, facts=items)


def warnings(sentences: Sequence[str]) -> str:
    """What a reader must know before believing the figures below; nothing where there is nothing."""
    return _render(WARNINGS, warnings=sentences) if sentences else ""


def figure_svg(figure: Figure, caption: str = "") -> str:
    """A matplotlib figure as inline SVG with its caption, which also describes it to screen readers."""
    buffer = io.StringIO()
    with house_style():
        figure.savefig(buffer, format="svg", bbox_inches="tight", metadata={"Date": None})
    svg = buffer.getvalue()
    template = (
        '<figure role="img"{% if caption %} aria-label="{{ caption }}"{% endif %}>{{ svg | safe }}'
        "{% if caption %}<figcaption>{{ caption }}</figcaption>{% endif %}</figure>\n"
    )
    return _render(template, svg=svg[svg.index("<svg") :], caption=caption)


def new_figure(width: float = 10.0, height: float = 3.2, rows: int = 1, columns: int = 1) -> tuple[Figure, Any]:
    """A figure in the house style and its axes (one, or an array of them); sizes in inches.

    Draw inside ``with house_style():`` too where an artist takes its looks at drawing time.

    Raises:
        TargetUnavailable: matplotlib is not installed.
    """
    with house_style():
        from cycler import cycler
        from matplotlib.figure import Figure

        figure = Figure(figsize=(width, height), layout="constrained")
        axes = figure.subplots(rows, columns)
        for each in axes.flat if rows * columns > 1 else [axes]:
            each.set_prop_cycle(cycler(color=COLOURS))
    return figure, axes


@contextmanager
def house_style() -> Iterator[None]:
    """matplotlib's settings for our figures, and back again afterwards."""
    try:
        import matplotlib
    except ImportError as error:
        raise missing_package("matplotlib", "export", "drawing a report") from error
    with matplotlib.rc_context(FIGURE):
        yield


def shown(value: Any) -> str:
    """A value as text: four significant digits, thin spaces between thousands, a dash for None."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}".replace(",", "\u202f")
    if isinstance(value, float):
        if value != 0 and not 1e-3 <= abs(value) < 1e6:
            return f"{value:.3g}"
        return f"{value:,.4g}".replace(",", "\u202f") if abs(value) < 1e4 else f"{value:,.0f}".replace(",", "\u202f")
    return str(value)


def percent(share: float | None) -> str:
    """A share as a percentage with enough digits to tell 99.99 % from 100 %."""
    if share is None:
        return "–"
    return "100 %" if share == 1 else f"{min(100 * share, 99.99):.2f} %"


def counted(number: int, noun: str) -> str:
    """A count with its noun: "1 step", "2,000 inferences"."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def hundredths(share: float | None) -> Number | None:
    """A share as a number of percent for a table, digits as :func:`percent` has them."""
    return None if share is None else Number(percent(share).removesuffix(" %"))


def tenths(value: float | None) -> Number | None:
    """A number for a table with one digit after the point."""
    return None if value is None else Number(f"{value:.1f}")


def joules(energies_uj: Sequence[float]) -> tuple[float, str]:
    """The unit in which these energies read best, and how many of it are a microjoule."""
    most = max((abs(value) for value in energies_uj), default=0.0)
    return next(((1 / size, unit) for size, unit in ((1e3, "mJ"), (1.0, "µJ")) if most >= size), (1e3, "nJ"))


def _render(template: str, **values: Any) -> str:
    try:
        import jinja2
    except ImportError as error:
        raise missing_package("jinja2", "export", "writing a report") from error
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    return environment.from_string(template).render(**values)
