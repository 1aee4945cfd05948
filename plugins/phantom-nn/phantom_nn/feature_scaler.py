"""`FeatureScaler`: features with mean 0 and deviation 1, as far as was seen."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from phantom_nn.running_moments import RunningMoments

Array = NDArray[Any]


class FeatureScaler:
    """Shifts and scales those features that are numbers by their running mean and deviation.

        x′ = clip((x − μ) / √(σ² + 1e-8), ±limit)

    What is one-hot stays as it is, and so does everything before the first `see`. The moments stand still
    while features are scaled.

    Attributes:
        moments: mean and variance of all features, one-hot ones too.
    """

    def __init__(self, is_number: NDArray[np.bool_], limit: float) -> None:
        """Begin without moments.

        Args:
            is_number: bool array [D]: whether a feature is scaled.
            limit: bound on the size of a scaled feature, positive.
        """
        self._is_number, self._limit = is_number, limit
        self.moments = RunningMoments(len(is_number))
        self._prepare()

    def __call__(self, features: Array) -> Array:
        """Return features [B, D] scaled, as a new array."""
        scaled: Array = (features - self._shift) * self._factor
        return np.clip(scaled, -self._limit, self._limit, out=scaled)

    def see(self, features: Array) -> None:
        """Take features [B, D], not yet scaled, into the moments."""
        self.moments.update(features)
        self._prepare()

    def state_dict(self) -> dict[str, Any]:
        """Return the moments."""
        return self.moments.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over what `state_dict` returned."""
        self.moments.load_state_dict(state)
        self._prepare()

    def _prepare(self) -> None:
        self._shift = np.where(self._is_number, self.moments.mean, 0.0).astype(np.float32)
        self._factor = np.where(self._is_number, 1.0 / self.moments.scale, 1.0).astype(np.float32)
