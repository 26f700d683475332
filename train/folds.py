"""Patient-wise folds of DS1: no record, and so no patient, is in two of them.

Assigned by hand so that each fold holds 100 to 384 supraventricular and 650 to 1050 ventricular beats. Fusion beats
cannot be spread: 373 of the 415 in DS1 are of record 208, so a fold without it has next to none to learn from or to
be judged by. Records 201 and 202 are of one person; 202 belongs to DS2 and is never used here.
"""

from __future__ import annotations

DS1_FOLDS: tuple[tuple[str, ...], ...] = (
    ("106", "116", "122", "205", "209"),
    ("112", "114", "119", "201", "230"),
    ("115", "124", "203", "207"),
    ("101", "109", "118", "208"),
    ("108", "215", "220", "223"),
)
