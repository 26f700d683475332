"""Profiles for people: lines for a terminal, rows for other reports, and a page that compares targets."""

from cortexcore.targets.report.page import profiles_html as profiles_html
from cortexcore.targets.report.rows import figure_rows as figure_rows
from cortexcore.targets.report.rows import latency_rows as latency_rows
from cortexcore.targets.report.text import profiles_text as profiles_text
from cortexcore.targets.report.values import band as band
from cortexcore.targets.report.values import quantity as quantity
