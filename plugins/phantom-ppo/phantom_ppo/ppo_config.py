"""`PPOConfig`: every setting of the trainer `ppo`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import phantom_core as ph


@dataclass(frozen=True)
class PPOConfig:
    """Settings of the trainer `ppo`."""

    copies: int = 8
    """Copies of the env that are played side by side."""
    steps_per_copy: int = 32
    """Env steps in each copy between two updates."""
    epochs: int = 20
    """Passes over what was collected, in each update."""
    minibatch_size: int = 256
    """Most decisions per gradient step; the decisions of an update are divided evenly."""
    gamma: float = 0.98
    """Discount factor γ per decision."""
    gae_lambda: float = 0.8
    """λ of the advantage estimate: 0 trusts the critic, 1 trusts what was earned."""
    lr: float = 1e-3
    """Learning rate of Adam at the start of the run."""
    lr_final: float = 0.0
    """Learning rate at the end of the run; in between it changes linearly."""
    clip_range: float = 0.2
    """How far ε the probability of an action may move in one update before its gradient is cut."""
    clip_range_final: float = 0.0
    """ε at the end of the run, likewise."""
    entropy_coefficient: float = 0.005
    """Weight cₑ of the entropy bonus at the start of the run."""
    entropy_coefficient_final: float = 0.0
    """Weight of the entropy bonus at the end of the run, likewise."""
    value_coefficient: float = 0.5
    """Weight cᵥ of the value loss."""
    clip_range_value: float | None = None
    """How far a value may move in one update, in units of the (normalised) return; None: freely."""
    max_grad_norm: float = 0.5
    """The norm that a gradient is scaled down to."""
    target_kl: float | None = None
    """An update stops once the policy moved by 1.5 times this (approximate KL); None: never."""
    sequence_length: int = 32
    """Most decisions that the gradient goes back through. Only policies with a memory have sequences."""
    normalize_advantages: bool = True
    """Whether advantages have mean 0 and deviation 1 in each minibatch."""
    normalize_rewards: bool = False
    """Whether rewards are divided by the running deviation of the discounted return."""
    reward_clip: float = 10.0
    """Bound on the size of a reward that was normalised; others are never clipped."""
    backend: Literal["numpy", "torch"] = "numpy"
    """What computes gradients; torch needs phantom-ppo[torch]."""
    device: str = "cpu"
    """Where torch computes, such as `cuda`."""

    title: ClassVar[str] = "ppo"

    def __post_init__(self) -> None:
        """Refuse values outside their range."""
        for name in ("copies", "steps_per_copy", "epochs", "minibatch_size", "sequence_length"):
            self._check(name, "a positive integer", is_right=getattr(self, name) >= 1)
        for name in ("gamma", "gae_lambda"):
            self._check(name, "a number from 0 to 1", is_right=0.0 <= getattr(self, name) <= 1.0)
        for name in ("max_grad_norm", "reward_clip", "lr", "clip_range"):
            self._check(name, "a positive number", is_right=getattr(self, name) > 0.0)
        for name in ("lr_final", "clip_range_final", "value_coefficient"):
            self._check(name, "a number that is not negative", is_right=getattr(self, name) >= 0.0)
        for name in ("clip_range_value", "target_kl"):
            value = getattr(self, name)
            self._check(name, "a positive number, or None", is_right=value is None or value > 0.0)
        if self.device != "cpu" and self.backend != "torch":
            raise ph.errors.ConfigError(
                f"{self.title} got device={self.device!r} with backend={self.backend!r}, which computes "
                "on the CPU. Set backend='torch', or leave the device out."
            )

    def _check(self, name: str, expected: str, *, is_right: bool) -> None:
        if not is_right:
            raise ph.errors.ConfigError(
                f"{self.title} got {name}={getattr(self, name)}. Expected {expected}."
            )
