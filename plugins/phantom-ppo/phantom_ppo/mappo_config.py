"""`MAPPOConfig`: every setting of the trainer `mappo`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import phantom_core as ph
from phantom_ppo.ppo_config import PPOConfig


@dataclass(frozen=True)
class MAPPOConfig(PPOConfig):
    """Settings of the trainer `mappo`: those of `ppo`, and those of the critic."""

    critic_hidden_sizes: tuple[int, ...] | None = None
    """Widths of the hidden layers of the critic; None: those of the policy."""
    agent_specific: bool = True
    """Whether the critic also sees what the agent itself observes, and which agent it is."""
    normalize_values: bool = True
    """Whether the critic learns returns shifted and scaled by their running mean and deviation."""
    normalize_rewards: bool = False
    """Whether rewards are divided by the running deviation of the discounted return; values are anyway."""
    backend: Literal["numpy", "torch"] = "numpy"
    """What computes gradients; of `mappo` NumPy only."""
    device: str = "cpu"
    """Where gradients are computed; of `mappo` on the CPU only."""

    sequence_length: int = 32
    """Makes no difference to `mappo`, whose policies have no memory."""

    title: ClassVar[str] = "mappo"

    def __post_init__(self) -> None:
        """Refuse values outside their range."""
        if (self.backend, self.device) != ("numpy", "cpu"):
            raise ph.errors.ConfigError(
                f"mappo got backend={self.backend!r} and device={self.device!r}. It computes in NumPy, on "
                "the CPU: leave both out, or use ppo."
            )
        super().__post_init__()
        sizes = self.critic_hidden_sizes
        if sizes is not None and any(size < 1 for size in sizes):
            raise ph.errors.ConfigError(
                f"mappo got critic_hidden_sizes={sizes}. Expected positive integers, or None."
            )
