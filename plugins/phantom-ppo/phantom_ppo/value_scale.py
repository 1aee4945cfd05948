"""`ValueScale`: a critic that predicts returns of any size, because it learns them as numbers near 1."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray

from phantom_nn import MLP, RunningMoments

Array = NDArray[Any]


class ValueScale:
    """Shifts and scales returns by their running mean μ and deviation σ.

        R̂ = (R − μ) / σ        V = σ V̂ + μ

    When the moments change, so does the critic's last layer, so that V stays what it was (PopArt):

        w ← w σ / σ′        b ← (σ b + μ − μ′) / σ′

    The first moments are taken over without that: what a critic says before it learned is of no size yet.

    Source: van Hasselt et al. 2016, arXiv:1602.07714, section 2.1; here with the moments of all returns so
    far instead of those of the latest.
    """

    def __init__(self, critic: MLP, head: str) -> None:
        """Begin with μ = 0 and σ = 1.

        Args:
            critic: its head has one output, V̂.
            head: the name of the head.
        """
        views = critic.layout.views(critic.parameters)
        self._weights, self._bias = views[f"{head}.weights"], views[f"{head}.bias"]
        self._moments = RunningMoments(1)

    @property
    def mean(self) -> float:
        """μ."""
        return float(self._moments.mean[0])

    @property
    def deviation(self) -> float:
        """σ."""
        return float(self._moments.scale[0])

    def see(self, returns: Array) -> None:
        """Take in returns [B], and change the critic so that its values stay."""
        is_first, mean, deviation = not self._moments.count, self.mean, self.deviation
        self._moments.update(returns[:, None])
        if is_first:
            return
        self._weights *= deviation / self.deviation
        self._bias *= deviation / self.deviation
        self._bias += (mean - self.mean) / self.deviation

    def normalised(self, values: Array) -> Array:
        """Return values or returns [B] as the critic learns them."""
        return ((values - self.mean) / self.deviation).astype(values.dtype, copy=False)

    def restored(self, predictions: Array) -> Array:
        """Return what the critic says [B] as values."""
        return (predictions * self.deviation + self.mean).astype(predictions.dtype, copy=False)

    def state_dict(self) -> dict[str, Any]:
        """Return the moments."""
        return self._moments.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over what `state_dict` returned; the critic's weights are saved with the critic."""
        self._moments.load_state_dict(state)
