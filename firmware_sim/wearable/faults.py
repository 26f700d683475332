"""What a bad radio, a bad cable and a flat battery do to a stream; seeded."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

import numpy as np

from cortexcore.errors import StreamError


@dataclass(frozen=True)
class Faults:
    """Faults of the link from device to host.

    Attributes:
        drop: probability that a frame is lost, 0 … 1.
        corrupt: probability that one bit of a frame flips, anywhere in it, 0 … 1.
        disconnect: seconds of signal after which the device vanishes; infinite for never.
        seed: of the generator behind both probabilities.
    """

    drop: float = 0.0
    corrupt: float = 0.0
    disconnect: float = math.inf
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("drop", "corrupt"):
            if not 0 <= getattr(self, name) <= 1:
                raise StreamError(f"the fault {name}={getattr(self, name)} is no probability; allowed: 0 to 1")
        if not self.disconnect > 0:
            raise StreamError(f"the fault disconnect={self.disconnect} must be a number of seconds above 0")
        if self.seed < 0:
            raise StreamError(f"the fault seed={self.seed} must be 0 or more")


def parse_faults(spec: str) -> Faults:
    """The faults of a comma-separated list such as ``"drop=0.01,corrupt=0.001,disconnect=30,seed=7"``.

    Raises:
        StreamError: an item is not ``name=number``, is named twice, has an unknown name or a value out of range.
    """
    known = {field.name for field in fields(Faults)}
    values: dict[str, float] = {}
    for item in filter(None, (part.strip() for part in spec.split(","))):
        name, _, text = (part.strip() for part in item.partition("="))
        if name not in known or name in values:
            problem = "given twice" if name in values else "unknown"
            raise StreamError(f"the fault {name!r} in {spec!r} is {problem}; allowed: {', '.join(sorted(known))}")
        try:
            values[name] = int(text) if name == "seed" else float(text)
        except ValueError:
            raise StreamError(f"the fault {item!r} in {spec!r} must read {name}=NUMBER, e.g. drop=0.01") from None
    return Faults(
        drop=values.get("drop", 0.0),
        corrupt=values.get("corrupt", 0.0),
        disconnect=values.get("disconnect", math.inf),
        seed=int(values.get("seed", 0)),
    )


class FaultyLink:
    """Passes frames on, or not, as ``faults`` say."""

    def __init__(self, faults: Faults) -> None:
        self._faults = faults
        self._random = np.random.default_rng(faults.seed)

    def carry(self, frame: bytes) -> bytes:
        """What arrives of ``frame``: all, all but one bit, or nothing."""
        dropped, corrupted = self._random.random(2) < (self._faults.drop, self._faults.corrupt)
        if dropped:
            return b""
        if not corrupted:
            return frame
        bit = int(self._random.integers(8 * len(frame)))
        damaged = bytearray(frame)
        damaged[bit // 8] ^= 1 << (bit % 8)
        return bytes(damaged)
