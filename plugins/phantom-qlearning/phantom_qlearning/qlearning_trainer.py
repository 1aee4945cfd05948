"""`QLearningTrainer`: one-step Q-learning on tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

import phantom_core as ph
from phantom_qlearning.q_table_policy import QTablePolicy


@dataclass(frozen=True)
class QLearningConfig:
    """Settings of the trainer `q-learning`."""

    alpha: float = 0.1
    """Step size at the start of the run."""
    alpha_final: float = 0.01
    """Step size at the end of its schedule."""
    gamma: float = 0.99
    """Discount factor per decision."""
    epsilon: float = 1.0
    """Probability of a random action at the start of the run."""
    epsilon_final: float = 0.05
    """Probability of a random action at the end of its schedule."""
    decay_fraction: float = 0.8
    """Share of the run over which `alpha` and `epsilon` go linearly to their final values."""
    episodes_per_iteration: int = 10
    """Episodes that are played between two updates of the table."""

    def __post_init__(self) -> None:
        """Refuse values outside their range."""
        for name in ("alpha", "alpha_final", "gamma", "epsilon", "epsilon_final", "decay_fraction"):
            value = getattr(self, name)
            if not 0.0 <= value <= 1.0:
                raise ph.errors.ConfigError(f"q-learning got {name}={value}. Expected a number from 0 to 1.")
        if self.episodes_per_iteration < 1:
            raise ph.errors.ConfigError(
                f"q-learning got episodes_per_iteration={self.episodes_per_iteration}. "
                "Expected a positive number."
            )


class QLearningTrainer(ph.Trainer):
    """Learns the value of each action in each observation from one step at a time.

    After a decision with observation s, action a, reward r and next observation s′:

        Q(s, a) ← Q(s, a) + α [r + γ maxₐ′ Q(s′, a′) − Q(s, a)]

    Where the episode terminated after the decision nothing follows, and the target is r. Where it was
    truncated, s′ is the final observation, and its value counts: a time limit is not an end of the
    world. A decision that was cut off without a next observation teaches nothing and is left out.

    Behaviour while learning is ε-greedy. Actions are sampled with the table of the iteration's start;
    Q-learning is off-policy, so this changes which decisions are seen, not what they teach.

    Source: Watkins and Dayan 1992, "Q-learning", Machine Learning 8, 279-292.
    """

    config_class = QLearningConfig
    policy_class = QTablePolicy
    keep_last = ("alpha", "epsilon")

    def collect_plan(self) -> ph.CollectPlan:
        """Play whole episodes in one copy of the env."""
        return ph.CollectPlan(episodes=self.config.episodes_per_iteration)

    def begin_round(self, policy_id: ph.PolicyID, policy: ph.Policy) -> None:
        """Set the probability of a random action."""
        assert isinstance(policy, QTablePolicy)
        policy.epsilon = self._scheduled(self.config.epsilon, self.config.epsilon_final)

    def update(
        self,
        policy_id: ph.PolicyID,
        policy: ph.Policy,
        batch: ph.Batch,
        rng: np.random.Generator,
    ) -> Mapping[str, float]:
        """Apply the update to every decision in the order in which they were made."""
        assert isinstance(policy, QTablePolicy)
        alpha = self._scheduled(self.config.alpha, self.config.alpha_final)
        errors = [learn(policy, trajectory, alpha, self.config.gamma) for trajectory in batch.trajectories]
        mean_error = sum(errors) / max(1, len(batch))
        return {"td_error": mean_error, "alpha": alpha, "epsilon": policy.epsilon}

    def _scheduled(self, first: float, final: float) -> float:
        """Return where a linear schedule from `first` to `final` stands now."""
        share = self.config.decay_fraction
        done = min(1.0, self.progress / share) if share else 1.0
        return first + (final - first) * done


def learn(policy: QTablePolicy, trajectory: ph.Trajectory, alpha: float, gamma: float) -> float:
    """Apply the update to one trajectory; return the sum of the absolute errors Σ|target − Q(s, a)|."""
    table, s0, a0 = policy.table, policy.first_observation, policy.first_action
    observations = [*trajectory.observations, trajectory.next_observation]
    total = 0.0
    last = len(trajectory) - 1
    for t, (action, reward) in enumerate(zip(trajectory.actions, trajectory.rewards, strict=True)):
        if t == last and trajectory.terminated:
            target = reward
        elif observations[t + 1] is None:
            continue
        else:
            target = reward + gamma * max(table[observations[t + 1] - s0])
        row = table[observations[t] - s0]
        error = target - row[action - a0]
        row[action - a0] += alpha * error
        total += abs(error)
    return total
