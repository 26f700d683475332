"""What a user may get wrong with devices and records: one sentence, the exit code, nothing left behind."""

from __future__ import annotations

import errno
import sys
from pathlib import Path

import pytest

from cortexcore.cli import main
from cortexcore.opening import SHIPPED

BUNDLE = SHIPPED / "bundle"
WEARABLE = ("simulate", "wearable")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("stream", BUNDLE, "--port", "loop://", "--record", "out", "--duration", "0"), "session of 0 s"),
        (("stream", BUNDLE, "--port", "loop://", "--record", "out", "--duration", "inf"), "session of inf s"),
        (("evaluate", BUNDLE, "--records", "208, 208"), "names a record twice"),
        ((*WEARABLE, "--synthetic", "--duration", "1e9"), "allowed: 2 to 86400 seconds"),
        ((*WEARABLE, "--synthetic", "--start", "5"), "leave them out with --synthetic"),
        ((*WEARABLE, "--synthetic", "--duration", "10", "--speed", "1e-300"), "the speed 1e-300 must be"),
    ],
)
def test_one_sentence_before_anything_is_opened(
    arguments: tuple[object, ...],
    words: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["cortexcore", *map(str, arguments)])
    with pytest.raises(SystemExit) as end:
        main()
    err = capfd.readouterr().err
    assert end.value.code == 1, err
    assert err.startswith("cortexcore: ") and len(err.splitlines()) == 1 and words in err
    assert not [*tmp_path.iterdir()]


@pytest.mark.parametrize("duration", ["0", "-5", "nan"])
def test_a_stretch_of_a_record_without_length(
    duration: str, data_dir: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    arguments = [*WEARABLE, "--record", "208", "--data", str(data_dir), "--duration", duration]
    monkeypatch.setattr(sys, "argv", ["cortexcore", *arguments])
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 1
    assert "give a number of seconds above 0" in capfd.readouterr().err


def test_a_write_that_no_command_foresaw(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", "out.txt")

    monkeypatch.setattr("cortexcore.train.recordings.datasets.list_datasets", full)
    monkeypatch.setattr(sys, "argv", ["cortexcore", "data", "list"])
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 1
    err = capfd.readouterr().err
    assert err == "cortexcore: the system refused to read or write 'out.txt': No space left on device\n"
