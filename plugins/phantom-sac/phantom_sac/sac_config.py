"""`SACConfig`: every setting of the trainer `sac`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import phantom_core as ph


@dataclass(frozen=True)
class SACConfig:
    """Settings of the trainer `sac`."""

    copies: int = 1
    """Copies of the env that are played side by side."""
    steps: int = 1
    """Env steps between two updates, over all copies; and while state-dependent noise stays."""
    rounds: int = 1000
    """Updates in an iteration, which is logged."""
    decisions_per_gradient_step: int = 1
    """Decisions that are collected for each gradient step."""
    batch_size: int = 256
    """Transitions that are drawn for each gradient step."""
    warm_up: int = 100
    """Transitions that are collected with uniformly drawn actions before the first gradient step."""
    capacity: int = 1_000_000
    """Transitions that are kept; the oldest are replaced."""
    gamma: float = 0.99
    """Discount factor γ per decision."""
    lr: float = 3e-4
    """Learning rate of Adam, for actor, critics and temperature, at the start of the run."""
    lr_final: float | None = None
    """Learning rate at the end of the run; in between it changes linearly. None: it stays."""
    target_rate: float = 0.005
    """How far τ the target critics follow after each gradient step."""
    temperature: float | None = None
    """Worth α of entropy in units of reward, fixed; None: it follows `target_entropy`."""
    initial_temperature: float = 1.0
    """α at the start of the run, where it is not fixed."""
    target_entropy: float | None = None
    """The entropy of actions in [−1, 1] that α aims at; None: minus the number of their dimensions."""
    critic_hidden_sizes: tuple[int, ...] | None = None
    """Widths of the hidden layers of each critic; None: those of the actor."""
    backend: Literal["numpy", "torch"] = "numpy"
    """What computes gradients; torch needs phantom-sac[torch]."""
    device: str = "cpu"
    """Where torch computes, such as `cuda`."""

    def __post_init__(self) -> None:
        """Refuse values outside their range."""
        whole = ("copies", "steps", "rounds", "decisions_per_gradient_step", "batch_size", "capacity")
        for name in (*whole, "warm_up"):
            self._check(name, "a positive integer", is_right=getattr(self, name) >= 1)
        self._check("gamma", "a number from 0 to 1", is_right=0.0 <= self.gamma <= 1.0)
        for name in ("lr", "initial_temperature"):
            self._check(name, "a positive number", is_right=getattr(self, name) > 0.0)
        self._check("target_rate", "a number above 0 and up to 1", is_right=0.0 < self.target_rate <= 1.0)
        for name in ("lr_final", "temperature"):
            value = getattr(self, name)
            expected = "a number that is not negative, or None"
            self._check(name, expected, is_right=value is None or value >= 0.0)
        if self.critic_hidden_sizes is not None:
            is_right = all(size >= 1 for size in self.critic_hidden_sizes)
            self._check("critic_hidden_sizes", "positive integers, or None", is_right=is_right)
        if self.warm_up > self.capacity:
            raise ph.errors.ConfigError(
                f"sac got warm_up={self.warm_up} with capacity={self.capacity}, so it would never learn. "
                "Expected a capacity of at least warm_up."
            )
        if self.device != "cpu" and self.backend != "torch":
            raise ph.errors.ConfigError(
                f"sac got device={self.device!r} with backend={self.backend!r}, which computes on the CPU. "
                "Set backend='torch', or leave the device out."
            )

    def _check(self, name: str, expected: str, *, is_right: bool) -> None:
        if not is_right:
            raise ph.errors.ConfigError(f"sac got {name}={getattr(self, name)}. Expected {expected}.")
