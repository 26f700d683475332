"""Quantization-aware training: fine-tune a float graph's weights behind the integer network's own arithmetic."""

from cortexcore.train.qat.fine_tuning import Decision as Decision
from cortexcore.train.qat.fine_tuning import FineTuned as FineTuned
from cortexcore.train.qat.fine_tuning import FineTuning as FineTuning
from cortexcore.train.qat.fine_tuning import fine_tune as fine_tune
from cortexcore.train.qat.network import QatNetwork as QatNetwork
