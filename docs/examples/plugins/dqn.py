"""`torch-dqn`: a deep Q-network in PyTorch, an off-policy trainer in one file.

To install it, put this file beside a `pyproject.toml` with

    [project.entry-points."phantom_core.trainers"]
    torch-dqn = "dqn:DQNTrainer"

    [project.entry-points."phantom_core.policies"]
    q-network = "dqn:QNetworkPolicy"
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from functools import partial
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from torch import nn

import phantom_core as ph


class QNetworkPolicy(ph.Policy):
    """Takes the action that the network values most; with probability `epsilon` any, while it learns."""

    def __init__(
        self, observation_space: gym.Space[Any], action_space: gym.Space[Any], hidden: int = 256
    ) -> None:
        """Make a network; raise `ConfigError` for other spaces than a flat Box and Discrete."""
        super().__init__(observation_space, action_space)
        if not isinstance(observation_space, gym.spaces.Box) or len(observation_space.shape) != 1:
            raise ph.errors.ConfigError(f"torch-dqn observes {observation_space}. Expected a flat Box.")
        if not isinstance(action_space, gym.spaces.Discrete) or action_space.start != 0:
            raise ph.errors.ConfigError(f"torch-dqn acts in {action_space}. Expected Discrete from 0.")
        layer = partial(torch.nn.utils.skip_init, nn.Linear)  # the weights are drawn in seed()
        (size,), number = observation_space.shape, int(action_space.n)
        layers = layer(size, hidden), nn.ReLU(), layer(hidden, hidden), nn.ReLU(), layer(hidden, number)
        self.network, self.epsilon = nn.Sequential(*layers), 0.0
        self.seed(np.random.default_rng(0))

    def seed(self, rng: np.random.Generator) -> None:
        """Draw the weights."""
        for layer in self.network[::2]:
            bound = layer.in_features**-0.5
            for weights in layer.parameters():
                weights.data[...] = torch.from_numpy(rng.uniform(-bound, bound, weights.shape))

    def compute_actions(self, observations: Any) -> Sequence[int]:
        """Return the best actions."""
        with torch.no_grad():
            return self.network(torch.tensor(observations, dtype=torch.float32)).argmax(1).tolist()

    def compute_action(self, observation: ph.Observation) -> int:
        """Return the best action."""
        return self.compute_actions(observation[None])[0]

    def sample_actions(
        self, observations: Any, rng: ph.RowStreams
    ) -> tuple[Sequence[int], Mapping[str, Any]]:
        """Return the best actions, or with probability ε any."""
        best, number = self.compute_actions(observations), self.action_space.n
        draws = zip(best, rng.uniform(), strict=True)
        return [int(u / self.epsilon * number) if u < self.epsilon else action for action, u in draws], {}

    def state_dict(self) -> dict[str, Any]:
        """Return the weights."""
        return {name: weights.numpy().copy() for name, weights in self.network.state_dict().items()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over weights."""
        self.network.load_state_dict({name: torch.tensor(weights) for name, weights in state.items()})


@dataclass(frozen=True)
class DQNConfig:
    """Settings of the trainer `torch-dqn`; the defaults are for CartPole."""

    lr: float = 2.3e-3
    """Step size of Adam."""
    gamma: float = 0.99
    """Discount factor per decision."""
    capacity: int = 100_000
    """Transitions that are kept."""
    warm_up: int = 1000
    """Transitions before the first update."""
    steps: int = 256
    """Env steps of a round."""
    rounds: int = 8
    """Rounds of an iteration; the target network is renewed in each."""
    gradient_steps: int = 128
    """Steps of the optimiser in a round."""
    batch_size: int = 64
    """Transitions drawn for each."""
    exploration: float = 0.16
    """Share of the run in which the probability of a random action falls from 1."""
    last_epsilon: float = 0.04
    """Probability of a random action afterwards."""
    hidden: int = 256
    """Units of each of the two hidden layers."""


class DQNTrainer(ph.Trainer):
    """Learns the values of actions from replayed transitions, towards a target network.

        target = r + γ maxₐ Q_target(o′, a)        loss: that of Huber between Q(o, a) and the target

    Source: Mnih et al. 2015, "Human-level control through deep reinforcement learning", Nature 518.
    """

    config_class = DQNConfig
    policy_class = QNetworkPolicy
    keep_last = ("epsilon",)

    def __init__(self, **settings: Any) -> None:
        """Check the settings."""
        super().__init__(**settings)
        self.buffers: dict[ph.PolicyID, ph.ReplayBuffer] = {}
        self.optimisers: dict[ph.PolicyID, torch.optim.Adam] = {}

    def policy_settings(self) -> Mapping[str, Any]:
        """Let the network have that size."""
        return {"hidden": self.config.hidden}

    def setup(self, policy_id: ph.PolicyID, policy: QNetworkPolicy, rng: np.random.Generator) -> None:
        """Make a buffer and an optimiser."""
        self.buffers[policy_id] = ph.ReplayBuffer(
            policy.observation_space, policy.action_space, self.config.capacity, gamma=self.config.gamma
        )
        self.optimisers[policy_id] = torch.optim.Adam(policy.network.parameters(), self.config.lr)

    def collect_plan(self) -> ph.CollectPlan:
        """Ask for some steps."""
        return ph.CollectPlan(steps=self.config.steps, rounds=self.config.rounds)

    def begin_round(self, policy_id: ph.PolicyID, policy: QNetworkPolicy) -> None:
        """Let the policy explore, less and less."""
        left = 1.0 - self.progress / self.config.exploration
        policy.epsilon = max(self.config.last_epsilon, left)

    def update(
        self, policy_id: ph.PolicyID, policy: QNetworkPolicy, batch: ph.Batch, rng: np.random.Generator
    ) -> Mapping[str, float]:
        """Keep what happened, and learn from draws of all that was kept."""
        buffer, optimiser = self.buffers[policy_id], self.optimisers[policy_id]
        buffer.add(batch.transitions)
        if len(buffer) < self.config.warm_up:
            return {"epsilon": policy.epsilon}
        target, losses = deepcopy(policy.network), []
        for _ in range(self.config.gradient_steps):
            drawn = buffer.sample(self.config.batch_size, rng)
            now, after, rewards, discounts = (
                torch.tensor(part, dtype=torch.float32)
                for part in (drawn.observations, drawn.next_observations, drawn.rewards, drawn.discounts)
            )
            with torch.no_grad():
                targets = rewards + discounts * target(after).amax(1)
            values = policy.network(now).gather(1, torch.tensor(drawn.actions)[:, None])[:, 0]
            loss = nn.functional.smooth_l1_loss(values, targets)
            optimiser.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(policy.network.parameters(), 10.0)
            optimiser.step()
            losses.append(loss.item())
        return {"epsilon": policy.epsilon, "loss": float(np.mean(losses))}

    def state_dict(self) -> dict[str, Any]:
        """Return buffers and the moments of the optimisers."""
        moments = {
            policy_id: [[part.numpy().copy() for part in slot.values()] for slot in adam.state.values()]
            for policy_id, adam in self.optimisers.items()
        }
        return {"buffers": {i: own.state_dict() for i, own in self.buffers.items()}, "moments": moments}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take them over."""
        for policy_id, saved in state["moments"].items():
            self.buffers[policy_id].load_state_dict(state["buffers"][policy_id])
            adam = self.optimisers[policy_id]
            for weights, parts in zip(adam.param_groups[0]["params"], saved, strict=False):
                names = ("step", "exp_avg", "exp_avg_sq")
                adam.state[weights] = dict(zip(names, map(torch.tensor, parts), strict=True))
