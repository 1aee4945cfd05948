"""The trainers of q-tables: what each expects to follow a decision."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

import phantom_core as ph
from phantom_qlearning.q_table_policy import QTablePolicy
from phantom_qlearning.tabular_trainer import Learning, TabularTrainer


class QLearningTrainer(TabularTrainer):
    """Learns the value of acting as well as it can from then on: V(s′) = maxₐ′ Q(s′, a′).

    Source: Watkins and Dayan 1992, "Q-learning", Machine Learning 8, 279-292.
    """

    def value_of(self, policy: QTablePolicy, observation: Any) -> float:
        """Return the highest value of an allowed action."""
        of = policy.observations
        place = of.place(observation)
        best = policy.best(place, of.allowed(observation)) if of.is_masked else policy.greedy[place]
        return policy.table[place][best]


class ExpectedSarsaTrainer(TabularTrainer):
    """Learns the value of acting as it does: V(s′) = (1 − ε) maxₐ′ Q(s′, a′) + ε meanₐ′ Q(s′, a′).

    Source: van Seijen, van Hasselt, Whiteson and Wiering 2009, "A theoretical and empirical analysis of
    Expected Sarsa", ADPRL, 177-184.
    """

    def value_of(self, policy: QTablePolicy, observation: Any) -> float:
        """Return the mean of the values, each with the probability of its action."""
        of, epsilon = policy.observations, policy.epsilon
        place = of.place(observation)
        row, allowed = policy.table[place], of.allowed(observation)
        values = row if allowed is None else [row[action] for action in allowed]
        return (1.0 - epsilon) * max(values) + epsilon * sum(values) / len(values)


class _Pending(NamedTuple):
    """A decision whose next action is not known yet."""

    place: int
    action: int
    reward: float
    next_place: int
    episode: int
    allowed: list[int] | None


class SarsaTrainer(ExpectedSarsaTrainer):
    """Learns the value of acting as it does, from what it did next: V(s′) = Q(s′, a′).

    So it learns from a decision when the next one was made. Where there is none, after a truncation, V(s′) is
    that of expected Sarsa.

    Source: Rummery and Niranjan 1994, "On-line Q-learning using connectionist systems", CUED/F-INFENG/TR 166;
    Sutton and Barto 2018, "Reinforcement Learning", 6.4.
    """

    def learn_one(self, learning: Learning, one: ph.Transition, rng: np.random.Generator) -> None:
        """Learn from the agent's decision before this one, and from this one if it was the last."""
        policy = learning.policy
        place, action = policy.observations.place(one.observation), one.action - policy.first_action
        agent = one.env_index, repr(one.agent_id)
        before = learning.memory.pop(agent, None)
        if before is not None and (before.next_place, before.episode) == (place, one.episode):
            target = before.reward + self._gamma * policy.table[place][action]
            self.move_value(learning, before.place, before.action, target, before.allowed)
        if one.terminated or one.truncated:
            super().learn_one(learning, one, rng)
        elif one.has_next:
            of = policy.observations
            after, allowed = of.place(one.next_observation), of.allowed(one.observation)
            kept = None if allowed is None else list(allowed)
            learning.memory[agent] = _Pending(place, action, one.reward, after, one.episode, kept)

    def new_memory(self, policy: QTablePolicy) -> dict[tuple[int, str], _Pending]:
        """Return an empty dict of the newest decision of each agent in each copy."""
        return {}

    def saved(self, memory: dict[tuple[int, str], _Pending]) -> Any:
        """Return a list of them."""
        return [[*agent, *pending] for agent, pending in memory.items()]

    def loaded(self, saved: Any) -> dict[tuple[int, str], _Pending]:
        """Return the dict of a list."""
        return {(env_index, name): _Pending(*rest) for env_index, name, *rest in saved}


class DoubleQLearningTrainer(TabularTrainer):
    """Learns two tables, so that noise is not taken for value: V(s′) = Q₂(s′, argmaxₐ′ Q₁(s′, a′)).

    Q₁ is the table that a fair coin chose to change with this decision, Q₂ the other one. The policy's
    table is their mean: that is what it acts by.

    Source: van Hasselt 2010, "Double Q-learning", NeurIPS 23, 2613-2621.
    """

    def learn_one(self, learning: Learning, one: ph.Transition, rng: np.random.Generator) -> None:
        """Change one of the two tables."""
        policy = learning.policy
        changed, other = learning.memory if rng.random() < 0.5 else learning.memory[::-1]  # noqa: PLR2004
        of = policy.observations
        target = one.reward
        if not one.terminated:
            if not one.has_next:
                return
            after, allowed = of.place(one.next_observation), of.allowed(one.next_observation)
            row = changed[after]
            best = row.index(max(row)) if allowed is None else max(allowed, key=row.__getitem__)
            target += self._gamma * other[after][best]
        place, action = of.place(one.observation), one.action - policy.first_action
        error = target - changed[place][action]
        changed[place][action] += learning.alpha * error
        learning.errors += abs(error)
        learning.num_errors += 1
        mean = (changed[place][action] + other[place][action]) / 2.0
        if policy.put(place, action, mean, of.allowed(one.observation)):
            policy.changed_at = learning.env_steps

    def new_memory(self, policy: QTablePolicy) -> list[list[list[float]]]:
        """Return two tables like the policy's."""
        return [[list(row) for row in policy.table] for _ in range(2)]

    def saved(self, memory: list[list[list[float]]]) -> Any:
        """Return both as an array [2, observations, actions]."""
        return np.array(memory, dtype=np.float64)

    def loaded(self, saved: Any) -> list[list[list[float]]]:
        """Return both as lists."""
        tables: list[list[list[float]]] = np.asarray(saved).tolist()
        return tables
