"""`MAPPOConfig`: every setting of the trainer `mappo`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Literal

import phantom_core as ph
from phantom_ppo.ppo_config import PPOConfig


@dataclass(frozen=True)
class MAPPOConfig(PPOConfig):
    """Settings of the trainer `mappo`: those of `ppo`, as far as they apply, and those of the critic."""

    critic_hidden_sizes: tuple[int, ...] | None = None
    """Widths of the hidden layers of the critic; None: those of the policy."""
    agent_specific: bool = True
    """Whether the critic also sees what the agent itself observes, and which agent it is."""
    normalize_values: bool = True
    """Whether the critic learns returns shifted and scaled by their running mean and deviation."""
    normalize_rewards: bool = False
    """Whether rewards are divided by the running deviation of the discounted return; values are anyway."""
    backend: Literal["numpy", "torch"] = field(default="numpy", init=False)
    """What computes gradients: always NumPy, so that it is no setting."""
    device: str = field(default="cpu", init=False)
    """Where they are computed: always on the CPU."""
    sequence_length: int = field(default=32, init=False)
    """Of no use to policies without a memory, which are all that it trains."""

    title: ClassVar[str] = "mappo"

    def __post_init__(self) -> None:
        """Refuse values outside their range."""
        super().__post_init__()
        sizes = self.critic_hidden_sizes
        if sizes is not None and any(size < 1 for size in sizes):
            raise ph.errors.ConfigError(
                f"mappo got critic_hidden_sizes={sizes}. Expected positive integers, or None."
            )
