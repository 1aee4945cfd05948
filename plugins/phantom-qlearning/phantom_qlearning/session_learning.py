"""`SessionLearning`: Q-learning in many independent sessions at once, with arithmetic on arrays."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
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
        self._reported = {name: np.zeros(policy.num_copies) for name in ("reward", "td_error")}
        self._begin_report()

    def learn(self, rows: ph.Transitions, gamma: float) -> None:
        """Change one value for each decision: Q(s, a) ← Q(s, a) + α [r + γ maxₐ′ Q(s′, a′) − Q(s, a)].

        Args:
            rows: decisions in any sessions; those of one session are learned from one after the other.
            gamma: γ.
        """
        sessions, policy, of = rows.env_indices, self.policy, self.policy.observations
        places, allowed = of.arrays(rows.observations)
        after, allowed_after = of.arrays(rows.next_observations)
        places, after = policy.rows(sessions, places), policy.rows(sessions, after)
        actions = rows.actions - policy.first_action if policy.first_action else rows.actions
        has_terminated = np.count_nonzero(rows.terminated)
        for turn in _turns(sessions, rows.terminated | rows.has_next):
            place, following, action, reward = places[turn], after[turn], actions[turn], rows.rewards[turn]
            best = policy.best(following, None if allowed_after is None else allowed_after[turn])
            value = gamma * policy.values(following, best)
            if has_terminated:
                value[rows.terminated[turn]] = 0.0
            errors, changed = policy.move(
                place, action, reward + value, self.alpha, None if allowed is None else allowed[turn]
            )
            own = sessions[turn]
            self.changed_at[own[changed]] = self.env_steps
            who = slice(None) if len(own) == policy.num_copies else own
            self._errors[who] += np.abs(errors)
            self._earned[who] += reward
            self._decisions[who] += 1

    def report(self) -> dict[str, NDArray[np.float64]]:
        """Return for each session what it earned by decision, and how wrong it was; begin to count anew.

        What is said of one that decided nothing since stays what was said last.
        """
        decided = self._decisions > 0
        for name, sums in (("reward", self._earned), ("td_error", self._errors)):
            np.divide(sums, self._decisions, out=self._reported[name], where=decided)
        self._begin_report()
        return {name: values.copy() for name, values in self._reported.items()}

    def state_dict(self) -> dict[str, Any]:
        """Return when greedy actions changed last, and what was reported."""
        reported = {name: values.copy() for name, values in self._reported.items()}
        return {"changed_at": self.changed_at.copy(), "reported": reported}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over what `state_dict` returned."""
        self.changed_at = np.array(state["changed_at"], np.int64)
        self._reported = {name: np.array(values, np.float64) for name, values in state["reported"].items()}

    def _begin_report(self) -> None:
        self._errors, self._earned = np.zeros((2, self.policy.num_copies))
        self._decisions = np.zeros(self.policy.num_copies, np.int64)


def over_sessions(name: str, values: NDArray[Any]) -> dict[str, float]:
    """Return the mean of a quantity over sessions, and its quantiles."""
    quantiles = zip(QUANTILES, np.quantile(values, QUANTILES).tolist(), strict=True)
    return {name: float(values.mean())} | {f"{name}_q{100 * q:.0f}": value for q, value in quantiles}


def _turns(sessions: NDArray[np.int64], teaches: NDArray[np.bool_]) -> Iterator[Any]:
    """Yield an index of rows that teach, in their order, at most one of each session at a time."""
    is_rising = np.count_nonzero(sessions[1:] > sessions[:-1]) == len(sessions) - 1
    if is_rising and np.count_nonzero(teaches) == len(teaches):
        yield slice(None)
        return
    rows = np.flatnonzero(teaches)
    while len(rows):
        first = slice(None) if is_rising else np.unique(sessions[rows], return_index=True)[1]
        yield rows[first]
        rows = np.delete(rows, first)
