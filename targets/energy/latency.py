"""Wall-clock latency on this machine, and its energy where the machine tells it."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cortexcore.targets.profile import Figure

POWERCAP = Path("/sys/class/powercap")
CLOCK = "wall clock (time.perf_counter)"
WARM_UPS = 5
MIN_RUNS, MAX_RUNS = 20, 1000


@dataclass(frozen=True, eq=False)
class Measurement:
    """Times of repeated calls in seconds, and the joules that they took together, where RAPL is readable."""

    seconds: NDArray[np.float64]
    joules: float | None


def cpu_name() -> str:
    """The processor's name, as the system gives it."""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        for line in cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def measure(call: Callable[[], object], budget_s: float = 0.5) -> Measurement:
    """Time ``call`` after warm-ups, at least 20 and at most 1000 times, as often as ``budget_s`` allows."""
    for _ in range(WARM_UPS):
        call()
    seconds: list[float] = []
    before = read_rapl_j(POWERCAP)
    began = time.perf_counter()
    while len(seconds) < MIN_RUNS or (len(seconds) < MAX_RUNS and time.perf_counter() - began < budget_s):
        started = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - started)
    after = read_rapl_j(POWERCAP)
    spent = None if before is None or after is None or after < before else after - before
    return Measurement(np.array(seconds), spent)


def read_rapl_j(powercap: Path) -> float | None:
    """Joules all processor packages counted so far; None where RAPL is absent or not readable."""
    total = 0.0
    found = False
    for domain in sorted(powercap.glob("intel-rapl:[0-9]")):
        try:
            total += int((domain / "energy_uj").read_text()) * 1e-6
        except (OSError, ValueError):
            return None
        found = True
    return total if found else None


def latency_figures(label: str, measured: Measurement, conditions: str) -> dict[str, Figure]:
    """ "<label> p50", "p90" and "p99" in seconds; the first with the fastest and slowest run as its band."""
    runs = f"{conditions}, {len(measured.seconds)} runs after {WARM_UPS} warm-ups"
    p50, p90, p99 = (float(x) for x in np.percentile(measured.seconds, (50, 90, 99)))
    fastest, slowest = float(measured.seconds.min()), float(measured.seconds.max())
    return {
        f"{label} p50": Figure(p50, "s", "measured", CLOCK, runs, fastest, slowest),
        f"{label} p90": Figure(p90, "s", "measured", CLOCK, runs),
        f"{label} p99": Figure(p99, "s", "measured", CLOCK, runs),
    }
