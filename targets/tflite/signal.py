"""What a source sends over the steps of a model: all of them in one tensor, or one tensor a step."""

from __future__ import annotations

from functools import cached_property

from cortexcore.targets.tflite.flatbuffer import ModelBuild


class Signal:
    """K steps of B inferences of n values: ``whole`` [K·B, n] or ``steps``, K tensors [B, n]; each made when asked for.

    Products run over all steps at once, neurons one step at a time.
    """

    def __init__(self, m: ModelBuild, count: int, whole: int | None = None, steps: list[int] | None = None) -> None:
        self._m, self._count, self._whole, self._steps = m, count, whole, steps

    @cached_property
    def whole(self) -> int:
        if self._whole is not None:
            return self._whole
        if self._count == 1:
            return self.steps[0]
        return self._m.op("CONCATENATION", self.steps, shape=self._m.shape(self.steps[0]), axis=0)

    @cached_property
    def steps(self) -> list[int]:
        if self._steps is not None:
            return self._steps
        if self._count == 1:
            return [self.whole]
        m, whole = self._m, self.whole
        inputs, dtype = [m.ints(0), whole], m.tensors[whole].dtype
        return m.ops("SPLIT", inputs, self._count, dtype, m.shape(whole), num_splits=self._count)

    def late(self, before: int) -> Signal:
        """The same one step later, after what was sent ``before`` the first step [B, n]."""
        return Signal(self._m, self._count, steps=[before, *self.steps[:-1]])
