"""The rounds of one number, and what they say together."""

import attrs

__all__ = ["Spread"]


@attrs.frozen
class Spread:
    """The numbers of all rounds, in the order in which they were measured."""

    rounds: tuple[float, ...] = attrs.field(validator=attrs.validators.min_len(1))

    @property
    def median(self) -> float:
        return self.quantile(0.5)

    @property
    def least(self) -> float:
        return min(self.rounds)

    @property
    def quartiles(self) -> tuple[float, float]:
        return self.quantile(0.25), self.quantile(0.75)

    def quantile(self, share: float) -> float:
        """Between two rounds it lies on the straight line."""
        ordered = sorted(self.rounds)
        place = share * (len(ordered) - 1)
        below = int(place)
        above = min(below + 1, len(ordered) - 1)
        return ordered[below] + (ordered[above] - ordered[below]) * (place - below)
