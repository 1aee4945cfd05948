"""`CMASearch`: CMA-ES on the package `cma`, with the generator and the saved states of this house."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

import phantom_core as ph

Vector = NDArray[np.float64]

_FIELDS: Final = (
    "mean",
    "sigma",
    "countiter",
    "pc",
    "adapt_sigma.ps",
    "adapt_sigma._ps_updated_iteration",
)
_FIELDS_BY_COVARIANCE: Final = {
    "full": ("sm.C", "sm.B", "sm.D", "sm.count_tell", "sm.count_eigen", "sm.last_update"),
    "diagonal": ("sigma_vec.scaling", "sigma_vec.is_identity"),
}
"""Where a `cma.CMAEvolutionStrategy` keeps what the next generation depends on."""

_CONVERGED: Final = 1e-12


class CMASearch:
    """Looks for the vector that earns most: draws candidates from a normal distribution, and shifts it.

        xᵢ = m + σ yᵢ,   yᵢ ~ N(0, C),   i = 1 … λ,   sorted by what they earned, the best first
        m ← m + σ ⟨y⟩,   ⟨y⟩ = Σ wᵢ yᵢ over the best half
        p_σ ← (1 − c_σ) p_σ + √(c_σ (2 − c_σ) μ_w) C^(−1/2) ⟨y⟩
        σ ← σ exp((c_σ / d_σ) (‖p_σ‖ / E‖N(0, I)‖ − 1))
        p_c ← (1 − c_c) p_c + h_σ √(c_c (2 − c_c) μ_w) ⟨y⟩
        C ← (1 + c₁ δ(h_σ) − c₁ − c_μ Σ wᵢ) C + c₁ p_c p_cᵀ + c_μ Σ wᵢ yᵢ yᵢᵀ

    Half of the weights wᵢ are negative in the last line. With a diagonal C only variances are learned, in
    linear time (Ros and Hansen 2008, "A simple modification in CMA-ES achieving linear time and space
    complexity").

    c_σ, d_σ, c_c, c₁, c_μ and wᵢ are those of the package `cma`.

    A generation in which everybody earned the same teaches nothing: m, σ and C stay. So they do once no
    deviation is above 1e-12.

    Source: Hansen 2016, "The CMA evolution strategy: a tutorial", arXiv:1604.00772.

    Attributes:
        covariance: `"full"` or `"diagonal"`.
        rng: draws the candidates.
    """

    def __init__(
        self,
        start: Vector,
        sigma: float,
        rng: np.random.Generator,
        *,
        population: int | None = None,
        covariance: str = "full",
    ) -> None:
        """Begin around a vector.

        Args:
            start: the first mean m, float64 [n].
            sigma: the first σ; C is the identity.
            rng: draws the candidates.
            population: λ; None: 4 + ⌊3 ln n⌋.
            covariance: `"full"` or `"diagonal"`.
        """
        self.covariance, self.rng = covariance, rng
        self._size = population or 4 + math.floor(3.0 * math.log(len(start)))
        self._start, self._sigma = np.array(start, np.float64), sigma
        self._strategy = self._make_strategy()

    def _make_strategy(self) -> Any:
        import cma  # where matplotlib is installed that takes seconds, so only who trains pays

        rng = self.rng
        return cma.CMAEvolutionStrategy(
            self._start,
            self._sigma,
            {
                "popsize": self._size,
                "CMA_diagonal": self.covariance == "diagonal",
                "AdaptSigma": cma.sigma_adaptation.CMAAdaptSigmaCSA,
                "CMA_mirrors": 0,
                "conditioncov_alleviate": False,
                "randn": lambda *shape: rng.standard_normal(shape),
                "seed": np.nan,  # it would seed the generator of the process
                "verbose": -9,
                "verb_log": 0,
            },
        )

    @property
    def mean(self) -> Vector:
        """The mean m of the distribution, float64 [n]: what the search recommends."""
        return np.array(self._strategy.mean)

    @property
    def deviations(self) -> Vector:
        """The standard deviation of each parameter, float64 [n]."""
        return np.array(self._strategy.stds)

    def ask(self) -> Sequence[Vector]:
        """Draw the λ candidates of a generation, float64 [n] each."""
        candidates: Sequence[Vector] = self._strategy.ask()
        return candidates

    def tell(self, candidates: Sequence[Vector], returns: Sequence[float]) -> None:
        """Say what each candidate of the last `ask` earned: more is better."""
        if min(returns) == max(returns) or self.deviations.max() < _CONVERGED:
            self.load_state_dict(self.state_dict())  # the old one keeps what it waits for
        else:
            self._strategy.tell(candidates, [-earned for earned in returns])

    def state_dict(self) -> dict[str, Any]:
        """Return where the search stands between two generations, as arrays and JSON values."""
        return {
            "fields": {path: _plain(_get(self._strategy, path)) for path in self._paths},
            "generator": self.rng.bit_generator.state,
            "covariance": self.covariance,
            "population": self._size,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on where a search with the same settings stood: bit for bit as if it had not been saved.

        Raises:
            CheckpointError: if it was saved by a search with other settings, or of other vectors.
        """
        fields = state["fields"]
        saved = (np.size(fields["mean"]), state["covariance"], state["population"])
        own = (len(self._start), self.covariance, self._size)
        if saved != own:
            raise ph.errors.CheckpointError(
                "The saved search has {} parameters, a {} covariance and a population of {}, but this one "
                "has {}, {} and {}. Go on with the policy and the settings that it had.".format(*saved, *own)
            )
        strategy = self._make_strategy()
        if fields["countiter"]:  # what the first generation makes is there when it is set
            strategy.tell(strategy.ask(), list(range(self._size)))
        for path in self._paths:
            value = fields[path]
            _set(strategy, path, np.array(value) if isinstance(value, np.ndarray) else value)
        self._strategy = strategy
        self.rng.bit_generator.state = state["generator"]

    @property
    def _paths(self) -> tuple[str, ...]:
        return _FIELDS + _FIELDS_BY_COVARIANCE[self.covariance]


def _get(strategy: Any, path: str) -> Any:
    for name in path.split("."):
        strategy = getattr(strategy, name)
    return strategy


def _set(strategy: Any, path: str, value: Any) -> None:
    *owners, name = path.split(".")
    for owner in owners:
        strategy = getattr(strategy, owner)
    setattr(strategy, name, value)


def _plain(value: Any) -> Any:
    """Return a copy of an array, and a number of NumPy as one of Python."""
    if isinstance(value, np.ndarray):
        return value.copy()
    return value.item() if isinstance(value, np.generic) else value
