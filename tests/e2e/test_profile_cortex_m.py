"""``cortexcore profile BUNDLE --target cortex-m``: the firmware's costs in text, JSON and on the page."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from cortexcore.cli import main
from cortexcore.opening import SHIPPED

for package in ("ziglang", "unicorn", "elftools", "capstone", "jinja2", "matplotlib"):
    pytest.importorskip(package, reason="needs the extras 'firmware' and 'export'")

BOARDS = ("nRF52840", "Apollo3", "STM32L4R5", "STM32U575", "STM32H7A3")


Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def cli(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Run:
    """``cortexcore profile`` of the shipped bundle with these arguments: exit code, stdout, stderr."""

    def run(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["cortexcore", "profile", str(SHIPPED / "bundle"), *map(str, arguments)])
        with pytest.raises(SystemExit) as stopped:
            main()
        out, err = capfd.readouterr()
        assert "Traceback" not in out + err
        return int(stopped.value.code or 0), out, err

    return run


def test_profile_on_the_command_line(cli: Run, tmp_path: Path) -> None:
    data, page = tmp_path / "profile.json", tmp_path / "profile.html"
    code, out, err = cli("--target", "cortex-m", "--target", "integer", "--json", data, "--html", page)
    assert code == 0, err
    profiles = json.loads(data.read_text())
    found = next(profile for profile in profiles if profile["target"] == "cortex-m")
    for name in ("per beat worst", "per sample mean", "per inference p99"):
        figure = found["latency"][name]
        assert figure["kind"] == "modelled" and 0 < figure["low"] < figure["value"] < figure["high"] < 4e-3
    assert found["operations"]["instructions"]["kind"] == "simulated"
    assert found["memory"]["flash"]["value"] < 256 * 1024 and found["memory"]["RAM"]["value"] < 64 * 1024
    shown = page.read_text()
    for board in BOARDS:
        life = found["energy"][f"battery life, {board}"]
        assert life["unit"] == "days" and life["low"] < life["value"] < life["high"]
        assert f"battery life, {board}" in out and f"battery life, {board}" in shown
    assert "products of 'conv2', event-driven" in json.dumps(found["layers"]) and "conv2" in shown
    assert "wait states" in out and "STM32F407" in shown


def test_board_and_cell_are_options(cli: Run, tmp_path: Path) -> None:
    data = tmp_path / "profile.json"
    options = ("--board", "STM32L4R5", "--cell-mah", 450, "--cell-v", 3.7)
    code, out, err = cli("--target", "cortex-m", *options, "--json", data)
    assert code == 0, err
    (profile,) = json.loads(data.read_text())
    life, day = (profile["energy"][f"{name}, STM32L4R5"] for name in ("battery life", "per day"))
    assert life["value"] == pytest.approx(0.45 * 3600 * 3.7 / day["value"])
    assert "a cell of 450 mAh and 3.7 V" in life["conditions"] and "120 MHz" in profile["conditions"]
    assert "seconds are those of STM32L4R5 at 120 MHz" in out


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--target", "integer", "--board", "Apollo3"), "--board goes with the target 'cortex-m'"),
        (("--target", "cortex-m", "--board", "Uno"), "there is no board 'Uno' in the data file; there are nRF52840"),
        (("--target", "cortex-m", "--cell-mah", 100), "a cell takes both cell_mah and cell_v"),
    ],
)
def test_mistakes_are_one_sentence(cli: Run, arguments: tuple[object, ...], says: str) -> None:
    code, _, err = cli(*arguments)
    assert code == 1 and says in err
