"""Fixtures all tests share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """Folder of real recordings. Skips where there is none, except in CI, where a missing one is a failure."""
    value = os.environ.get("CORTEXCORE_DATA")
    if value and (Path(value) / "mitdb").is_dir():
        return Path(value).resolve()
    reason = f"CORTEXCORE_DATA is {value!r}: it must name a folder that holds mitdb/ (cortexcore data fetch mitdb)"
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)
