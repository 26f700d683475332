"""What ``cortexcore demo`` does, in order."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cortexcore.demo.page import Findings, demo_page
from cortexcore.demo.session import Session, play
from cortexcore.errors import CortexCoreError, DataError, StreamError
from cortexcore.export.files import write_text
from cortexcore.export.report.html import Section, require_packages
from cortexcore.opening import SHIPPED
from cortexcore.runtime.bundle import Bundle, load_bundle
from cortexcore.runtime.frontend.encoder import encode_beats
from cortexcore.sources import Source, recording_source, synthetic_source
from cortexcore.targets.compare import Comparison, compare
from cortexcore.targets.registry import get_target, target_names

RECORD, START_S, DURATION_S = "208", 300.0, 60.0
"""The stretch shown: the first minute that EC57 scores, of a record with many ventricular beats."""
SPEED = 4.0
TARGET = "onnx"
RECORDING = "recording"
MARK = ".cortexcore-demo"
"""An empty file by which a later demo knows the folder as its own, also after one that was killed."""


def run_demo(out: Path, data: Path | None = None) -> Path:
    """Play, compare, profile, and write ``out/index.html``.

    Args:
        out: folder for the page and the recording: new, empty, or an earlier demo's, whose files are replaced.
        data: recordings, see :func:`cortexcore.train.recordings.find_data`.

    Returns:
        path of the page.

    Raises:
        CortexCoreError: the session was stopped or broke, saw no beats, or ``out`` cannot be written or holds
            files that are not a demo's.
    """
    require_packages()
    bundle = load_bundle(SHIPPED / "bundle")
    source = choose_source(data)
    session = play(bundle, source, SPEED, TARGET, _recording_folder(_own_folder(out)))
    if session.summary.problem is not None:
        raise StreamError(session.summary.problem)
    if session.summary.ended == "interrupted":
        raise CortexCoreError("the demo was stopped before its end, so there is no page: run it again")
    if not session.decisions:
        raise CortexCoreError(f"the demo saw no beats in {source.what}; run it again, and report it if that repeats")
    inputs = encode_beats([decision.beat for decision in session.decisions], bundle.steps)
    runnable, unavailable = _targets()
    print(f"comparing {', '.join(runnable)} on the {len(session.decisions)} beats seen …", flush=True)
    comparison = _compare(bundle, runnable, inputs)
    profiles = [bundle.compiled(name).profile(inputs) for name in runnable]
    shown = next((i for i, d in enumerate(session.decisions) if d.label != "N"), 0)
    trace = bundle.compiled("integer").run(inputs, trace=True)
    found = Findings(bundle, session, agreement(session), trace, shown, comparison, profiles, unavailable)
    path = out / "index.html"
    write_text(path, demo_page(found, _quantization(bundle)))
    if comparison is not None:
        print(f"{comparison.differing_spikes} differing spikes between the integer targets")
    print(f"page: {path}")
    return path


def choose_source(data: Path | None) -> Source:
    """The stretch of MIT-BIH 208 where there are recordings, else synthetic ECG; the choice is printed."""
    from cortexcore.train.recordings import find_data

    try:
        find_data(data)
    except DataError as error:
        if data is not None:
            raise
        print(f"no recordings here, so this is synthetic ECG ({error})")
        return synthetic_source(DURATION_S)
    return recording_source(RECORD, data, START_S, DURATION_S)


def agreement(session: Session) -> dict[str, tuple[float | None, str]]:
    """Beats against the source's truth within EC57's 150 ms: QRS sensitivity and +P, and the share of equal classes."""
    from cortexcore.train.evaluation.ec57 import MATCH_WINDOW_S, match_beats

    true, found = session.source.beats, np.array([d.beat.sample for d in session.decisions], np.int64)
    pairs = match_beats(true, found, round(MATCH_WINDOW_S * session.source.rate_hz))
    both = [(session.source.labels[i], session.decisions[j].label) for i, j in pairs]
    equal = sum(a == b for a, b in both)
    return {
        "QRS sensitivity": (len(pairs) / len(true) if len(true) else None, f"{len(pairs)} of {len(true)} beats found"),
        "QRS +P": (len(pairs) / len(found), f"{len(pairs)} of {len(found)} detections true"),
        "Class correct": (equal / len(pairs) if len(pairs) else None, f"{equal} of {len(pairs)} beats"),
    }


def _own_folder(out: Path) -> Path:
    """``out``, made or taken over from an earlier demo; a folder with anything else in it is left alone."""
    try:
        if out.exists() and any(out.iterdir()) and not (out / MARK).is_file():
            raise DataError(f"--out {out} holds files that are no demo's: name a new or an empty folder")
        out.mkdir(parents=True, exist_ok=True)
        (out / MARK).touch()
        if (out / RECORDING).exists():
            shutil.rmtree(out / RECORDING)
    except OSError as error:
        raise DataError(f"--out {out} cannot be made a folder ({error.strerror}): name another one") from error
    return out


def _recording_folder(out: Path) -> Path | None:
    """Where the session is recorded; None where wfdb is missing."""
    if find_spec("wfdb") is None:
        print("not recording: that needs the package wfdb (pip install 'cortexcore[record]')")
        return None
    return out / RECORDING


def _targets() -> tuple[list[str], dict[str, str]]:
    """Targets that run here, and the others with what mends them."""
    reasons = {name: get_target(name).unavailable() for name in target_names()}
    return [n for n, reason in reasons.items() if reason is None], {n: r for n, r in reasons.items() if r is not None}


def _compare(bundle: Bundle, names: list[str], inputs: Mapping[str, NDArray[Any]]) -> Comparison | None:
    exact = [name for name in names if "integer" in get_target(name).takes]
    exact.sort(key=lambda name: name != "integer")
    return compare({name: bundle.compiled(name) for name in exact}, exact, inputs) if len(exact) > 1 else None


def _quantization(bundle: Bundle) -> list[Section]:
    """The bundle's quantization report as sections; none where it has no report."""
    from cortexcore.export.report import QuantizationReport
    from cortexcore.export.report.page import sections

    path = bundle.folder / "report.json"
    if not path.is_file():
        return []
    report = QuantizationReport.from_json(json.loads(path.read_text()))
    first, *others = [replace(s, heading=f"Quantization: {s.heading.lower()}") for s in sections(report)]
    return [replace(first, note=f"{first.note} Data: {report.data}." if report.data else first.note), *others]
