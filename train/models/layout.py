"""The layout that the beat classifiers share: two convolutions without padding, then dense layers."""

from __future__ import annotations

Pair = tuple[int, int]


def conv_lengths(length: int, kernels: Pair, strides: Pair) -> Pair:
    """Positions after each of the two convolutions of a window of ``length`` samples."""
    first = (length - kernels[0]) // strides[0] + 1
    return first, (first - kernels[1]) // strides[1] + 1


def layout_problems(sizes: tuple[int, ...], length: int, filters: Pair, kernels: Pair, strides: Pair) -> list[str]:
    """What is wrong with a layout, a clause each: ``sizes`` are all its whole numbers apart from the pairs."""
    pairs = (filters, kernels, strides)
    if any(n < 1 for n in sizes) or any(len(pair) != 2 or min(pair) < 1 for pair in pairs):
        return ["sizes must be positive and filters, kernels and strides two each"]
    if min(conv_lengths(length, kernels, strides)) < 1:
        return [f"a window of {length} samples is too short for kernels {kernels}"]
    return []
