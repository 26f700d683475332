"""Pruning: smaller graphs from graphs, and a report of what went."""

from cortexcore.export.prune.magnitude import prune_weights as prune_weights
from cortexcore.export.prune.report import Pruned as Pruned
from cortexcore.export.prune.report import PruneReport as PruneReport
from cortexcore.export.prune.structured import prune_neurons as prune_neurons
