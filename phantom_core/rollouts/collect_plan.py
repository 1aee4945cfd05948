"""`CollectPlan`: how much a trainer wants; `Collection`: how much of it was played."""

from __future__ import annotations

import operator
from collections.abc import Collection as Group
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import Any, Final

from phantom_core.errors import ConfigError
from phantom_core.types import PolicyID

_NEEDS: Final = ("state",)


@dataclass(frozen=True, slots=True, kw_only=True)
class CollectPlan:
    """How much to collect before an update: so many env steps, or so many episodes.

    Attributes:
        steps: env steps, over all copies; episodes go on in the next collection.
        episodes: whole episodes, over all copies; each copy plays the same share of them, and the first
            ones one more if they cannot be shared out.
        copies: how many copies of the env are played side by side; None for those of the run's main
            trainer, or one. It is fixed when a run begins.
        rounds: how many collections, each with an update, make one iteration; of the main trainer.
        needs: what transitions hold in addition; of `"state"`, the global state of the env. It is fixed
            when a run begins.
        is_independent: whether each copy is an experiment of its own: copy k plays, and draws, what the only
            copy of a run with the seed `seed + k` does. It is fixed when a run begins.
        without: copies that stand still, where each is an experiment of its own and steps are counted. What
            they would have played counts as env steps, so that counts mean the same in all experiments.
    """

    steps: int | None = None
    episodes: int | None = None
    copies: int | None = None
    rounds: int = 1
    needs: Group[str] = ()
    is_independent: bool = False
    without: Group[int] = frozenset()

    def __post_init__(self) -> None:
        amount = self.steps if self.episodes is None else self.episodes
        is_one = self.steps is None or self.episodes is None
        numbers = (amount, 1 if self.copies is None else self.copies, self.rounds)
        if not is_one or not all(map(_is_count, numbers)):
            raise ConfigError(
                f"{self} is not a plan. Give either steps or episodes, and at least one copy and one round, "
                "as integers."
            )
        if self.needs and (isinstance(self.needs, str) or not set(self.needs) <= set(_NEEDS)):
            raise ConfigError(f"{self} is not a plan. Expected needs to be () or ('state',).")
        try:
            left_out = frozenset(map(operator.index, self.without))
        except TypeError:
            left_out = frozenset((-1,))
        is_possible = self.is_independent and self.steps is not None and self.copies is not None
        if left_out and not (is_possible and left_out < set(range(self.copies or 0))):
            raise ConfigError(
                f"{self} is not a plan. without names copies that stand still: numbers from 0 to copies - 1, "
                "but not all of them. It needs steps, copies and is_independent=True."
            )
        object.__setattr__(self, "without", left_out)


def _is_count(number: object) -> bool:
    return (type(number) is int or isinstance(number, Integral)) and number >= 1  # type: ignore[operator]


class Collection:
    """What was played for a plan, for some policies.

    Attributes:
        plan: the plan.
        policy_ids: the policies whose experience is collected.
        steps_left: the env steps that are left; 0 where episodes are counted.
        episodes: by copy, the episodes that are counted; None where steps are.
    """

    def __init__(self, plan: CollectPlan, policy_ids: Sequence[PolicyID], episodes: Sequence[range]) -> None:
        """Begin; `episodes` are those of each copy that count and ended already, often none."""
        self.plan, self.policy_ids = plan, tuple(policy_ids)
        self.steps_left = plan.steps or 0
        self._episodes_left: list[int] = []
        self.episodes: dict[int, range] | None = None
        if plan.episodes is not None:
            share, rest = divmod(plan.episodes, len(episodes))
            shares = [share + (n < rest) for n in range(len(episodes))]
            self._episodes_left = [many - len(own) for many, own in zip(shares, episodes, strict=True)]
            self.episodes = {n: range(own.start, own.start + shares[n]) for n, own in enumerate(episodes)}

    @property
    def is_fulfilled(self) -> bool:
        """Whether everything was played."""
        return self.steps_left <= 0 if self.episodes is None else max(self._episodes_left) <= 0

    def wants_more_of(self, env_index: int) -> bool:
        """Return whether a copy is to go on."""
        if self.episodes is None:
            return env_index not in self.plan.without
        return self._episodes_left[env_index] > 0

    def count(self, env_steps: int, ended: Sequence[tuple[int, int]]) -> None:
        """Count env steps, and the episodes that ended: the copy and the number of each."""
        if self.episodes is None:
            self.steps_left -= env_steps
            return
        for env_index, episode in ended:
            if episode >= self.episodes[env_index].start:
                self._episodes_left[env_index] -= 1

    def state_dict(self) -> dict[str, Any]:
        """Return how much is left."""
        firsts = None if self.episodes is None else [own.start for own in self.episodes.values()]
        return {"steps": self.steps_left, "episodes": self._episodes_left, "firsts": firsts}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state_dict` returned."""
        self.steps_left, self._episodes_left = int(state["steps"]), list(state["episodes"])
        if self.episodes is not None and state["firsts"] is not None:
            self.episodes = {
                n: range(first, first + len(self.episodes[n])) for n, first in enumerate(state["firsts"])
            }
