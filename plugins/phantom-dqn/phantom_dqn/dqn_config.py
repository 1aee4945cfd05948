"""`DQNConfig`: every setting of the trainer `dqn`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import phantom_core as ph


@dataclass(frozen=True)
class DQNConfig:
    """Settings of the trainer `dqn`."""

    copies: int = 1
    """Copies of the env that are played side by side."""
    steps: int = 64
    """Env steps between two updates, over all copies."""
    rounds: int = 16
    """Updates in an iteration, which is logged."""
    decisions_per_gradient_step: int = 1
    """Decisions that are collected for each gradient step."""
    batch_size: int = 64
    """Transitions that are drawn for each gradient step."""
    warm_up: int = 1000
    """Transitions that are collected before the first gradient step."""
    capacity: int = 100_000
    """Transitions that are kept; the oldest are replaced."""
    gamma: float = 0.99
    """Discount factor γ per decision."""
    num_steps: int = 1
    """Decisions n over which rewards are added up before the value of what followed counts."""
    is_double: bool = True
    """Whether the network that learns chooses the action whose value the target network says."""
    lr: float = 1e-3
    """Learning rate of Adam at the start of the run."""
    lr_final: float = 0.0
    """Learning rate at the end of the run; in between it changes linearly."""
    target_rate: float = 0.005
    """How far τ the target network follows after each gradient step."""
    target_every: int | None = None
    """Decisions between two copies to the target network, which else stands still; None: it follows."""
    epsilon: float = 1.0
    """Probability of a random action at the start of the run."""
    epsilon_final: float = 0.04
    """Probability of a random action from the end of `exploration_fraction` on."""
    exploration_fraction: float = 0.16
    """Share of the run in which that probability falls linearly."""
    max_grad_norm: float = 10.0
    """The norm that a gradient is scaled down to."""
    is_prioritized: bool = False
    """Whether transitions with large errors are drawn more often."""
    priority_exponent: float = 0.6
    """How much the error counts for that, α: 0 not at all."""
    importance_exponent: float = 0.4
    """How much the loss makes up for it at the start of the run, β; at the end wholly, 1."""
    backend: Literal["numpy", "torch"] = "numpy"
    """What computes gradients; torch needs phantom-dqn[torch]."""
    device: str = "cpu"
    """Where torch computes, such as `cuda`."""

    def __post_init__(self) -> None:
        """Refuse values outside their range."""
        whole = ("copies", "steps", "rounds", "decisions_per_gradient_step", "batch_size", "capacity")
        for name in (*whole, "num_steps", "warm_up"):
            self._check(name, "a positive integer", is_right=getattr(self, name) >= 1)
        for name in ("gamma", "epsilon", "epsilon_final", "exploration_fraction", "importance_exponent"):
            self._check(name, "a number from 0 to 1", is_right=0.0 <= getattr(self, name) <= 1.0)
        for name in ("lr", "max_grad_norm"):
            self._check(name, "a positive number", is_right=getattr(self, name) > 0.0)
        for name in ("lr_final", "priority_exponent"):
            self._check(name, "a number that is not negative", is_right=getattr(self, name) >= 0.0)
        is_right = self.target_every is None or self.target_every >= 1
        self._check("target_every", "a positive integer, or None", is_right=is_right)
        self._check("target_rate", "a number above 0 and up to 1", is_right=0.0 < self.target_rate <= 1.0)
        if self.warm_up > self.capacity:
            raise ph.errors.ConfigError(
                f"dqn got warm_up={self.warm_up} with capacity={self.capacity}, so it would never learn. "
                "Expected a capacity of at least warm_up."
            )
        if self.device != "cpu" and self.backend != "torch":
            raise ph.errors.ConfigError(
                f"dqn got device={self.device!r} with backend={self.backend!r}, which computes on the CPU. "
                "Set backend='torch', or leave the device out."
            )

    def _check(self, name: str, expected: str, *, is_right: bool) -> None:
        if not is_right:
            raise ph.errors.ConfigError(f"dqn got {name}={getattr(self, name)}. Expected {expected}.")
