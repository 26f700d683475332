"""Raw ADC counts to network input: integer, causal, the same in training, evaluation, streaming and firmware."""

from cortexcore.runtime.frontend.beat import Beat
from cortexcore.runtime.frontend.builder import CHANNELS, FEATURES
from cortexcore.runtime.frontend.config import RATE_HZ, UNIT_PER_MV, FrontEndConfig
from cortexcore.runtime.frontend.frontend import FrontEnd

__all__ = ["CHANNELS", "FEATURES", "RATE_HZ", "UNIT_PER_MV", "Beat", "FrontEnd", "FrontEndConfig"]
