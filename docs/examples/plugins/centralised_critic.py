"""`central-critic`: an actor-critic whose critic sees the state of the whole env, in one file.

To install it, put this file beside a `pyproject.toml` with

    [project.entry-points."phantom_core.trainers"]
    central-critic = "centralised_critic:CentralCriticTrainer"

    [project.entry-points."phantom_core.policies"]
    preferences = "centralised_critic:PreferencePolicy"
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import gymnasium as gym
import numpy as np

import phantom_core as ph

Array = np.ndarray[Any, np.dtype[np.float64]]


class PreferencePolicy(ph.Policy):
    """Draws actions by the softmax of a table of preferences; takes the preferred one at the end.

    Attributes:
        preferences: float64 array [observations, actions].
    """

    def __init__(self, observation_space: gym.Space[Any], action_space: gym.Space[Any]) -> None:
        """Make a table of zeros; raise `ConfigError` if a space does not count as finite."""
        super().__init__(observation_space, action_space)
        if not isinstance(action_space, gym.spaces.Discrete) or action_space.start != 0:
            raise ph.errors.ConfigError(f"central-critic acts in {action_space}. Expected Discrete from 0.")
        self.preferences: Array = np.zeros((size_of(observation_space), int(action_space.n)))

    def probabilities(self, rows: Any) -> Array:
        """Return the probabilities [B, actions] in B rows of the table."""
        weights = np.exp(self.preferences[rows] - self.preferences[rows].max(axis=1, keepdims=True))
        return np.asarray(weights / weights.sum(axis=1, keepdims=True))

    def compute_action(self, observation: ph.Observation) -> int:
        """Return the preferred action."""
        return int(np.argmax(self.preferences[numbers_of(self.observation_space, [observation])[0]]))

    def sample_actions(
        self, observations: Any, rng: ph.RowStreams
    ) -> tuple[Sequence[int], Mapping[str, Any]]:
        """Draw an action for each observation."""
        rows = numbers_of(self.observation_space, observations)
        bounds = self.probabilities(rows).cumsum(axis=1)[:, :-1]
        return (np.asarray(rng.uniform())[:, None] >= bounds).sum(axis=1).tolist(), {}

    def state_dict(self) -> dict[str, Any]:
        """Return the table."""
        return {"preferences": self.preferences.copy()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over a table."""
        self.preferences = np.array(state["preferences"])


@dataclass(frozen=True)
class CentralCriticConfig:
    """Settings of the trainer `central-critic`."""

    actor_lr: float = 2.0
    """Step size of the policy."""
    critic_lr: float = 0.3
    """Step size of the critic."""
    gamma: float = 0.95
    """Discount factor per decision."""
    steps: int = 200
    """Env steps between two updates."""


class CentralCriticTrainer(ph.Trainer):
    """Actors that see what an agent sees, judged by a critic that sees the state s of the whole env.

        δ = r + γ V(s′) − V(s)        V(s) ← V(s) + β δ        θ ← θ + α δ ∇ log π(a | o)

    The critic is not needed after training. In an env without a state it sees what the agent sees.

    Sources: Sutton and Barto 2018, section 13.5; Lowe et al. 2017, arXiv:1706.02275, for the critic.
    """

    config_class = CentralCriticConfig
    policy_class = PreferencePolicy

    def __init__(self, **settings: Any) -> None:
        """Check the settings."""
        super().__init__(**settings)
        self.critics: dict[ph.PolicyID, Array] = {}

    def setup(self, policy_id: ph.PolicyID, policy: PreferencePolicy, rng: np.random.Generator) -> None:
        """Make a critic: one value for each state."""
        self.critics[policy_id] = np.zeros(size_of(self.run.state_space or policy.observation_space))

    def collect_plan(self) -> ph.CollectPlan:
        """Ask for steps with states."""
        return ph.CollectPlan(steps=self.config.steps, needs=("state",) if self.run.state_space else ())

    def update(
        self, policy_id: ph.PolicyID, policy: PreferencePolicy, batch: ph.Batch, rng: np.random.Generator
    ) -> Mapping[str, float]:
        """Make one step of the actor and of the critic."""
        of, values, config = batch.transitions, self.critics[policy_id], self.config
        space = self.run.state_space
        seen = (of.observations, of.next_observations) if space is None else (of.states, of.next_states)
        now, after = (numbers_of(space or policy.observation_space, elements) for elements in seen)
        targets = of.rewards + config.gamma * np.where(of.terminated, 0.0, values[after])
        errors = np.where(of.has_next | of.terminated, targets - values[now], 0.0)
        rows = numbers_of(policy.observation_space, of.observations)
        towards = np.eye(policy.preferences.shape[1])[of.actions] - policy.probabilities(rows)
        weights = errors / (errors.std() + 1e-8) / len(errors)
        np.add.at(policy.preferences, rows, config.actor_lr * weights[:, None] * towards)
        visits = np.bincount(now, minlength=len(values))
        values += config.critic_lr * np.bincount(now, errors, len(values)) / np.maximum(visits, 1)
        return {"td_error": float(np.abs(errors).mean())}

    def state_dict(self) -> dict[str, Any]:
        """Return the critics."""
        return {policy_id: values.copy() for policy_id, values in self.critics.items()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over critics."""
        self.critics = {policy_id: np.array(values) for policy_id, values in state.items()}


def size_of(space: gym.Space[Any]) -> int:
    """Return how many elements a space has; raise `ConfigError` if it is not Discrete or MultiDiscrete."""
    if isinstance(space, gym.spaces.Discrete) and space.start == 0:
        return int(space.n)
    if isinstance(space, gym.spaces.MultiDiscrete) and space.nvec.ndim == 1:
        return int(space.nvec.prod())
    raise ph.errors.ConfigError(f"central-critic got {space}. Expected Discrete or MultiDiscrete, from 0.")


def numbers_of(space: gym.Space[Any], elements: Any) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Return the numbers [B] of B elements of such a space."""
    batch = np.asarray(elements)
    if isinstance(space, gym.spaces.MultiDiscrete):
        return np.asarray(np.ravel_multi_index(tuple(batch.T), tuple(space.nvec)))
    return batch
