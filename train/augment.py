"""Random changes to beats while training, so that the network bears other electrodes, noise and a shaky detector."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

LIMIT = 127


@dataclass(frozen=True)
class Augmentation:
    """How far beats are changed; 0 leaves that part alone. Window and rhythm values are integers in ±127.

    Attributes:
        scale: standard deviation of log(amplitude factor), one factor per beat.
        shift: largest displacement of the window in samples, both ways; the edge value fills in.
        noise: standard deviation of white noise, in window units.
        drift: standard deviation of a slow wave's amplitude over the window, in window units.
        rhythm_noise: standard deviation of noise on the rhythm features, in their units.
        drop_signal: share of beats whose channel 0, the signal itself, is blanked. What is left tells how the beat
            differs from the patient's usual one, which holds for patients never seen; the signal also tells who it is.
    """

    scale: float = 0.2
    shift: int = 2
    noise: float = 6.0
    drift: float = 4.0
    rhythm_noise: float = 4.0
    drop_signal: float = 0.7


def augment(window: Tensor, rhythm: Tensor, how: Augmentation, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Changed copies of a batch: window [B, C, L] and rhythm [B, F], float, still within ±127."""
    batch, channels, length = window.shape
    if how.shift:
        shift = torch.randint(-how.shift, how.shift + 1, (batch, 1), generator=generator)
        index = (torch.arange(length) + shift).clamp(0, length - 1)
        window = window.gather(2, index[:, None, :].expand(batch, channels, length))
    factor = torch.exp(how.scale * torch.randn(batch, 1, 1, generator=generator))
    amplitude = how.drift * torch.randn(batch, channels, 1, generator=generator)
    phase = 2 * torch.pi * torch.rand(batch, channels, 1, generator=generator)
    wave = amplitude * torch.sin(phase + torch.pi * torch.arange(length) / length)
    white = how.noise * torch.randn(window.shape, generator=generator)
    window = (window * factor + wave + white).clamp(-LIMIT, LIMIT)
    if how.drop_signal:
        kept = torch.rand(batch, 1, generator=generator) >= how.drop_signal
        window = torch.cat([window[:, :1] * kept[:, None], window[:, 1:]], dim=1)
    rhythm = rhythm + how.rhythm_noise * torch.randn(rhythm.shape, generator=generator)
    return window, rhythm.clamp(-LIMIT, LIMIT)
