"""Every constant of the front end. It travels with the model, in the bundle's manifest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from cortexcore.errors import DataError

RATE_HZ = 250
"""The one rate inside: every count of samples below is at 250 Hz unless it says otherwise."""

UNIT_PER_MV = 4096
"""The fixed unit of every signal inside: 1 mV is 4096, whatever the gain of the device."""

KEEP = 4096
"""Samples of its own signals that the front end keeps before the block it is at."""

BLOCK = 1024
"""Longer input is taken in blocks of this many samples."""

MAX_INTERVAL = 2**24 - 1
"""Intervals between beats, in samples, saturate here: 18.6 hours. So memory and products are bounded for ever."""

Biquad = tuple[int, int, int, int, int]
"""b0, b1, b2, a1, a2 of one second-order section, each times 2^29 (a0 is 1), |value| < 2^31."""

_NOTCHES: dict[int, tuple[Biquad, ...]] = {
    0: (),
    50: ((515274511, -318457162, 515274511, -318457162, 493678111),),
    60: ((511155760, -64191471, 511155760, -64191471, 485440608),),
}


@dataclass(frozen=True)
class FrontEndConfig:
    """Constants of filter, detector, window and rhythm features; integers only.

    Attributes:
        highpass: 0.5 Hz, Butterworth, order 2: takes electrode drift, keeps the ST segment's shape usable. Its zero at
            DC is exact (b1 = −2·b0).
        lowpass: 40 Hz, Butterworth, order 4 (two sections): muscle noise, and what the decimation would fold back.
        notch_hz: mains notch: 0 (none), 50 or 60; Q 15. None by default: the mains frequency is a matter of place.
        filter_delay: samples by which the low-pass delays a QRS (its group delay is 2.4 to 2.8 from 5 to 15 Hz; 2 puts
            the R peak where the DS1 annotations have it).
        qrs_smooth, qrs_lag: length of the boxes and of the differences that bring out how sharply the signal bends
            (``sharpness.py``): the band is about 5 to 20 Hz. Broad optimum on DS1: lags 7 to 11 lose 60 to 80 of 42,463
            beats; 5 and 9 also place the fiducial within 2 samples of its usual place in all but 0.3 % of the normal
            beats, 108 (5 %), 118 (3 %) and 203, 230 (1 %) apart.
        qrs_integrate: window of the moving integration, 128 ms: about one QRS.
        refractory: no two beats within 200 ms.
        peak_memory: QRS and other peaks whose medians are the levels of signal and noise.
        threshold_percent: place of the threshold between noise and signal: 20 to 35 change gross Se and +P on DS1 by
            0.05 points.
        least_strength: floor of the threshold, √power: no noise floor of an electrode off the skin counts as a QRS.
        search_percent, search_rr_percent: search-back takes half the threshold after 1.5 median RR intervals.
        t_wave_within, t_wave_percent, slope_reach: a peak closer than 360 ms and less than half as steep is a T wave;
            slopes are taken within 100 ms.
        learn: first 2 s: the strongest peak in them is the first level of signal.
        drought: 4 s without any beat halve the level of signal.
        align_reach: a beat's fiducial is the sharpest bend within this many samples (100 ms) of where the detector, or
            whoever gave the peak, saw it: wide enough for both to settle on the same place of a wide QRS.
        decimation: the window keeps every second sample: 125 Hz is enough for 40 Hz.
        window_before, window_after: decimated samples before and after the fiducial: 0.304 s, long enough for the
            P wave, and 0.456 s, which takes in most of the T wave. Length = before + 1 + after.
        window_scale: the patient's usual QRS height, peak to peak, in steps of the int8 window. 96 leaves room for
            a peak of 1.3 times that height, which few ectopic beats exceed, and gives a P wave some steps.
        qrs_reach: half-width in which height and area of a QRS are taken: 80 ms, a wide QRS on either side.
        memory: beats in the running medians of height and width ("usual for this patient"), and in the RR irregularity
            and spread.
        short_memory: beats in the local RR median.
        long_memory: beats in the RR median that is usual for this patient: about four minutes.
        spread_floor: samples added to the RR spread, 16 ms, so that the steadiest rhythm does not make all unusual.
        templates: beat shapes kept per patient.
        match_percent: correlation over the QRS (percent) from which a beat belongs to a shape.
        template_shift: a shape follows its beats with weight 2^−shift once it has seen 2^shift of them.
        shape_reach: half-width, decimated samples, of that correlation: 104 ms.
        p_start, p_stop: decimated samples before the fiducial between which the P wave is compared: 248 to 64 ms.
        count_limit: beats of one shape after which all shapes' counts are halved, so that an old rhythm is forgotten.
        hold_limit: lost samples up to which the last value is held; after longer gaps the detector starts anew.
    """

    highpass: tuple[Biquad, ...] = ((532121535, -1064243070, 532121535, -1064201053, 527414173),)
    lowpass: tuple[Biquad, ...] = (
        (12278349, 24556699, 12278349, -323214114, 66335418),
        (536870912, 1073741824, 536870912, -434838756, 274657664),
    )
    notch_hz: int = 0
    filter_delay: int = 2
    qrs_smooth: int = 5
    qrs_lag: int = 9
    qrs_integrate: int = 32
    refractory: int = 50
    peak_memory: int = 8
    threshold_percent: int = 25
    least_strength: int = 200
    search_percent: int = 50
    search_rr_percent: int = 150
    t_wave_within: int = 90
    t_wave_percent: int = 50
    slope_reach: int = 25
    learn: int = 500
    drought: int = 1000
    align_reach: int = 25
    decimation: int = 2
    window_before: int = 38
    window_after: int = 57
    window_scale: int = 96
    qrs_reach: int = 20
    memory: int = 32
    short_memory: int = 8
    long_memory: int = 256
    spread_floor: int = 4
    templates: int = 4
    match_percent: int = 90
    template_shift: int = 4
    shape_reach: int = 13
    p_start: int = 31
    p_stop: int = 8
    count_limit: int = 64
    hold_limit: int = 50

    def __post_init__(self) -> None:
        if self.notch_hz not in _NOTCHES:
            raise DataError(f"front end: notch_hz is {self.notch_hz}, allowed are 0 (no notch), 50 and 60")
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name in ("highpass", "lowpass"):
                _check_sections(field.name, value)
            elif not isinstance(value, int) or isinstance(value, bool) or value < 0:
                raise DataError(f"front end: {field.name} is {value!r}, it must be a whole number from 0 up")
        for name in (
            "qrs_smooth",
            "qrs_lag",
            "qrs_integrate",
            "refractory",
            "peak_memory",
            "decimation",
            "window_before",
            "window_scale",
            "memory",
            "short_memory",
            "long_memory",
            "spread_floor",
            "templates",
            "count_limit",
        ):
            if getattr(self, name) < 1:
                raise DataError(f"front end: {name} must be at least 1")
        if not self.p_stop < self.p_start <= self.window_before or self.shape_reach > self.window_before:
            raise DataError("front end: p_stop < p_start <= window_before and shape_reach <= window_before must hold")
        if self.shape_reach > self.window_after:
            raise DataError("front end: shape_reach must not exceed window_after")
        if (self.refractory + 1) * self.search_rr_percent < 100:
            raise DataError("front end: search_rr_percent of the shortest interval, refractory + 1, must be a sample")
        if self.slope_reach > self.refractory + self.power_delay:
            raise DataError("front end: slope_reach must not exceed refractory + bend_delay + qrs_integrate / 2")
        for name in ("look_back", "hold"):
            if getattr(self, name) > KEEP:
                raise DataError(
                    f"front end: {name} comes to {getattr(self, name)} samples, at most {KEEP} are kept: shorten "
                    "learn, drought, the window or the reaches"
                )

    @property
    def sections(self) -> tuple[Biquad, ...]:
        """The filter's second-order sections in the order they run: high-pass, notch, low-pass."""
        return (*self.highpass, *_NOTCHES[self.notch_hz], *self.lowpass)

    @property
    def window_length(self) -> int:
        """Decimated samples of a window."""
        return self.window_before + 1 + self.window_after

    @property
    def bend_delay(self) -> int:
        """Samples by which the bend (``sharpness.py``) is late against the filtered signal."""
        return self.qrs_smooth - 1 + self.qrs_lag

    @property
    def power_delay(self) -> int:
        """Samples by which the peak of the bend's power is late against the middle of the QRS."""
        return self.bend_delay + self.qrs_integrate // 2

    @property
    def after(self) -> int:
        """Samples after its fiducial that a beat needs: its window and its QRS."""
        return max(self.decimation * self.window_after, self.qrs_reach)

    @property
    def hold(self) -> int:
        """Samples for which the last value is held at a stream's end, so that every QRS in it is found."""
        return self.learn + self.refractory + self.qrs_integrate + self.bend_delay

    @property
    def look_back(self) -> int:
        """The oldest filtered sample that is ever asked for, counted back from the newest.

        A QRS is found at most ``max(drought, learn)`` before the index that its power's maximum is sought at, which is
        ``refractory`` old; or it waits for the end of its window. Before its middle come the search for the sharpest
        bend, whose filter reaches back ``bend_delay`` more, and the window.
        """
        found = self.refractory + max(self.drought, self.learn) + self.power_delay
        waits = self.align_reach + max(self.after, self.bend_delay)
        before = self.align_reach + max(self.bend_delay, self.decimation * self.window_before, self.qrs_reach)
        slope = self.refractory + self.power_delay + self.slope_reach + 1
        return max(max(found, waits) + before, slope)

    def to_json(self) -> dict[str, Any]:
        """Plain numbers and lists, for the manifest."""
        plain = asdict(self)
        for name in ("highpass", "lowpass"):
            plain[name] = [list(section) for section in plain[name]]
        return plain

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> FrontEndConfig:
        """The inverse of :meth:`to_json`.

        Raises:
            DataError: unknown or missing fields, or values that are not allowed.
        """
        names = {field.name for field in fields(cls)}
        if set(plain) != names:
            odd = sorted(set(plain) ^ names)
            raise DataError(f"front end configuration: these fields are unknown or missing: {', '.join(odd)}")
        values = dict(plain)
        for name in ("highpass", "lowpass"):
            if not isinstance(values[name], (list, tuple)):
                raise DataError(f"front end: {name} must be a list of sections")
            values[name] = tuple(tuple(section) for section in values[name])
        return cls(**values)


def _check_sections(name: str, sections: tuple[Biquad, ...]) -> None:
    for section in sections:
        if len(section) != 5 or any(not isinstance(c, int) or abs(c) >= 2**31 for c in section):
            raise DataError(f"front end: each section of {name} must be five whole numbers below 2^31")
