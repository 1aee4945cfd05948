"""The losses of SAC and their derivatives: pure functions of values and log-probabilities."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Minibatch:
    """B transitions, and the draws for new actions.

    Attributes:
        features: what was observed, float [B, width].
        actions: what was done, as it was stored, float [B, K].
        rewards: float [B].
        discounts: how much the value of what followed counts, float [B].
        next_features: what followed, float [B, width].
        noise: standard normal [2B, K]: for new actions in `features`, and then in `next_features`.
    """

    features: Any
    actions: Any
    rewards: Any
    discounts: Any
    next_features: Any
    noise: Any

    def __len__(self) -> int:
        """Return B."""
        return len(self.rewards)


@dataclass(frozen=True, slots=True, kw_only=True)
class StepSettings:
    """What a gradient step is made with.

    Attributes:
        learning_rate: that of Adam.
        target_rate: τ.
    """

    learning_rate: float
    target_rate: float


class StepReport(NamedTuple):
    """What a gradient step found, before it changed anything.

    Attributes:
        critic_loss: ½ Σ mean((Q − y)²) over both critics.
        actor_loss: mean(α log π − min Q).
        value: mean of the first critic's values of stored actions.
        entropy: mean of −log π, of actions in [−1, 1].
        temperature: α.
    """

    critic_loss: float
    actor_loss: float
    value: float
    entropy: float
    temperature: float


def soft_targets(
    rewards: Array, discounts: Array, next_values: tuple[Array, Array], next_log_prob: Array, alpha: float
) -> Array:
    """Return what actions are worth [B], by what followed.

        y = r + γ (min(Q₁⁻(s′, a′), Q₂⁻(s′, a′)) − α log π(a′|s′)),   a′ ~ π(·|s′)

    Source: Haarnoja et al. 2018, arXiv:1812.05905, equations 5 and 6.
    """
    found: Array = rewards + discounts * (np.minimum(*next_values) - alpha * next_log_prob)
    return found


def critic_loss(values: tuple[Array, Array], targets: Array) -> tuple[float, Array, Array]:
    """Return ½ Σ mean((Q − y)²) over both critics, and its derivative by each critic's values [B].

    Source: Haarnoja et al. 2018, arXiv:1812.05905, equation 5.
    """
    first, second = (value - targets for value in values)
    rows = len(targets)
    loss = 0.5 * float(first @ first + second @ second) / rows
    return loss, first / rows, second / rows


def actor_loss(values: tuple[Array, Array], log_prob: Array, alpha: float) -> tuple[float, Array, Array]:
    """Return mean(α log π(a|s) − min(Q₁, Q₂)), and its derivative by each critic's values [B].

    That by log π is α / B. Source: Haarnoja et al. 2018, arXiv:1812.05905, equations 7 and 9.
    """
    first, second = values
    rows = len(log_prob)
    slope = np.where(first <= second, first.dtype.type(-1.0 / rows), first.dtype.type(0.0))
    loss = float(alpha * log_prob.mean() - np.minimum(first, second).mean())
    return loss, slope, -1.0 / rows - slope
