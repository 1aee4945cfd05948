"""What values should be, and the loss of those that are not: pure functions of arrays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Minibatch:
    """B transitions over up to n decisions each.

    Attributes:
        features: what was observed [B, D], as the network takes it.
        index: the option that was taken in each branch, int [B, K].
        rewards: discounted sum of the rewards of those decisions [B].
        discounts: how much the value of what followed counts [B]: γᵏ, and 0 after a termination.
        next_features: what followed [B, D].
        next_masks: which options were allowed then, bool [B, A]; None: all.
        weights: how much each transition counts in the loss [B]; None: all the same.
    """

    features: Array
    index: Array
    rewards: Array
    discounts: Array
    next_features: Array
    next_masks: Array | None
    weights: Array | None = None


def targets(rewards: Array, discounts: Array, next_values: Array) -> Array:
    """Return what the values of the options that were taken should be: [B].

        y = R + γᵏ · mean over branches of Q⁻(s′, a*)

    Args:
        rewards: R [B].
        discounts: γᵏ [B], 0 after a termination.
        next_values: Q⁻(s′, a*) [B, K]: what the target network says about the option a* of each branch that
            the target network itself prefers or, in double Q-learning, the network that learns.

    Sources: Mnih et al. 2015, Nature 518; van Hasselt et al. 2016, arXiv:1509.06461, equation 4; for several
    branches Tavakoli et al. 2018, arXiv:1711.08946, equation 6.
    """
    value = next_values[:, 0] if next_values.shape[1] == 1 else next_values.mean(axis=1)
    found: Array = rewards + discounts * value
    return found


def huber(errors: Array, weights: Array | None = None) -> tuple[float, Array]:
    """Return Huber's loss and its derivative by the errors.

        L = mean(w · h(e)),   h(e) = e² / 2 where |e| ≤ 1, |e| − ½ elsewhere

    Args:
        errors: Q − y [B, K].
        weights: w [B]; None: all 1.

    Source: Huber 1964; Mnih et al. 2015, who clip the error.
    """
    slope = np.minimum(np.maximum(errors, -1.0), 1.0)  # np.clip takes twice as long for a minibatch
    each = slope * (errors - 0.5 * slope)
    if weights is not None:
        each = each * weights[:, None]
        slope = slope * weights[:, None]
    return float(np.add.reduce(each, axis=None)) / errors.size, slope * (1.0 / errors.size)
