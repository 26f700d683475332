"""Reference beats: MIT-BIH annotations as AAMI classes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cortexcore.errors import DataError
from cortexcore.train.recordings.recording import MITDB_RATE_HZ, import_wfdb, record_path

_END_MARK = b"\0\0"
"""What the MIT annotation format ends with."""

AAMI_CLASSES: tuple[str, ...] = ("N", "S", "V", "F", "Q")

AAMI_OF_SYMBOL: dict[str, str] = {
    "N": "N",  # normal
    "L": "N",  # left bundle branch block
    "R": "N",  # right bundle branch block
    "B": "N",  # bundle branch block, side not said
    "e": "N",  # atrial escape
    "j": "N",  # nodal (junctional) escape
    "n": "N",  # supraventricular escape
    "A": "S",  # atrial premature
    "a": "S",  # aberrated atrial premature
    "J": "S",  # nodal (junctional) premature
    "S": "S",  # supraventricular premature
    "V": "V",  # premature ventricular contraction
    "E": "V",  # ventricular escape
    "r": "V",  # R-on-T premature ventricular contraction
    "F": "F",  # fusion of ventricular and normal
    "/": "Q",  # paced
    "f": "Q",  # fusion of paced and normal
    "Q": "Q",  # unclassifiable
    "?": "Q",  # not classified while learning
}
"""MIT-BIH beat symbol to AAMI class: ANSI/AAMI EC57 as de Chazal 2004, Table I, applies it. Others are no beats."""


@dataclass(frozen=True, eq=False)
class BeatAnnotations:
    """A record's reference beats.

    Attributes:
        name: the record's name.
        sample: int64 [B], R-peak samples at ``rate_hz``, ascending.
        aami: str [B], one of N S V F Q.
        symbol: str [B], the database's own symbol.
        rate_hz: the rate ``sample`` and ``flutter`` count in.
        flutter: int64 [K, 2], first and last sample of each episode of ventricular flutter ([ … ]); beats are not
            annotated in them.
    """

    name: str
    sample: NDArray[np.int64]
    aami: NDArray[np.str_]
    symbol: NDArray[np.str_]
    rate_hz: int
    flutter: NDArray[np.int64]

    def at_rate(self, rate_hz: int) -> BeatAnnotations:
        """The same beats counted at another rate, rounded half up."""
        return BeatAnnotations(
            self.name,
            _rescale(self.sample, self.rate_hz, rate_hz),
            self.aami,
            self.symbol,
            rate_hz,
            _rescale(self.flutter, self.rate_hz, rate_hz),
        )


def load_beats(name: str, data: Path | None = None) -> BeatAnnotations:
    """Read a record's reference annotations (``.atr``), at the native 360 Hz.

    Raises:
        DataError: missing or damaged annotations.
    """
    wfdb = import_wfdb()
    path = record_path(name, data)
    file = path.with_name(f"{name}.atr")
    if not file.is_file():
        raise DataError(f"record {name} has no annotations {file.name} in {path.parent}; fetch it again")
    if not file.read_bytes().endswith(_END_MARK):  # wfdb reads a truncated file without a word
        raise DataError(f"record {name}: its annotations {file} are damaged (no end mark); fetch it again")
    try:
        annotation = wfdb.rdann(str(path), "atr")
    except (ValueError, OSError, IndexError, TypeError, KeyError) as error:
        raise DataError(f"record {name}: its annotations {file} are damaged ({error}); fetch it again") from error
    symbols = np.asarray(annotation.symbol, dtype=np.str_)
    samples = np.asarray(annotation.sample, dtype=np.int64)
    if samples.size and np.any(np.diff(samples) < 0):
        raise DataError(f"record {name}: its annotations {file} are out of order; fetch it again")
    beats = np.isin(symbols, list(AAMI_OF_SYMBOL))
    classes = np.array([AAMI_OF_SYMBOL[symbol] for symbol in symbols[beats]], dtype="<U1")
    flutter = _episodes(samples, symbols)
    return BeatAnnotations(name, samples[beats], classes, symbols[beats], MITDB_RATE_HZ, flutter)


def _episodes(samples: NDArray[np.int64], symbols: NDArray[np.str_]) -> NDArray[np.int64]:
    """Pairs of ``[`` and ``]``; one still open at the end lasts to the last annotation."""
    episodes: list[tuple[int, int]] = []
    start: int | None = None
    for sample, symbol in zip(samples.tolist(), symbols.tolist(), strict=True):
        if symbol == "[" and start is None:
            start = sample
        elif symbol == "]" and start is not None:
            episodes.append((start, sample))
            start = None
    if start is not None:
        episodes.append((start, int(samples[-1])))
    return np.array(episodes, dtype=np.int64).reshape(-1, 2)


def _rescale(samples: NDArray[np.int64], rate_hz: int, new_rate_hz: int) -> NDArray[np.int64]:
    return (2 * samples * new_rate_hz + rate_hz) // (2 * rate_hz)
