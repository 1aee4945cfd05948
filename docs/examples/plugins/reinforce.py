"""`reinforce`: the oldest policy gradient, an on-policy trainer in one file.

To install it, put this file beside a `pyproject.toml` with

    [project.entry-points."phantom_core.trainers"]
    reinforce = "reinforce:ReinforceTrainer"

    [project.entry-points."phantom_core.policies"]
    linear-softmax = "reinforce:SoftmaxPolicy"
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import gymnasium as gym
import numpy as np

import phantom_core as ph

Array = np.ndarray[Any, np.dtype[np.float64]]


class SoftmaxPolicy(ph.Policy):
    """Draws actions with the probabilities softmax(observation · weights); takes the likeliest at the end.

    Attributes:
        weights: float64 array [size of an observation, actions].
    """

    def __init__(self, observation_space: gym.Space[Any], action_space: gym.Space[Any]) -> None:
        """Make weights of zeros; raise `ConfigError` for other spaces than a flat Box and Discrete."""
        super().__init__(observation_space, action_space)
        if not isinstance(observation_space, gym.spaces.Box) or len(observation_space.shape) != 1:
            raise ph.errors.ConfigError(f"reinforce observes {observation_space}. Expected a flat Box.")
        if not isinstance(action_space, gym.spaces.Discrete) or action_space.start != 0:
            raise ph.errors.ConfigError(f"reinforce acts in {action_space}. Expected Discrete from 0.")
        self.weights: Array = np.zeros((*observation_space.shape, int(action_space.n)))

    def probabilities(self, observations: Any) -> Array:
        """Return the probabilities [B, actions] for observations [B, size]."""
        logits = np.asarray(observations, np.float64) @ self.weights
        weights = np.exp(logits - logits.max(axis=1, keepdims=True))
        return np.asarray(weights / weights.sum(axis=1, keepdims=True))

    def compute_action(self, observation: ph.Observation) -> int:
        """Return the likeliest action."""
        return int(np.argmax(observation @ self.weights))

    def sample_actions(
        self, observations: Any, rng: ph.RowStreams
    ) -> tuple[Sequence[int], Mapping[str, Any]]:
        """Draw an action for each observation."""
        bounds = self.probabilities(observations).cumsum(axis=1)[:, :-1]
        return (np.asarray(rng.uniform())[:, None] >= bounds).sum(axis=1).tolist(), {}

    def state_dict(self) -> dict[str, Any]:
        """Return the weights."""
        return {"weights": self.weights.copy()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over weights."""
        self.weights = np.array(state["weights"])


@dataclass(frozen=True)
class ReinforceConfig:
    """Settings of the trainer `reinforce`."""

    lr: float = 4.0
    """Step size."""
    gamma: float = 0.99
    """Discount factor per decision."""
    episodes: int = 16
    """Episodes between two updates."""


class ReinforceTrainer(ph.Trainer):
    """Makes actions likelier the more was earned after them, learning from whole episodes.

        θ ← θ + α mean[(Gₜ − b(t)) ∇ log π(aₜ | oₜ)]        b(t): the mean of Gₜ at step t

    Returns are divided by their standard deviation, so that one step size does for all envs.

    Source: Williams 1992, Machine Learning 8, 229-256.
    """

    config_class = ReinforceConfig
    policy_class = SoftmaxPolicy
    conformance: Mapping[str, Any] = {"bootstraps": False}  # for `phantom plugins check`

    def collect_plan(self) -> ph.CollectPlan:
        """Ask for whole episodes."""
        return ph.CollectPlan(episodes=self.config.episodes)

    def update(
        self, policy_id: ph.PolicyID, policy: SoftmaxPolicy, batch: ph.Batch, rng: np.random.Generator
    ) -> Mapping[str, float]:
        """Make one step along the gradient."""
        of = batch.trajectories
        returns = returns_of(of, self.config.gamma)
        sums, counts = np.bincount(of.steps, returns), np.bincount(of.steps)
        advantages = returns - (sums / np.maximum(counts, 1))[of.steps]
        advantages /= advantages.std() + 1e-8
        chosen = np.eye(policy.weights.shape[1])[of.actions]
        towards = (chosen - policy.probabilities(of.observations)) * advantages[:, None]
        policy.weights += self.config.lr * of.observations.T @ towards / len(batch)
        return {"return": float(returns[of.starts[:-1]].mean())}


def returns_of(of: ph.Trajectories, gamma: float) -> Array:
    """Return Gₜ = rₜ + γ Gₜ₊₁ of each decision."""
    returns = of.rewards.copy()
    for start, end in zip(of.starts, of.starts[1:], strict=False):
        for row in range(end - 2, start - 1, -1):
            returns[row] += gamma * returns[row + 1]
    return returns
