"""The virtual wearable without its port: what it says, when, and what its faults do to it."""

from __future__ import annotations

import math

import numpy as np
import pytest

from cortexcore.errors import StreamError
from cortexcore.firmware_sim.wearable import Faults, Wearable, parse_faults
from cortexcore.firmware_sim.wearable.faults import FaultyLink
from cortexcore.firmware_sim.wearable.player import Player
from cortexcore.runtime.protocol import Decoder, End, Info, Message, Samples, Start, Stop

COUNTS = np.arange(-60, 60, dtype=np.int16)


def wearable(**changes: object) -> Wearable:
    settings: dict[str, object] = {"counts": COUNTS, "rate_hz": 250, "gain_per_mv": 200.0, "lead": "I", "name": "ramp"}
    return Wearable(**(settings | changes))  # type: ignore[arg-type]


def listen(player: Player, now_s: float, decoder: Decoder) -> list[Message]:
    """Everything that is due at ``now_s``."""
    messages = []
    while player.wait_s(now_s) == 0:
        messages += decoder.push(player.speak(now_s))
    return messages


def test_says_nothing_before_start_and_nothing_after_stop() -> None:
    player = Player(wearable())
    assert player.wait_s(1e6) is None
    with pytest.raises(StreamError, match="nobody has started"):
        player.speak(0.0)
    player.hear(Start(3), 10.0)
    assert player.wait_s(10.0) == 0
    player.hear(Stop(), 10.0)
    assert player.wait_s(1e6) is None


def test_ignores_what_no_host_says() -> None:
    player = Player(wearable())
    player.hear(End(5), 0.0)
    assert player.wait_s(0.0) is None


def test_introduces_itself_then_sends_everything_then_ends() -> None:
    player, decoder = Player(wearable(speed=0)), Decoder()
    player.hear(Start(77), 5.0)
    info, *blocks, end = listen(player, 5.0, decoder)
    assert info == Info(250, 200.0, "I", "ramp", session=77)
    assert [block.first for block in blocks if isinstance(block, Samples)] == [0, 25, 50, 75, 100]
    assert np.array_equal(np.concatenate([b.counts for b in blocks if isinstance(b, Samples)]), COUNTS)
    assert end == End(120)
    assert decoder.counts.lost_frames == 0


def test_repeats_the_end_once_a_second_until_stopped() -> None:
    player, decoder = Player(wearable(speed=math.inf)), Decoder()
    player.hear(Start(1), 0.0)
    assert listen(player, 0.0, decoder)[-1] == End(120)
    assert player.wait_s(0.25) == 0.75
    assert listen(player, 1.0, decoder) == [End(120)]
    assert decoder.counts.lost_frames == 0
    player.hear(Stop(), 1.5)
    assert player.wait_s(99.0) is None


def test_a_new_start_begins_anew_under_its_own_number() -> None:
    player, decoder = Player(wearable(speed=0)), Decoder()
    player.hear(Start(1), 0.0)
    for _ in range(3):
        decoder.push(player.speak(0.0))
    player.hear(Start(2), 0.0)
    info, *blocks, _ = listen(player, 0.0, decoder)
    assert isinstance(info, Info) and info.session == 2
    assert isinstance(blocks[0], Samples) and blocks[0].first == 0 and len(blocks) == 5
    assert decoder.counts.lost_frames == 0


def test_noise_on_the_line_does_not_swallow_the_introduction() -> None:
    player = Player(wearable(speed=0))
    player.hear(Start(1), 0.0)
    assert isinstance(Decoder().push(b"\x31\x07" + player.speak(0.0))[0], Info)


@pytest.mark.parametrize("speed", [1.0, 8.0])
def test_a_frame_is_due_when_its_last_sample_is_taken_and_late_calls_do_not_add_up(speed: float) -> None:
    player, decoder = Player(wearable(speed=speed)), Decoder()
    player.hear(Start(1), 100.0)
    assert isinstance(listen(player, 100.0, decoder)[0], Info)
    frame_s = 25 / 250 / speed
    assert player.wait_s(100.0) == pytest.approx(frame_s)
    # Called half a frame late each time, it is due on the same grid each time.
    for number in range(1, 4):
        assert len(listen(player, 100.0 + (number + 0.5) * frame_s, decoder)) == 1
        assert player.wait_s(100.0 + (number + 0.5) * frame_s) == pytest.approx(0.5 * frame_s)
    # The last frame holds the 20 samples that are left, and is due as much earlier.
    assert [type(m) for m in listen(player, 100.0 + 4 * frame_s, decoder)] == [Samples]
    assert player.wait_s(100.0 + 4 * frame_s) == pytest.approx(0.8 * frame_s)
    assert [type(m) for m in listen(player, 100.0 + 4.8 * frame_s + 1e-9, decoder)] == [Samples, End]


def test_vanishes_after_so_many_seconds_of_signal() -> None:
    player = Player(wearable(speed=0, faults=Faults(disconnect=0.2)))
    player.hear(Start(1), 0.0)
    for _ in range(2):
        player.speak(0.0)
        assert not player.vanished
    player.speak(0.0)
    assert player.vanished


def test_faults_are_seeded_and_as_frequent_as_asked() -> None:
    frame = bytes(range(1, 60)) + b"\0"

    def run(seed: int) -> list[bytes]:
        link = FaultyLink(Faults(drop=0.1, corrupt=0.05, seed=seed))
        return [link.carry(frame) for _ in range(4000)]

    carried = run(1)
    assert carried == run(1) != run(2)
    # Five standard deviations of a binomial count with n = 4000.
    assert abs(carried.count(b"") - 400) < 95
    damaged = [got for got in carried if got not in (b"", frame)]
    assert abs(len(damaged) - 180) < 65
    flipped = [sum((a ^ b).bit_count() for a, b in zip(got, frame, strict=True)) for got in damaged]
    assert set(flipped) == {1}


def test_parses_faults() -> None:
    assert parse_faults("drop=0.01, corrupt=1e-3,disconnect=30,seed=7") == Faults(0.01, 0.001, 30.0, 7)
    assert parse_faults("") == Faults()


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ("drop", "drop=NUMBER"),
        ("drop=often", "drop=NUMBER"),
        ("seed=1.5", "seed=NUMBER"),
        ("drp=0.1", "'drp'.*unknown; allowed: corrupt, disconnect, drop, seed"),
        ("drop=0.1,drop=0.2", "given twice"),
        ("drop=1.5", "0 to 1"),
        ("corrupt=-1", "0 to 1"),
        ("corrupt=nan", "0 to 1"),
        ("disconnect=0", "above 0"),
        ("seed=-1", "0 or more"),
    ],
)
def test_refuses_faults_that_make_no_sense(spec: str, says: str) -> None:
    with pytest.raises(StreamError, match=says):
        parse_faults(spec)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"counts": COUNTS.astype(np.int32)}, "int16"),
        ({"counts": COUNTS[:0]}, "at least one sample"),
        ({"speed": -1.0}, "speed"),
        ({"speed": math.nan}, "speed"),
        ({"speed": 1e-300}, "speed"),
        ({"block": 0}, "1 to 122"),
        ({"block": 123}, "1 to 122"),
        ({"rate_hz": 0}, "rate_hz"),
        ({"name": "x" * 64}, "name"),
    ],
)
def test_refuses_a_wearable_that_cannot_be(changes: dict[str, object], says: str) -> None:
    with pytest.raises(StreamError, match=says):
        wearable(**changes)
