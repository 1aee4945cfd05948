"""`recurrent-reinforce`: a policy with a memory, and the gradient through time, in one file with NumPy.

To install it, put this file beside a `pyproject.toml` with

    [project.entry-points."phantom_core.trainers"]
    recurrent-reinforce = "recurrent_reinforce:RecurrentReinforceTrainer"

    [project.entry-points."phantom_core.policies"]
    elman = "recurrent_reinforce:ElmanPolicy"
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import gymnasium as gym
import numpy as np

import phantom_core as ph

Array = np.ndarray[Any, np.dtype[np.float64]]


class ElmanPolicy(ph.RecurrentPolicy):
    """A recurrent network: hₜ = tanh(oₜ Wᵢ + hₜ₋₁ Wₕ), and the softmax of hₜ Wₒ.

    Attributes:
        weights: float64 arrays by name.
    """

    def __init__(
        self, observation_space: gym.Space[Any], action_space: gym.Space[Any], hidden: int = 16
    ) -> None:
        """Make the weights; raise `ConfigError` for other spaces than a flat Box and Discrete."""
        super().__init__(observation_space, action_space)
        if not isinstance(observation_space, gym.spaces.Box) or len(observation_space.shape) != 1:
            raise ph.errors.ConfigError(f"recurrent-reinforce sees {observation_space}. Expected a flat Box.")
        if not isinstance(action_space, gym.spaces.Discrete) or action_space.start != 0:
            raise ph.errors.ConfigError(
                f"recurrent-reinforce acts in {action_space}. Expected Discrete from 0."
            )
        self.weights: dict[str, Array] = {
            "in": np.zeros((*observation_space.shape, hidden)),
            "hidden": np.eye(hidden),  # a memory that lasts: Le et al. 2015, arXiv:1504.00941
            "out": np.zeros((hidden, int(action_space.n))),
        }

    def seed(self, rng: np.random.Generator) -> None:
        """Draw the weights of the input."""
        self.weights["in"] = rng.normal(0.0, 0.5, self.weights["in"].shape)

    def initial_state(self) -> Array:
        """Remember nothing."""
        return np.zeros(len(self.weights["hidden"]))

    def step(self, observations: Any, state: Array) -> tuple[Array, Array]:
        """Return the probabilities [B, actions] of B actions, and the states [B, hidden] after them."""
        after = np.tanh(np.asarray(observations) @ self.weights["in"] + state @ self.weights["hidden"])
        logits = after @ self.weights["out"]
        weights = np.exp(logits - logits.max(axis=-1, keepdims=True))
        return weights / weights.sum(axis=-1, keepdims=True), after

    def compute_actions(self, observations: Any, state: Array) -> tuple[Sequence[int], Array]:
        """Return the likeliest actions."""
        probabilities, after = self.step(observations, state)
        return probabilities.argmax(axis=1).tolist(), after

    def sample_actions(
        self, observations: Any, rng: ph.RowStreams, state: Array
    ) -> tuple[Sequence[int], Mapping[str, Any], Array]:
        """Draw an action for each observation."""
        probabilities, after = self.step(observations, state)
        bounds = probabilities.cumsum(axis=1)[:, :-1]
        return (np.asarray(rng.uniform())[:, None] >= bounds).sum(axis=1).tolist(), {}, after

    def state_dict(self) -> dict[str, Any]:
        """Return the weights."""
        return {name: weights.copy() for name, weights in self.weights.items()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over weights."""
        self.weights = {name: np.array(weights) for name, weights in state.items()}


@dataclass(frozen=True)
class RecurrentReinforceConfig:
    """Settings of the trainer `recurrent-reinforce`."""

    lr: float = 0.2
    """Step size: how far the weights move together in an update."""
    gamma: float = 0.99
    """Discount factor per decision."""
    episodes: int = 32
    """Episodes between two updates."""
    hidden: int = 16
    """Size of the memory."""


class RecurrentReinforceTrainer(ph.Trainer):
    """REINFORCE for a policy with a memory: the gradient goes back through all steps of an episode.

        θ ← θ + α g / |g|        g = Σ (Gₜ − b(t)) ∇ log π(aₜ | oₜ, hₜ₋₁),   b(t): the mean of Gₜ at step t

    Sources: Williams 1992, Machine Learning 8, 229-256; Werbos 1990, Proceedings of the IEEE 78, 1550-1560.
    """

    config_class = RecurrentReinforceConfig
    policy_class = ElmanPolicy
    conformance: Mapping[str, Any] = {"bootstraps": False}  # for `phantom plugins check`

    def policy_settings(self) -> Mapping[str, Any]:
        """Let the policy have a memory of that size."""
        return {"hidden": self.config.hidden}

    def collect_plan(self) -> ph.CollectPlan:
        """Ask for whole episodes."""
        return ph.CollectPlan(episodes=self.config.episodes)

    def update(
        self, policy_id: ph.PolicyID, policy: ElmanPolicy, batch: ph.Batch, rng: np.random.Generator
    ) -> Mapping[str, float]:
        """Make one step along the gradient."""
        of = batch.trajectories
        returns = returns_of(of, self.config.gamma)
        sums, counts = np.bincount(of.steps, returns), np.bincount(of.steps)
        advantages = returns - (sums / np.maximum(counts, 1))[of.steps]
        gradient = self.gradient(policy, of, advantages)
        length = np.sqrt(sum((part**2).sum() for part in gradient.values())) + 1e-12
        for name, part in gradient.items():
            policy.weights[name] += self.config.lr * part / length
        return {"return": float(returns[of.starts[:-1]].mean())}

    def gradient(self, policy: ElmanPolicy, of: ph.Trajectories, advantages: Array) -> dict[str, Array]:
        """Return Σ advantage · ∇ log π by name of the weights."""
        lengths = np.diff(of.starts)
        which = np.repeat(np.arange(len(of)), lengths)  # the trajectory of each decision
        place = np.arange(len(which)) - of.starts[which], which
        inputs = np.zeros((lengths.max(), len(of), of.observations.shape[1]))  # [T, K, size], 0 after the end
        inputs[place] = of.observations
        states, probabilities = [of.initial_states], []
        for observations in inputs:
            chances, after = policy.step(observations, states[-1])
            probabilities.append(chances)
            states.append(after)
        towards = np.zeros((*inputs.shape[:2], policy.weights["out"].shape[1]))
        chosen = np.eye(towards.shape[2])[of.actions]
        towards[place] = (chosen - np.stack(probabilities)[place]) * advantages[:, None]
        found = {name: np.zeros_like(weights) for name, weights in policy.weights.items()}
        later = 0.0
        for t in reversed(range(len(inputs))):
            back = (towards[t] @ policy.weights["out"].T + later) * (1.0 - states[t + 1] ** 2)
            found["in"] += inputs[t].T @ back
            found["hidden"] += states[t].T @ back
            found["out"] += states[t + 1].T @ towards[t]
            later = back @ policy.weights["hidden"].T
        return found


def returns_of(of: ph.Trajectories, gamma: float) -> Array:
    """Return Gₜ = rₜ + γ Gₜ₊₁ of each decision."""
    returns = of.rewards.copy()
    for start, end in zip(of.starts, of.starts[1:], strict=False):
        for row in range(end - 2, start - 1, -1):
            returns[row] += gamma * returns[row + 1]
    return returns
