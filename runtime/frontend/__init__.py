"""Raw ADC counts to network input: integer, causal, the same in training, evaluation, streaming and firmware.

In the order of the data: ``filters`` scales counts to 4096 per mV and band-passes them, ``sharpness`` brings out QRS
complexes, ``detector`` finds them, ``frontend`` aligns and times the beats, ``builder`` cuts windows and asks
``shapes`` and ``rhythm`` what is unusual about them, ``encoder`` makes them network input. ``config`` holds every
constant, ``fixed`` the arithmetic.

No float takes part after the gain became a multiplier and a shift. Its twin in C99 is ``firmware_sim/csrc/frontend``:
samples are int32, sums of products int64, ``>>`` is arithmetic, ``//`` rounds down (its divisors are positive),
saturation is to ±127; docstrings give the widths, and ``tests/unit/test_frontend_filters.py`` holds them at the worst
input. ``FrontEndConfig.look_back`` is how far back anything looks: 1,180 samples.
"""

from cortexcore.runtime.frontend.beat import Beat
from cortexcore.runtime.frontend.builder import CHANNELS, FEATURES, FEATURES_VERSION
from cortexcore.runtime.frontend.config import RATE_HZ, UNIT_PER_MV, FrontEndConfig
from cortexcore.runtime.frontend.frontend import FrontEnd

__all__ = ["CHANNELS", "FEATURES", "FEATURES_VERSION", "RATE_HZ", "UNIT_PER_MV", "Beat", "FrontEnd", "FrontEndConfig"]
