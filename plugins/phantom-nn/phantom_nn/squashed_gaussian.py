"""`SquashedGaussian`: normal draws that a tanh keeps within the bounds of a Box."""

from __future__ import annotations

import math
from typing import Any, Final, cast

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

import phantom_core as ph

Array = NDArray[Any]
LOG_STD_MIN: Final = -20.0
LOG_STD_MAX: Final = 2.0


class SquashedDraw:
    """Actions that were drawn from given noise, how likely they are, and how both change.

        u = μ + σ ε        a = tanh(u)        log(1 − tanh²u) = 2 (log 2 − u − softplus(−2u))
        log π(a|s) = −Σ (ε²/2 + log σ + log √2π) − Σ log(1 − tanh²u)

    The last form of log(1 − tanh²u) is exact for every u, where log(1 − a² + 1e-6) stops at −13.8. In a
    dimension without bounds there is no tanh: a = u, and its slope is 1.

    Attributes:
        actions: a [B, K]; in [−1, 1] where there are bounds.
        log_prob: log π(a|s), float [B].

    Source: Haarnoja et al. 2018, arXiv:1812.05905, appendix C.
    """

    def __init__(
        self, means: Array, log_std: Array, noise: Array, is_bounded: NDArray[np.bool_] | None = None
    ) -> None:
        """Draw.

        Args:
            means: μ [B, K].
            log_std: log σ, [B, K] or [K].
            noise: ε [B, K], standard normal.
            is_bounded: which dimensions the tanh is for, bool [K]; None: all.
        """
        self._is_bounded = is_bounded
        self._spread = np.exp(log_std) * noise
        raw = means + self._spread
        self.actions: Array = np.tanh(raw)
        softplus = np.logaddexp(0.0, -2.0 * raw)
        log_slope = 2.0 * (math.log(2.0) - raw - softplus)
        if is_bounded is not None:
            self.actions = np.where(is_bounded, self.actions, raw)
            log_slope *= is_bounded
        terms = 0.5 * noise * noise + log_std + (0.5 * math.log(2.0 * math.pi) + log_slope)
        self.log_prob: Array = -terms.sum(axis=1)

    def gradients(self, d_actions: Array, d_log_prob: Array) -> tuple[Array, Array]:
        """Return ∂loss/∂μ and ∂loss/∂log σ, both [B, K], with the noise held fixed.

            ∂a/∂u = 1 − a²,   ∂log π/∂u = 2a,   ∂u/∂log σ = σ ε,   ∂log π/∂log σ = 2a σ ε − 1

        Without bounds ∂a/∂u = 1 and ∂log π/∂u = 0.

        Args:
            d_actions: ∂loss/∂a [B, K]; with fewer rows than were drawn, those of the first ones.
            d_log_prob: ∂loss/∂log π [B], likewise.
        """
        rows = len(d_log_prob)
        along = d_log_prob[:, None]
        squashed = self.actions[:rows]
        if self._is_bounded is not None:
            squashed = squashed * self._is_bounded
        d_raw = d_actions * (1.0 - squashed * squashed) + 2.0 * along * squashed
        return d_raw, d_raw * self._spread[:rows] - along


class SquashedGaussian:
    """A family of distributions over the actions of a Box; outputs are K means and K log-deviations.

    Actions are stored as they were drawn, flat, in [−1, 1] where there are two finite bounds; for the env −1
    and 1 stand for these. A dimension without two finite bounds has a plain Gaussian, without a tanh; what
    was drawn is clipped for the env to the bound there is. Bounds near the largest number of the type count
    as infinite.

    Attributes:
        num_actions: K.
        is_bounded: which dimensions have two finite bounds, bool [K]; None: all.
        num_outputs: 2K.
    """

    def __init__(self, space: gym.Space[Any], title: str) -> None:
        """Take a space.

        Args:
            space: a Box of floats.
            title: what the policy is called in messages.

        Raises:
            ConfigError: if it is another space, or holds no number.
        """
        if not isinstance(space, gym.spaces.Box) or not np.issubdtype(space.dtype, np.floating):
            raise ph.errors.ConfigError(f"{title} cannot act in {space}. Use a Box of floats.")
        if 0 in space.shape:
            raise ph.errors.ConfigError(
                f"{title} cannot act in {space}: its actions hold no number. Give it a policy that does "
                "not learn, such as 'random', or an action."
            )
        self._space = space
        self.num_actions = math.prod(space.shape)
        self.num_outputs = 2 * self.num_actions
        low, high = space.low.astype(np.float64), space.high.astype(np.float64)
        limit = float(np.finfo(cast("Any", space.dtype)).max) / 2.0
        is_finite = (np.abs(low) < limit) & (np.abs(high) < limit)
        with np.errstate(invalid="ignore", over="ignore"):  # of infinities, which are not taken
            self._centre = np.where(is_finite, (low + high) / 2.0, 0.0)
            self._half = np.where(is_finite, (high - low) / 2.0, 1.0)
        self.is_bounded: NDArray[np.bool_] | None = None if is_finite.all() else is_finite.ravel()

    def parts(self, outputs: Array) -> tuple[Array, Array]:
        """Return the means and the log-deviations, clamped to [−20, 2], of outputs [B, 2K]."""
        means, log_std = outputs[:, : self.num_actions], outputs[:, self.num_actions :]
        return means, np.clip(log_std, LOG_STD_MIN, LOG_STD_MAX)

    def draw(self, outputs: Array, noise: Array) -> SquashedDraw:
        """Draw an action for each row from standard normal noise [B, K]."""
        return SquashedDraw(*self.parts(outputs), noise, self.is_bounded)

    def output_gradients(self, outputs: Array, d_means: Array, d_log_std: Array) -> Array:
        """Return ∂loss/∂outputs [B, 2K]; a log-deviation that is clamped has none.

        Args:
            outputs: what the network said.
            d_means: ∂loss/∂μ [B, K].
            d_log_std: ∂loss/∂log σ [B, K], as `SquashedDraw.gradients` returns them.
        """
        log_std = outputs[:, self.num_actions :]
        is_free = (log_std >= LOG_STD_MIN) & (log_std <= LOG_STD_MAX)
        return np.concatenate([d_means, d_log_std * is_free], axis=1)

    def sample(self, outputs: Array, rng: ph.RowStreams) -> Array:
        """Draw an action for each row, each from its own stream: [B, K] of the type of the outputs."""
        noise = rng.normals(self.num_actions).astype(outputs.dtype)
        means, log_std = self.parts(outputs)
        return self.squash(means + np.exp(log_std) * noise)

    def mode(self, outputs: Array) -> Array:
        """Return the means of each row behind the tanh: [B, K]."""
        return self.squash(outputs[:, : self.num_actions])

    def squash(self, raw: Array) -> Array:
        """Return tanh of what was drawn [B, K], where there are bounds."""
        squashed: Array = np.tanh(raw)
        return squashed if self.is_bounded is None else np.where(self.is_bounded, squashed, raw)

    def to_env(self, actions: Array) -> Array:
        """Return stored actions [B, K] in the shape, the bounds and the type of the space."""
        shaped = actions.reshape(-1, *self._space.shape)
        scaled = (self._centre + self._half * shaped).astype(self._space.dtype)
        played: Array = np.clip(scaled, self._space.low, self._space.high)
        return played
