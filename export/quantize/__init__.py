"""Post-training quantization of a float graph onto Loihi's integer grids."""

from cortexcore.export.quantize.config import QuantizationConfig as QuantizationConfig
from cortexcore.export.quantize.post_training import quantize as quantize
