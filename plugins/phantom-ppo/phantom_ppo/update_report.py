"""What one update did to a policy: the quantities that are logged, and the check of its first step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

import phantom_core as ph
from phantom_ppo.actor_policy import ActorPolicy
from phantom_ppo.ppo_loss import LossSettings, LossTerms, Samples, Step, explained_variance

RATIO_TOLERANCE: Final = 1e-5
"""How far the probability ratio may be from 1 before the first step of an update."""

_AVERAGED: Final = ("policy_loss", "value_loss", "entropy", "approx_kl", "clip_fraction")


class UpdateReport:
    """Gathers what every minibatch of an update says."""

    def __init__(self, steps: Sequence[Step]) -> None:
        self._terms = [terms for terms, _ in steps]
        self._norms = [norm for _, norm in steps if norm is not None]

    @property
    def first(self) -> LossTerms:
        """What the first minibatch said, before any step."""
        return self._terms[0]

    def quantities(self, samples: Samples, settings: LossSettings) -> dict[str, float]:
        """Return what is logged: means over the minibatches, and what belongs to the whole update."""
        found = {name: float(np.mean([getattr(terms, name) for terms in self._terms])) for name in _AVERAGED}
        explained = explained_variance(samples.values, samples.returns)
        if explained is not None:
            found["explained_variance"] = explained
        if self._norms:
            found["gradient_norm"] = float(np.mean(self._norms))
        found["gradient_steps"] = len(self._norms)
        found["learning_rate"] = settings.learning_rate
        return found


def check_first_ratio(first: LossTerms, policy: ActorPolicy) -> None:
    """Check that nothing but the weights decides how likely an action is: at first the ratio is 1.

    Where a deviation σ below 1 makes log-probabilities steeper, rounding may make 1 / σ times as much.

    Raises:
        PhantomError: if it is not. A mask or a normaliser that acting and updating see differently, or a
            network that draws at random, would do this.
    """
    steepness = max(1.0, float(np.exp(-policy.network.extra.min(initial=0.0))))
    if not first.ratio_error <= RATIO_TOLERANCE * steepness:
        raise ph.PhantomError(
            f"Before the first step of an update the probability of an action had already changed by "
            f"{first.ratio_error:.1e} of itself. Expected less than {RATIO_TOLERANCE * steepness:.0e}: the "
            "network must give the same result for the same observation, so leave out dropout and batch "
            "normalisation; if it has neither, please report this."
        )
