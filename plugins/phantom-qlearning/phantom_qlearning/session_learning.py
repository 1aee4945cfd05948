"""`SessionLearning`: Q-learning in many independent sessions at once, with arithmetic on arrays."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

import phantom_core as ph
from phantom_qlearning.session_tables import SessionTablesPolicy

QUANTILES: Final = (0.05, 0.5, 0.95)
"""What is logged beside the mean over sessions, as `<name>_q5`, `_q50` and `_q95`."""


class SessionLearning:
    """How far the learning of one policy is in each session, and what it went through since it was reported.

    Attributes:
        policy: the policy with the tables.
        memory: nothing is kept beside the tables.
        alpha: the step size now.
        env_steps: the env steps of each session so far.
        changed_at: int64 array [sessions]: the env steps after which a greedy action changed last.
    """

    memory = None

    def __init__(self, policy: SessionTablesPolicy) -> None:
        """Begin with tables."""
        self.policy, self.alpha, self.env_steps = policy, 0.0, 0
        self.changed_at = np.zeros(policy.num_copies, np.int64)
        self._begin_report()

    def learn(self, rows: ph.Transitions, gamma: float, is_over: NDArray[np.bool_]) -> None:
        """Change one value for each decision: Q(s, a) ← Q(s, a) + α [r + γ maxₐ′ Q(s′, a′) − Q(s, a)].

        Args:
            rows: decisions in any sessions; those of one session are learned from one after the other.
            gamma: γ.
            is_over: which sessions have ended, bool [sessions]: their tables stay as they are.
        """
        sessions, policy, of = rows.env_indices, self.policy, self.policy.observations
        places, allowed = of.arrays(rows.observations)
        after, allowed_after = of.arrays(rows.next_observations)
        actions = np.asarray(rows.actions, np.int64) - policy.first_action
        teaches = ~is_over[sessions] & (rows.terminated | rows.has_next)
        for turn in _turns(sessions, teaches):
            own, place, action = sessions[turn], places[turn], actions[turn]
            best = policy.best(own, after[turn], None if allowed_after is None else allowed_after[turn])
            value = np.where(rows.terminated[turn], 0.0, gamma * policy.table[own, after[turn], best])
            old = policy.table[own, place, action]
            error = rows.rewards[turn] + value - old
            has_changed = policy.put(
                own, place, action, old + self.alpha * error, None if allowed is None else allowed[turn]
            )
            self.changed_at[own[has_changed]] = self.env_steps
            self._errors[own] += np.abs(error)
            self._earned[own] += rows.rewards[turn]
            self._decisions[own] += 1

    def report(self) -> dict[str, NDArray[np.float64]]:
        """Return for each session what it earned by decision, and how wrong it was; begin to count anew."""
        number = np.maximum(1, self._decisions)
        found = {"reward": self._earned / number, "td_error": self._errors / number}
        self._begin_report()
        return found

    def _begin_report(self) -> None:
        self._errors, self._earned = np.zeros((2, self.policy.num_copies))
        self._decisions = np.zeros(self.policy.num_copies, np.int64)


def over_sessions(name: str, values: NDArray[Any]) -> dict[str, float]:
    """Return the mean of a quantity over sessions, and its quantiles."""
    quantiles = zip(QUANTILES, np.quantile(values, QUANTILES).tolist(), strict=True)
    return {name: float(values.mean())} | {f"{name}_q{100 * q:.0f}": value for q, value in quantiles}


def _turns(sessions: NDArray[np.int64], teaches: NDArray[np.bool_]) -> Iterator[NDArray[np.int64]]:
    """Yield the rows that teach, at most one of each session at a time, in their order."""
    rows = np.flatnonzero(teaches)
    while len(rows):
        own = sessions[rows]
        first = np.unique(own, return_index=True)[1] if np.any(own[1:] <= own[:-1]) else slice(None)
        yield rows[first]
        rows = np.delete(rows, first)
