"""Advantages: how much better each decision turned out than its value promised."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]


def gae(
    rewards: Floats,
    values: Floats,
    final_values: Floats,
    is_terminated: NDArray[np.bool_],
    starts: NDArray[np.int64],
    *,
    gamma: float,
    gae_lambda: float,
) -> NDArray[np.float64]:
    """Estimate advantages with GAE(λ), each trajectory by itself.

        δₜ = rₜ + γ v′ₜ − vₜ        Âₜ = δₜ + γλ Âₜ₊₁

    v′ₜ is the value of what the agent observed after decision t: vₜ₊₁ within a trajectory, and after its
    last decision the value of its next observation, or 0 if the agent terminated there. The trace never
    crosses from one trajectory into another. Âₜ + vₜ is the target of the value function.

    Args:
        rewards: float array [B]: decisions of K trajectories, one trajectory after the other.
        values: float array [B]: vₜ.
        final_values: float array [K]: the value of each trajectory's next observation.
        is_terminated: bool array [K]: whether nothing follows, whatever `final_values` says.
        starts: int array [K + 1]: trajectory k is rows `starts[k]` to `starts[k + 1]`; none is empty.
        gamma: discount factor γ per decision.
        gae_lambda: λ.

    Returns:
        float64 array [B].

    Source: Schulman et al. 2016, arXiv:1506.02438, equation 16.
    """
    assert starts[-1] == len(rewards) == len(values)
    assert len(starts) - 1 == len(final_values) == len(is_terminated)
    last = starts[1:] - 1
    next_values = np.empty(len(rewards))
    next_values[:-1] = values[1:]
    next_values[last] = np.where(is_terminated, 0.0, final_values)
    decay = np.full(len(rewards), gamma * gae_lambda)
    decay[last] = 0.0
    return _discounted_sums(rewards + gamma * next_values - values, decay)


def _discounted_sums(terms: Floats, decay: Floats) -> NDArray[np.float64]:
    """Return s with s[t] = terms[t] + decay[t] * s[t + 1]; a loop over floats, 50 ns for each."""
    total, sums = 0.0, []
    for term, factor in zip(terms[::-1].tolist(), decay[::-1].tolist(), strict=True):
        total = term + factor * total
        sums.append(total)
    return np.array(sums[::-1], dtype=np.float64)
