"""`StepTransitions`: what an online learner gets in each env step, without arrays where nobody wants any."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import numpy as np

from phantom_core.rollouts.batch import Transition, Transitions
from phantom_core.rollouts.space_batcher import SpaceBatcher


class Batchers(Protocol):
    """What makes batches of observations, actions and, if there are any, global states."""

    batcher: SpaceBatcher
    action_batcher: SpaceBatcher
    state_batcher: SpaceBatcher | None


class StepTransitions(Transitions):
    """Transitions as plain values; their arrays are made when the first of them is asked for."""

    __slots__ = ("_batchers", "_rows")

    def __init__(self, rows: Sequence[Transition], batchers: Batchers) -> None:
        """Take over transitions, none of which has the same agent and copy as another."""
        self._rows, self._batchers = rows, batchers

    def __len__(self) -> int:
        """Return B."""
        return len(self._rows)

    def __iter__(self) -> Iterator[Transition]:
        """Yield each transition."""
        return iter(self._rows)

    def __getattr__(self, name: str) -> Any:
        """Make the arrays, one of which was asked for: Python calls this for what is not there yet."""
        if name.startswith("_"):
            raise AttributeError(name)
        of: Any = Transition(*zip(*self._rows, strict=True))  # type: ignore[arg-type]  # all values of each
        of_all = self._batchers
        observations, actions, states = of_all.batcher, of_all.action_batcher, of_all.state_batcher

        def joined(batcher: SpaceBatcher, values: Any) -> Any:
            return batcher.joined([batcher.batch(values)])

        super().__init__(
            joined(observations, of.observation),
            joined(actions, of.action),
            np.array(of.reward, np.float64),
            joined(observations, of.next_observation),
            np.array(of.has_next),
            np.array(of.terminated),
            np.array(of.truncated),
            {extra: np.array([own[extra] for own in of.extras]) for extra in self._rows[0].extras},
            list(of.agent_id),
            np.array(of.env_index),
            np.array(of.episode),
            np.array(of.step),
            None if states is None else joined(states, of.state),
            None if states is None else joined(states, of.next_state),
        )
        return object.__getattribute__(self, name)
