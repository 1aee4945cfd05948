"""`CollectPlan`: how much to collect in one iteration, in how many copies of the env."""

from __future__ import annotations

from dataclasses import dataclass

from phantom_core.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class CollectPlan:
    """How much to collect in one iteration: so many env steps, or so many episodes.

    Attributes:
        steps: env steps, over all copies; episodes go on in the next iteration.
        episodes: whole episodes, over all copies.
        copies: how many copies of the env are played side by side.
    """

    steps: int | None = None
    episodes: int | None = None
    copies: int = 1

    def __post_init__(self) -> None:
        """Refuse a plan that says nothing, or two things."""
        amounts = [amount for amount in (self.steps, self.episodes) if amount is not None]
        if len(amounts) != 1 or amounts[0] < 1 or self.copies < 1:
            msg = f"{self} is not a plan. Give either steps or episodes, and at least one copy."
            raise ConfigError(msg)
