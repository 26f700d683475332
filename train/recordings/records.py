"""Which MIT-BIH records belong to which set.

Sources: de Chazal, O'Dwyer, Reilly, IEEE Trans. Biomed. Eng. 51(7), 2004 (DS1 and DS2: no patient of one is in the
other); ANSI/AAMI EC57 (the four records with paced beats are left out of the scoring).
"""

from __future__ import annotations

from cortexcore.errors import DataError

DS1: tuple[str, ...] = (
    "101", "106", "108", "109", "112", "114", "115", "116", "118", "119", "122",
    "124", "201", "203", "205", "207", "208", "209", "215", "220", "223", "230",
)  # fmt: skip
"""The development set: models and constants are chosen on it."""

DS2: tuple[str, ...] = (
    "100", "103", "105", "111", "113", "117", "121", "123", "200", "202", "210",
    "212", "213", "214", "219", "221", "222", "228", "231", "232", "233", "234",
)  # fmt: skip
"""The held-out test set: scored, never looked at."""

PACED: tuple[str, ...] = ("102", "104", "107", "217")
"""Records with paced beats, not scored under EC57."""

SPLITS: dict[str, tuple[str, ...]] = {"ds1": DS1, "ds2": DS2, "paced": PACED}


def split_records(split: str) -> tuple[str, ...]:
    """The record names of a set.

    Args:
        split: ``"ds1"``, ``"ds2"`` or ``"paced"``.

    Raises:
        DataError: for any other name.
    """
    if split not in SPLITS:
        raise DataError(f"no set of records is called {split!r}: choose one of {', '.join(SPLITS)}")
    return SPLITS[split]
