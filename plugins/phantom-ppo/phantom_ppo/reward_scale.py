"""`RewardScale`: divides rewards by the running deviation of the discounted return."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

import phantom_core as ph
from phantom_nn import RunningMoments


class RewardScale:
    """Scales rewards so that discounted returns have a deviation near 1; their mean stays.

    The return that is followed is Rₜ = rₜ + γ Rₜ₋₁ within an episode, as in OpenAI's baselines. An
    episode that goes on in a later batch continues where it was.
    """

    def __init__(self, gamma: float, clip: float) -> None:
        self._gamma, self._clip = gamma, clip
        self._moments = RunningMoments(1)
        self._running: dict[str, float] = {}

    def __call__(self, batch: ph.Trajectories) -> NDArray[np.float64]:
        """Take in the rewards of a batch and return them scaled: float64 array [B].

        All are NaN once the deviation is beyond the largest float: divided by it every reward would be 0, and
        the run would learn nothing for ever, in silence.
        """
        self._moments.update(self._discounted(batch)[:, None])
        scale = float(self._moments.scale[0])
        scaled: NDArray[np.float64] = batch.rewards / (scale if math.isfinite(scale) else math.nan)
        return np.clip(scaled, -self._clip, self._clip, out=scaled)

    def _discounted(self, batch: ph.Trajectories) -> NDArray[np.float64]:
        rewards = batch.rewards.tolist()
        returns: list[float] = []
        for number, (begin, end) in enumerate(zip(batch.starts[:-1], batch.starts[1:], strict=True)):
            name = f"{batch.env_indices[number]} {batch.agent_ids[number]!r}"
            total = self._running.pop(name, 0.0)
            for reward in rewards[begin:end]:
                total = reward + self._gamma * total
                returns.append(total)
            if not (batch.terminated[number] or batch.truncated[number]):
                self._running[name] = total
        return np.array(returns, dtype=np.float64)

    def state_dict(self) -> dict[str, Any]:
        """Return the moments, and the returns of the episodes that go on."""
        return {"moments": self._moments.state_dict(), "running": dict(self._running)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over what `state_dict` returned."""
        self._moments.load_state_dict(state["moments"])
        self._running = dict(state["running"])
