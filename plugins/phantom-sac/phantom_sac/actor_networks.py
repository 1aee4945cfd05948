"""From features to the moments of a Gaussian, in NumPy: `GaussianActor` and `StateDependentActor`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from phantom_nn import MLP, SquashedGaussian
from phantom_nn.mlp import Activation

Array = NDArray[Any]
MEAN_LIMIT: Final = 2.0
"""How large a mean of a `StateDependentActor` may be."""
VARIANCE_FLOOR: Final = 1e-6
"""What is added to each variance of a `StateDependentActor`."""


class ActorNetwork(MLP):
    """What the backend in NumPy needs of an actor, beside its parameters."""

    def initialise(self, rng: np.random.Generator) -> None:
        """Draw the first weights as `torch.nn.Linear` does; `extra` stays as it is."""
        self.draw_uniform(rng)

    def moments(self, features: Array) -> tuple[Array, Array]:
        """Return means and log-deviations, [B, K] each, for features [B, width]."""
        raise NotImplementedError

    def forward_moments(self, features: Array) -> tuple[Array, Array]:
        """Return the same, and keep what `backward_moments` needs."""
        raise NotImplementedError

    def backward_moments(self, d_means: Array, d_log_std: Array) -> None:
        """Write the gradient of a loss into `gradient`.

        Args:
            d_means: ∂loss/∂means [B, K]; with fewer rows than `forward_moments` got, those of its first.
            d_log_std: ∂loss/∂log-deviations, likewise.
        """
        raise NotImplementedError


class GaussianActor(ActorNetwork):
    """A perceptron whose outputs are K means μ(s) and K log-deviations log σ(s), clamped to [−20, 2].

    Source: Haarnoja et al. 2018, arXiv:1801.01290, appendix C.
    """

    def __init__(
        self,
        num_inputs: int,
        hidden_sizes: Sequence[int],
        distribution: SquashedGaussian,
        *,
        activation: Activation = "relu",
        dtype: type[np.floating[Any]] = np.float32,
    ) -> None:
        self._distribution = distribution
        self._outputs: Array = np.zeros((0, 0))
        heads = {"actions": distribution.num_outputs}
        super().__init__(num_inputs, hidden_sizes, heads, activation=activation, dtype=dtype)

    def __getstate__(self) -> dict[str, Any]:
        """Return what a copy is made of."""
        return {**super().__getstate__(), "_distribution": self._distribution}

    def moments(self, features: Array) -> tuple[Array, Array]:
        """Return means and log-deviations, [B, K] each, for features [B, width]."""
        return self._distribution.parts(self.head(features))

    def forward_moments(self, features: Array) -> tuple[Array, Array]:
        """Return the same, and keep what `backward_moments` needs."""
        (self._outputs,) = self.forward(features)
        return self._distribution.parts(self._outputs)

    def backward_moments(self, d_means: Array, d_log_std: Array) -> None:
        """Write the gradient of a loss into `gradient`; a log-deviation that is clamped has none."""
        outputs = self._outputs[: len(d_means)]
        self.backward(self._distribution.output_gradients(outputs, d_means, d_log_std))


class StateDependentActor(ActorNetwork):
    """A perceptron whose last hidden layer φ(s) says how far to explore, and along what.

        noise(s) = φ(s) Θ,   Θⱼₖ ~ N(0, σⱼₖ²)   so that   noiseₖ(s) ~ N(0, Σⱼ φⱼ(s)² σⱼₖ²)

    While Θ stays the same, the noise is a smooth function of the state, and so are the actions: an agent
    goes somewhere instead of trembling. log σⱼₖ are parameters, learned through the deviation
    √(φ² σ² + 1e-6) of each state. Means are clipped to ±2, as in the authors' implementation.

    Source: Raffin, Kober and Stulp 2022, "Smooth exploration for robotic reinforcement learning",
    arXiv:2005.05719, section 3.
    """

    def __init__(
        self,
        num_inputs: int,
        hidden_sizes: Sequence[int],
        num_actions: int,
        *,
        log_std_init: float,
        activation: Activation = "relu",
        dtype: type[np.floating[Any]] = np.float32,
    ) -> None:
        self.width = hidden_sizes[-1] if hidden_sizes else num_inputs
        self.num_actions = num_actions
        self._kept: tuple[Array, ...] = ()
        super().__init__(
            num_inputs,
            hidden_sizes,
            {"means": num_actions},
            num_extra=self.width * num_actions,
            activation=activation,
            dtype=dtype,
        )
        self.extra[:] = log_std_init

    def __getstate__(self) -> dict[str, Any]:
        """Return what a copy is made of."""
        own = {"width": self.width, "num_actions": self.num_actions, "_kept": ()}
        return {**super().__getstate__(), **own}

    @property
    def log_std(self) -> Array:
        """The parameters log σⱼₖ [width of φ, K]."""
        found: Array = self.extra.reshape(self.width, self.num_actions)
        return found

    def moments(self, features: Array) -> tuple[Array, Array]:
        """Return means and log-deviations, [B, K] each, for features [B, width]."""
        return self.forward_moments(features)

    def noisy(self, features: Array, draws: Array) -> Array:
        """Return what is to be squashed [B, K]: means, and the noise of these matrices.

        Args:
            features: [B, width].
            draws: standard normal [B, width of φ, K]: Θ in units of σ, of each row.
        """
        (raw,) = self.forward(features)
        scaled = draws * np.exp(self.log_std)
        noise: Array = np.matmul(self.last_hidden[:, None, :], scaled)[:, 0, :]
        noise += np.clip(raw, -MEAN_LIMIT, MEAN_LIMIT)
        return noise

    def forward_moments(self, features: Array) -> tuple[Array, Array]:
        """Return the same as `moments`, and keep what `backward_moments` needs."""
        (raw,) = self.forward(features)
        squares = np.square(self.last_hidden)
        of_weights = np.exp(2.0 * self.log_std)
        variances = squares @ of_weights
        variances += VARIANCE_FLOOR
        self._kept = raw, squares, of_weights, variances
        return np.clip(raw, -MEAN_LIMIT, MEAN_LIMIT), 0.5 * np.log(variances)

    def backward_moments(self, d_means: Array, d_log_std: Array) -> None:
        """Write the gradient of a loss into `gradient`; a mean that is clipped has none.

        With v = φ² σ² + 1e-6: ∂log s/∂v = 1 / 2v,  ∂v/∂φ = 2 φ σ²,  ∂v/∂log σ = 2 φ² σ².
        """
        rows = len(d_means)
        raw, squares, of_weights, variances = self._kept
        d_variances = 0.5 * d_log_std / variances[:rows]
        d_hidden = 2.0 * self.last_hidden[:rows] * (d_variances @ of_weights.T)
        d_extra = 2.0 * of_weights * (squares[:rows].T @ d_variances)
        is_free = np.abs(raw[:rows]) <= MEAN_LIMIT
        self.backward(d_means * is_free, d_extra=d_extra.ravel(), d_last_hidden=d_hidden)
