"""`recurrent-actor-critic`: an actor and a critic with one memory, in PyTorch, in one file.

To install it, put this file beside a `pyproject.toml` with

    [project.entry-points."phantom_core.trainers"]
    recurrent-actor-critic = "recurrent_actor_critic:RecurrentActorCriticTrainer"

    [project.entry-points."phantom_core.policies"]
    gru = "recurrent_actor_critic:GRUPolicy"
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from torch import nn
from torch.distributions import Categorical
from torch.nn.utils import skip_init

import phantom_core as ph


class GRUPolicy(ph.RecurrentPolicy):
    """A gated recurrent unit; actions are drawn by logits of its memory, which a value is read from, too."""

    def __init__(
        self, observation_space: gym.Space[Any], action_space: gym.Space[Any], hidden: int = 32
    ) -> None:
        """Make a network; raise `ConfigError` for other spaces than a flat Box and Discrete."""
        super().__init__(observation_space, action_space)
        if not isinstance(observation_space, gym.spaces.Box) or len(observation_space.shape) != 1:
            raise ph.errors.ConfigError(
                f"recurrent-actor-critic sees {observation_space}. Expected a flat Box."
            )
        if not isinstance(action_space, gym.spaces.Discrete) or action_space.start != 0:
            raise ph.errors.ConfigError(f"recurrent-actor-critic acts in {action_space}. Expected Discrete.")
        self.network = nn.ModuleDict(  # the weights are drawn in seed()
            {
                "memory": skip_init(nn.GRUCell, *observation_space.shape, hidden),
                "actor": skip_init(nn.Linear, hidden, int(action_space.n)),
                "critic": skip_init(nn.Linear, hidden, 1),
            }
        )
        self.hidden = hidden
        self.seed(np.random.default_rng(0))

    def seed(self, rng: np.random.Generator) -> None:
        """Draw the weights."""
        bound = self.hidden**-0.5
        for weights in self.network.parameters():
            weights.data[...] = torch.from_numpy(rng.uniform(-bound, bound, weights.shape))

    def initial_state(self) -> np.ndarray:
        """Remember nothing."""
        return np.zeros(self.hidden, np.float32)

    def logits(self, observations: Any, state: Any) -> tuple[torch.Tensor, torch.Tensor]:
        """Return logits [B, actions], and states [B, hidden]."""
        after = self.network["memory"](
            *(torch.tensor(part, dtype=torch.float32) for part in (observations, state))
        )
        return self.network["actor"](after), after

    @torch.no_grad()
    def compute_actions(self, observations: Any, state: Any) -> tuple[Sequence[int], np.ndarray]:
        """Return the likeliest actions."""
        logits, after = self.logits(observations, state)
        return logits.argmax(1).tolist(), after.numpy()

    @torch.no_grad()
    def sample_actions(
        self, observations: Any, rng: ph.RowStreams, state: Any
    ) -> tuple[Sequence[int], Mapping[str, Any], np.ndarray]:
        """Draw an action for each observation."""
        logits, after = self.logits(observations, state)
        bounds = logits.softmax(1).cumsum(1)[:, :-1]
        return (torch.tensor(rng.uniform())[:, None] >= bounds).sum(1).tolist(), {}, after.numpy()

    def state_dict(self) -> dict[str, Any]:
        """Return the weights."""
        return {name: weights.numpy().copy() for name, weights in self.network.state_dict().items()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over weights."""
        self.network.load_state_dict({name: torch.tensor(weights) for name, weights in state.items()})


@dataclass(frozen=True)
class RecurrentActorCriticConfig:
    """Settings of the trainer `recurrent-actor-critic`."""

    lr: float = 0.01
    """Step size of Adam."""
    gamma: float = 0.95
    """Discount factor per decision."""
    steps: int = 256
    """Env steps between two updates, in all copies."""
    copies: int = 8
    """Copies of the env that are played side by side."""
    entropy: float = 0.01
    """How much the entropy of the policy counts."""
    hidden: int = 32
    """Size of the memory."""


