"""Which stage of a chain is running, beside what the stage says of itself."""

from collections.abc import Callable, Mapping

Shown = Callable[[int, int, Mapping[str, float | int]], None]


class ChainProgress:
    """Adds the stage's number to the figures of its progress."""

    def __init__(self, shown: Shown) -> None:
        """Takes what shows (done, total, figures)."""
        self._shown = shown
        self._stage = {"stage": 0, "stages": 0}

    def begin(self, number: int, stages: int) -> None:
        """Says that stage `number` of `stages` runs, 1 first; shows it at once."""
        self._stage = {"stage": number, "stages": stages}
        self(0, 1)

    def __call__(
        self, done: int, total: int, figures: Mapping[str, float | int] | None = None
    ) -> None:
        """Shows how far the stage has come."""
        self._shown(done, total, {**self._stage, **(figures or {})})
