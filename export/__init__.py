"""From a float network to the integer one: torch and NIR import, quantization, golden arithmetic, reports."""
