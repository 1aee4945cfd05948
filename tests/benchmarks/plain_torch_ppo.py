"""PPO for CartPole in PyTorch, in one function, as single-file implementations of PPO do it.

It is a yardstick for `bench_ppo.py`: no framework, no logging, `torch.distributions`, `torch.optim.Adam`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import gymnasium as gym
import numpy as np
import torch
from torch import nn
from torch.distributions import Categorical


@dataclass(frozen=True)
class Budget:
    """How much is collected and how often it is gone through."""

    copies: int = 8
    steps: int = 128
    epochs: int = 4
    minibatch_size: int = 256
    lr: float = 3e-4
    gamma: float = 0.99
    gae_lambda: float = 0.95
    clip_range: float = 0.2
    is_annealed: bool = False
    """Whether learning rate and clip range go to 0, linearly."""


def layer(inputs: int, outputs: int, gain: float) -> nn.Linear:
    """Return a linear layer with orthogonal weights."""
    made = nn.Linear(inputs, outputs)
    nn.init.orthogonal_(made.weight, gain)
    nn.init.constant_(made.bias, 0.0)
    return made


class Agent(nn.Module):
    """Separate networks of 64 × 64 tanh units."""

    def __init__(self, inputs: int, actions: int) -> None:
        super().__init__()
        root2 = 2.0**0.5
        self.actor = nn.Sequential(
            layer(inputs, 64, root2), nn.Tanh(), layer(64, 64, root2), nn.Tanh(), layer(64, actions, 0.01)
        )
        self.critic = nn.Sequential(
            layer(inputs, 64, root2), nn.Tanh(), layer(64, 64, root2), nn.Tanh(), layer(64, 1, 1.0)
        )


def train(
    total_steps: int, budget: Budget, *, seed: int = 1, after_update: Callable[[Agent], None] | None = None
) -> Agent:
    """Train on CartPole-v1 for so many env steps; return the networks."""
    torch.manual_seed(seed)
    envs = gym.vector.SyncVectorEnv(
        [lambda: gym.make("CartPole-v1") for _ in range(budget.copies)],
        autoreset_mode=gym.vector.AutoresetMode.SAME_STEP,
    )
    agent = Agent(4, 2)
    optimizer = torch.optim.Adam(agent.parameters(), lr=budget.lr, eps=1e-5)
    shape = (budget.steps, budget.copies)
    observations = torch.zeros((*shape, 4))
    actions, log_probs, rewards, dones, values = (torch.zeros(shape) for _ in range(5))
    seen = torch.as_tensor(envs.reset(seed=seed)[0])
    done = torch.zeros(budget.copies)
    num_updates = total_steps // (budget.steps * budget.copies)
    for update in range(num_updates):
        left = 1.0 - update / num_updates if budget.is_annealed else 1.0
        optimizer.param_groups[0]["lr"] = left * budget.lr
        for step in range(budget.steps):
            observations[step], dones[step] = seen, done
            with torch.no_grad():
                distribution = Categorical(logits=agent.actor(seen))
                action = distribution.sample()
                log_probs[step] = distribution.log_prob(action)
                values[step] = agent.critic(seen).flatten()
            actions[step] = action
            found, reward, terminated, truncated, _ = envs.step(action.numpy())
            rewards[step] = torch.as_tensor(reward)
            seen = torch.as_tensor(found)
            done = torch.as_tensor(np.logical_or(terminated, truncated), dtype=torch.float32)
        with torch.no_grad():
            advantages = estimate(rewards, dones, values, agent.critic(seen).flatten(), done, budget)
        flat = [t.reshape(-1) for t in (actions, log_probs, advantages, advantages + values)]
        learn(agent, optimizer, observations.reshape(-1, 4), flat, budget, left * budget.clip_range)
        if after_update is not None:
            after_update(agent)
    envs.close()
    return agent


def estimate(
    rewards: torch.Tensor,
    dones: torch.Tensor,
    values: torch.Tensor,
    *last: torch.Tensor | Budget,
) -> torch.Tensor:
    """Return advantages by GAE; a time limit counts as an end, as these scripts have it."""
    next_value, next_done, budget = last
    assert isinstance(budget, Budget)
    advantages, following = torch.zeros_like(rewards), torch.zeros_like(rewards[0])
    for step in reversed(range(budget.steps)):
        is_last = step == budget.steps - 1
        alive = 1.0 - (next_done if is_last else dones[step + 1])  # type: ignore[operator]  # a tensor
        value = next_value if is_last else values[step + 1]
        delta = rewards[step] + budget.gamma * value * alive - values[step]
        following = delta + budget.gamma * budget.gae_lambda * alive * following
        advantages[step] = following
    return advantages


def learn(
    agent: Agent,
    optimizer: torch.optim.Optimizer,
    observations: torch.Tensor,
    flat: list[torch.Tensor],
    budget: Budget,
    clip_range: float,
) -> None:
    """Make the passes of one update."""
    actions, old_log_probs, advantages, returns = flat
    indices = np.arange(len(actions))
    for _ in range(budget.epochs):
        np.random.default_rng().shuffle(indices)
        for start in range(0, len(indices), budget.minibatch_size):
            rows = indices[start : start + budget.minibatch_size]
            distribution = Categorical(logits=agent.actor(observations[rows]))
            log_ratio = distribution.log_prob(actions[rows].long()) - old_log_probs[rows]
            ratio = log_ratio.exp()
            chosen = advantages[rows]
            chosen = (chosen - chosen.mean()) / (chosen.std() + 1e-8)
            clipped = torch.clamp(ratio, 1.0 - clip_range, 1.0 + clip_range)
            policy_loss = torch.max(-chosen * ratio, -chosen * clipped).mean()
            value_loss = 0.5 * ((agent.critic(observations[rows]).view(-1) - returns[rows]) ** 2).mean()
            loss = policy_loss - 0.0 * distribution.entropy().mean() + 0.5 * value_loss
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(agent.parameters(), 0.5)
            optimizer.step()
