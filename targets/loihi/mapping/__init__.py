"""A network on Loihi's cores: which core holds what, and what each of them does on given inputs."""

from cortexcore.targets.loihi.mapping.activity import Activity, count_activity
from cortexcore.targets.loihi.mapping.chips import ChipLimits, chip_limits
from cortexcore.targets.loihi.mapping.cores import Core, CoreMapping
from cortexcore.targets.loihi.mapping.split import map_network, mapping_problems

__all__ = [
    "Activity",
    "ChipLimits",
    "Core",
    "CoreMapping",
    "chip_limits",
    "count_activity",
    "map_network",
    "mapping_problems",
]
