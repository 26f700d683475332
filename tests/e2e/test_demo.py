"""The demo, whole: shipped model, real pseudo-terminal, page."""

from __future__ import annotations

import re
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cortexcore.demo import run as demo
from cortexcore.errors import CortexCoreError, DataError, TargetUnavailable


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """As fast as the host reads, and half a minute of it."""
    monkeypatch.setattr(demo, "SPEED", 0.0)
    monkeypatch.setattr(demo, "DURATION_S", 30.0)


def check_page(page: Path, source: str) -> None:
    html = page.read_text()
    assert source in html
    for heading in (
        "What was seen",
        "The network",
        "Quantization",
        "The same spikes on every target",
        "Energy per target",
    ):
        assert heading in html
    assert html.count("<svg") >= 4
    assert not re.search(r"""(src|href)=["']?(https?:)?//""", html), "the page needs something from outside"
    assert all(axis in html for axis in ("measured", "modelled"))
    assert "Both modelled alike: Horowitz" in html, "the verdict must name its source"


def test_without_recordings_it_plays_synthetic_ecg_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("CORTEXCORE_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    page = demo.run_demo(tmp_path / "out")
    out = capsys.readouterr().out
    assert "no recordings here, so this is synthetic ECG" in out and "/dev/" in out
    assert "0 differing spikes" in out
    check_page(page, "synthetic ECG")


def test_with_recordings_it_plays_208_and_a_second_time_too(data_dir: Path, tmp_path: Path) -> None:
    wfdb = pytest.importorskip("wfdb")
    for _ in range(2):
        check_page(demo.run_demo(tmp_path / "out", data_dir), "MIT-BIH record 208")
    recorded = wfdb.rdrecord(str(tmp_path / "out" / "recording" / "208"), physical=False)
    played = demo.choose_source(data_dir).counts
    np.testing.assert_array_equal(recorded.d_signal[:, 0], played)
    assert (tmp_path / "out" / "recording" / "208.cortex").stat().st_size > 0


def test_without_the_packages_for_a_page_it_says_so_before_playing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "jinja2", None)
    with pytest.raises(TargetUnavailable, match=r"jinja2.*cortexcore\[export\]"):
        demo.run_demo(tmp_path / "out")
    assert not list(tmp_path.iterdir())


def test_a_demo_that_is_stopped_or_breaks_writes_no_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "choose_source", lambda _: demo.synthetic_source(5.0))
    played = demo.play
    for changes, words in (
        ({"ended": "interrupted"}, "stopped before its end"),
        ({"ended": "broken", "problem": "the port vanished"}, "the port vanished"),
    ):

        def cut(*arguments: object, changes: dict[str, str] = changes) -> demo.Session:
            session = played(*arguments)  # type: ignore[arg-type]
            return replace(session, summary=replace(session.summary, **changes))  # type: ignore[arg-type]

        monkeypatch.setattr(demo, "play", cut)
        with pytest.raises(CortexCoreError, match=words):
            demo.run_demo(tmp_path / "out")
        assert not (tmp_path / "out" / "index.html").exists()


def test_a_file_in_place_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(DataError, match="cannot be made a folder"):
        demo.run_demo(tmp_path / "file")


def test_it_takes_over_a_killed_demo_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Played(Exception):
        pass

    def played(*_: object) -> None:
        raise Played

    monkeypatch.setattr(demo, "play", played)
    killed = tmp_path / "out"
    with pytest.raises(Played):
        demo.run_demo(killed)
    (killed / "recording" / "208.part").mkdir(parents=True)
    with pytest.raises(Played):
        demo.run_demo(killed)
    assert not (killed / "recording").exists()
    mine = tmp_path / "mine" / "recording"
    mine.mkdir(parents=True)
    (mine / "208.dat").write_bytes(b"my own")
    with pytest.raises(DataError, match="holds files that are no demo's"):
        demo.run_demo(tmp_path / "mine")
    assert (mine / "208.dat").read_bytes() == b"my own"
