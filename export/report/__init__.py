"""What quantization did to a network, as data, JSON and a page; and the pages' common looks."""

from cortexcore.export.report.evaluate import evaluate_report as evaluate_report
from cortexcore.export.report.evaluate import static_report as static_report
from cortexcore.export.report.report import QuantizationReport as QuantizationReport
