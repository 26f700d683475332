"""Wall-clock latency on this machine, and its energy where the machine tells it."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cortexcore.targets.profile import Figure

POWERCAP, PLATFORM = Path("/sys/class/powercap"), "psys"
CLOCK = "wall clock (time.perf_counter)"
WARM_UPS = 5
MIN_RUNS, ENOUGH_RUNS, MAX_RUNS = 20, 100, 1000
"""Of 100 runs one lies beyond the p99; of fewer the slowest stands for it, and the figure says so."""
BUDGET_S, PATIENCE = 0.5, 10


@dataclass(frozen=True, eq=False)
class Measurement:
    """Times of repeated calls in seconds, and the joules that one call took, where RAPL is readable."""

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


def measure(call: Callable[[], object], budget_s: float = BUDGET_S) -> Measurement:
    """Time ``call`` after warm-ups, and the energy it took; as often as :func:`measure_by_turns` says."""
    before = read_rapl_j(POWERCAP)
    (alone,) = measure_by_turns((call,), budget_s)
    after = read_rapl_j(POWERCAP)
    calls = len(alone.seconds) + WARM_UPS
    spent = None if before is None or after is None or after < before else (after - before) / calls
    return Measurement(alone.seconds, spent)


def measure_by_turns(calls: Sequence[Callable[[], object]], budget_s: float = BUDGET_S) -> list[Measurement]:
    """Time several calls one after the other, round after round, so that all meet the same machine; times alone.

    After 5 warm-ups there are as many rounds as ``budget_s`` seconds allow, 1000 at most. A p99 needs 100 rounds;
    these may take ten times the budget. 20 rounds there are in any case.
    """
    for _ in range(WARM_UPS):
        for call in calls:
            call()
    seconds: list[list[float]] = [[] for _ in calls]
    began = time.perf_counter()
    while _goes_on(len(seconds[0]), time.perf_counter() - began, budget_s):
        for times, call in zip(seconds, calls, strict=True):
            started = time.perf_counter()
            call()
            times.append(time.perf_counter() - started)
    return [Measurement(np.array(times), None) for times in seconds]


def _goes_on(rounds: int, elapsed_s: float, budget_s: float) -> bool:
    if rounds < ENOUGH_RUNS:
        return rounds < MIN_RUNS or elapsed_s < PATIENCE * budget_s
    return rounds < MAX_RUNS and elapsed_s < budget_s


def read_rapl_j(powercap: Path) -> float | None:
    """Joules all processor packages counted so far; None where RAPL is absent or not readable.

    Some laptops count the whole platform beside its packages, as the domain "psys", which would count these twice.
    """
    total = 0.0
    found = False
    for domain in sorted(powercap.glob("intel-rapl:[0-9]")):
        try:
            if (domain / "name").read_text().strip() == PLATFORM:
                continue
            total += int((domain / "energy_uj").read_text()) * 1e-6
        except (OSError, ValueError):
            return None
        found = True
    return total if found else None


def rapl_note(powercap: Path) -> str:
    """Why no energy is measured here, in a sentence; empty where it is."""
    if read_rapl_j(powercap) is not None:
        return ""
    what = "cannot be read by this user" if any(powercap.glob("intel-rapl:[0-9]")) else "is not there"
    return f"Energy is modelled, not measured: this machine's RAPL counter ({powercap}/intel-rapl:*) {what}."


def latency_figures(label: str, measured: Measurement, conditions: str) -> dict[str, Figure]:
    """ "<label> p50", "p90" and "p99" in seconds; the first with the fastest and slowest run as its band.

    Fewer than 100 runs tell no p99 from the slowest; the figure's conditions say so.
    """
    runs = f"{conditions}, {len(measured.seconds)} runs after {WARM_UPS} warm-ups"
    few = "" if len(measured.seconds) >= ENOUGH_RUNS else "; too few to tell p99 from the slowest"
    p50, p90, p99 = (float(x) for x in np.percentile(measured.seconds, (50, 90, 99)))
    fastest, slowest = float(measured.seconds.min()), float(measured.seconds.max())
    return {
        f"{label} p50": Figure(p50, "s", "measured", CLOCK, runs, fastest, slowest),
        f"{label} p90": Figure(p90, "s", "measured", CLOCK, runs),
        f"{label} p99": Figure(p99, "s", "measured", CLOCK, runs + few),
    }