class RecurrentActorCriticTrainer(ph.Trainer):
    """An advantage actor-critic whose gradient goes back through the steps of each trajectory.

        Rₜ = rₜ + γ Rₜ₊₁, from the value of what followed        loss = mean[-Â log π + (R - V)² / 2 - β H(π)]

    Â is R - V, divided by its standard deviation. Trajectories end with the collection; each begins with the
    memory that the agent had there.

    Source: Mnih et al. 2016, "Asynchronous methods for deep reinforcement learning", arXiv:1602.01783.
    """

    config_class = RecurrentActorCriticConfig
    policy_class = GRUPolicy

    def __init__(self, **settings: Any) -> None:
        """Check the settings."""
        super().__init__(**settings)
        self.optimisers: dict[ph.PolicyID, torch.optim.Adam] = {}

    def policy_settings(self) -> Mapping[str, Any]:
        """Let the memory have that size."""
        return {"hidden": self.config.hidden}

    def setup(self, policy_id: ph.PolicyID, policy: GRUPolicy, rng: np.random.Generator) -> None:
        """Make an optimiser."""
        self.optimisers[policy_id] = torch.optim.Adam(policy.network.parameters(), self.config.lr)

    def collect_plan(self) -> ph.CollectPlan:
        """Ask for steps in some copies."""
        return ph.CollectPlan(steps=self.config.steps, copies=self.config.copies)

    def update(
        self, policy_id: ph.PolicyID, policy: GRUPolicy, batch: ph.Batch, rng: np.random.Generator
    ) -> Mapping[str, float]:
        """Make one step of the optimiser."""
        of, lengths = batch.trajectories, np.diff(batch.trajectories.starts)
        which = np.repeat(np.arange(len(of)), lengths)  # the trajectory of each decision
        place = np.arange(len(which)) - of.starts[which], which
        inputs = np.zeros((lengths.max() + 1, len(of), of.observations.shape[1]), np.float32)
        inputs[place] = of.observations
        inputs[lengths, np.arange(len(of))] = of.next_observations
        memory, memories = torch.tensor(batch.initial_states), []
        for observations in torch.tensor(inputs):
            memory = policy.network["memory"](observations, memory)
            memories.append(memory)
        padded = policy.network["critic"](torch.stack(memories))[..., 0]
        values, choices = (
            padded[place],
            Categorical(logits=policy.network["actor"](torch.stack(memories)[place])),
        )
        follows = padded.detach().numpy()[lengths, np.arange(len(of))] * of.has_next * ~of.terminated
        returns = torch.tensor(returns_of(of, follows, self.config.gamma), dtype=torch.float32)
        advantages = (returns - values).detach()
        gains = advantages / (advantages.std() + 1e-8) * choices.log_prob(torch.tensor(of.actions))
        entropy = choices.entropy().mean()
        loss = (returns - values).square().mean() / 2 - gains.mean() - self.config.entropy * entropy
        self.optimisers[policy_id].zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(policy.network.parameters(), 0.5)
        self.optimisers[policy_id].step()
        return {"loss": loss.item(), "entropy": entropy.item()}

    def state_dict(self) -> dict[str, Any]:
        """Return the moments of the optimisers."""
        return {
            policy_id: [[part.numpy().copy() for part in slot.values()] for slot in adam.state.values()]
            for policy_id, adam in self.optimisers.items()
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take them over."""
        for policy_id, saved in state.items():
            adam = self.optimisers[policy_id]
            for weights, parts in zip(adam.param_groups[0]["params"], saved, strict=False):
                names = ("step", "exp_avg", "exp_avg_sq")
                adam.state[weights] = dict(zip(names, map(torch.tensor, parts), strict=True))


def returns_of(of: ph.Trajectories, follows: np.ndarray, gamma: float) -> np.ndarray:
    """Return Rₜ of each decision, from the values of what followed each trajectory."""
    returns = of.rewards.copy()
    for start, end, following in zip(of.starts, of.starts[1:], follows, strict=False):
        later = following
        for row in reversed(range(start, end)):
            later = returns[row] = returns[row] + gamma * later
    return returns
