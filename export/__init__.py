"""From a float network to the integer network: graph, NIR and torch import, quantization, golden arithmetic, reports."""
