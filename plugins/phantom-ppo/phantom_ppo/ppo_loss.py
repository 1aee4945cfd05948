"""The loss of PPO and its derivatives: pure functions of log-probabilities, entropies and values."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from phantom_ppo.sequences import Inputs

Array = NDArray[Any]
Minibatch: TypeAlias = "tuple[Array | None, Array]"
"""The rows of a minibatch, None for all, and their advantages as they are to be learned from."""
Step: TypeAlias = "tuple[LossTerms, float | None]"
"""The loss before a gradient step, and the norm of its gradient; None if no step was made."""


@dataclass(frozen=True, slots=True)
class Samples:
    """N decisions to learn from, as arrays of length N.

    Attributes:
        features: what was observed [N, D], as the network takes it; for one with a memory in sequences.
        masks: which actions were allowed, bool [N, A]; None: all.
        actions: what was sampled [N, …].
        log_probs: log π(a|s) of the policy that is now about to change.
        values: V(s) of the critic that is now about to change.
        advantages: how much better the decision was than V(s) promised.
        returns: the target of the value function, advantage + value.
    """

    features: Inputs
    masks: Array | None
    actions: Array
    log_probs: Array
    values: Array
    advantages: Array
    returns: Array

    def __len__(self) -> int:
        """Return N."""
        return len(self.advantages)

    def __getitem__(self, rows: Any) -> Samples:
        """Return some of the rows, in the order of `rows`."""
        return Samples(
            self.features[rows],
            None if self.masks is None else self.masks[rows],
            self.actions[rows],
            self.log_probs[rows],
            self.values[rows],
            self.advantages[rows],
            self.returns[rows],
        )

    def minibatch(self, rows: Any, advantages: Array) -> Samples:
        """Return some of the rows, None for all, with other advantages."""
        return replace(self if rows is None else self[rows], advantages=advantages)


@dataclass(frozen=True, slots=True)
class LossSettings:
    """The settings of one update; schedules have been applied.

    Attributes are those of `PPOConfig`; `learning_rate`, `clip_range` and `entropy_coefficient` stand
    where their schedules stand now. `max_kl` stops the update; None: nothing does.
    """

    learning_rate: float
    clip_range: float
    entropy_coefficient: float
    value_coefficient: float
    clip_range_value: float | None
    max_grad_norm: float
    max_kl: float | None


@dataclass(frozen=True, slots=True)
class LossTerms:
    """The parts of the loss on one minibatch, and what they say about the change of the policy.

    Attributes:
        policy_loss: −mean of the clipped surrogate.
        value_loss: mean squared error of the values.
        entropy: mean entropy.
        approx_kl: estimate of KL(old ‖ new), (r − 1) − log r (estimator k3 of Schulman 2020,
            http://joschu.net/blog/kl-approx.html).
        clip_fraction: share of the rows whose ratio is outside of [1 − ε, 1 + ε].
        ratio_error: the largest |r − 1|.
    """

    policy_loss: float
    value_loss: float
    entropy: float
    approx_kl: float
    clip_fraction: float
    ratio_error: float


@dataclass(frozen=True, slots=True)
class LossGradients:
    """Derivatives of the loss.

    Attributes:
        d_log_prob: ∂L/∂log π(a|s) [B].
        d_values: ∂L/∂V(s) [B].
        d_entropy: ∂L/∂H, the same for every row.
    """

    d_log_prob: Array
    d_values: Array
    d_entropy: float


def ppo_loss(
    log_prob: Array, entropy: Array, values: Array, samples: Samples, settings: LossSettings
) -> tuple[LossTerms, LossGradients]:
    """Return the loss of PPO on a minibatch of B rows, and its derivatives.

        r = exp(log π(a|s) − log π_old(a|s))
        L = −mean(min(r A, clip(r, 1−ε, 1+ε) A)) + cᵥ mean((V − R)²) − cₑ mean(H)

    With a clip range for values, (V − R)² becomes max((V − R)², (V_old + clip(V − V_old, ±εᵥ) − R)²).

    Args:
        log_prob: log π(a|s) under the policy as it is now [B].
        entropy: H of the policy as it is now [B].
        values: V(s) of the critic as it is now [B].
        samples: the minibatch; its advantages A are used as they are.
        settings: ε, εᵥ, cᵥ and cₑ.

    Source: Schulman et al. 2017, arXiv:1707.06347, equations 7 and 9.
    """
    number, epsilon, advantages = len(samples), settings.clip_range, samples.advantages
    log_ratio = log_prob - samples.log_probs
    ratio = np.exp(log_ratio)
    surrogate = ratio * advantages
    clipped = np.minimum(np.maximum(ratio, 1.0 - epsilon), 1.0 + epsilon) * advantages
    is_active = surrogate <= clipped  # where the minimum is the clipped one, nothing depends on r
    change = ratio - 1.0
    deviation = np.abs(change)
    value_loss, d_values = _value_loss(values, samples, settings)
    terms = LossTerms(
        policy_loss=-_mean(np.minimum(surrogate, clipped)),
        value_loss=value_loss,
        entropy=_mean(entropy),
        approx_kl=_mean(change - log_ratio),
        clip_fraction=np.count_nonzero(deviation > epsilon) / number,
        ratio_error=float(np.maximum.reduce(deviation)),
    )
    gradients = LossGradients(
        d_log_prob=is_active * surrogate * (-1.0 / number),
        d_values=d_values,
        d_entropy=-settings.entropy_coefficient / number,
    )
    return terms, gradients


def normalised(advantages: Array) -> Array:
    """Return advantages with mean 0 and standard deviation 1; a single one stays as it is."""
    if len(advantages) == 1:
        return advantages
    centred = advantages - _mean(advantages)
    scaled: Array = centred / (np.sqrt(centred @ centred / (len(centred) - 1)) + 1e-8)
    return scaled


def explained_variance(values: Array, returns: Array) -> float | None:
    """Return 1 − Var(R − V) / Var(R): 1 is perfect, 0 no better than a constant; None if R is constant."""
    variance = float(np.var(returns))
    return None if variance == 0.0 else 1.0 - float(np.var(returns - values)) / variance


def _mean(values: Array) -> float:
    """Return the mean; `values.mean()` takes twice as long for a minibatch."""
    return float(np.add.reduce(values)) / len(values)


def _value_loss(values: Array, samples: Samples, settings: LossSettings) -> tuple[float, Array]:
    """Return the mean squared error, clipped if so set, and ∂(cᵥ · error)/∂V."""
    error = values - samples.returns
    limit = settings.clip_range_value
    if limit is not None:
        change = values - samples.values
        clipped_error = samples.values + np.clip(change, -limit, limit) - samples.returns
        is_clipped = (clipped_error**2 > error**2) & (np.abs(change) >= limit)
        worst = np.maximum(error**2, clipped_error**2)
        slope = np.where(is_clipped, 0.0, error)
        return _mean(worst), slope * (2.0 * settings.value_coefficient / len(samples))
    return float(error @ error) / len(samples), error * (2.0 * settings.value_coefficient / len(samples))
