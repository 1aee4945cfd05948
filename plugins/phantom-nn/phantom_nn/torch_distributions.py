"""The distributions of `action_distributions` in PyTorch: log-probabilities and entropies with gradients."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch

from phantom_nn.action_distributions import (
    MASKED,
    ActionDistribution,
    Bernoulli,
    Categorical,
    DiagonalGaussian,
    JointDistribution,
    MultiCategorical,
)

_Pair = tuple[torch.Tensor, torch.Tensor]


def log_prob_and_entropy(
    distribution: ActionDistribution,
    outputs: torch.Tensor,
    extra: torch.Tensor,
    actions: torch.Tensor,
    mask: torch.Tensor | None,
) -> _Pair:
    """Return log π(a|s) and the entropy of each row: two tensors [B].

    Args:
        distribution: the family of distributions.
        outputs: what the network says [B, outputs].
        extra: parameters that are the same for every row.
        actions: stored actions [B, …], as `ActionDistribution.as_array` returns them.
        mask: which actions are allowed, bool [B, A]; None: all.
    """
    if isinstance(distribution, JointDistribution):
        found = [
            log_prob_and_entropy(
                part.distribution,
                outputs[:, part.outputs],
                extra[part.extra],
                part.chosen(actions),
                part.masked(mask),
            )
            for part in distribution.parts
        ]
        return _added(found)
    if mask is not None:
        outputs = torch.where(mask, outputs, MASKED)
    flat = actions.reshape(len(actions), -1)
    if isinstance(distribution, Categorical):
        return _categorical(outputs, flat[:, 0] - distribution.start)
    if isinstance(distribution, MultiCategorical):
        index = (actions - torch.from_numpy(distribution.start).to(actions.device)).reshape(flat.shape)
        columns = zip(outputs.split(distribution.sizes, dim=1), index.unbind(1), strict=True)
        return _added([_categorical(logits, chosen) for logits, chosen in columns])
    if isinstance(distribution, Bernoulli):
        softplus = torch.logaddexp(torch.zeros_like(outputs), outputs)
        entropy = (softplus - outputs * torch.sigmoid(outputs)).sum(1)
        return (flat * outputs - softplus).sum(1, dtype=torch.float64), entropy
    assert isinstance(distribution, DiagonalGaussian)
    z = (flat - outputs) * torch.exp(-extra)
    scale = extra.double().sum() + 0.5 * flat.shape[1] * math.log(2.0 * math.pi)
    log_prob = -0.5 * (z * z).sum(1, dtype=torch.float64) - scale
    return log_prob, (scale + 0.5 * flat.shape[1]).expand(len(flat))


def _added(parts: Sequence[_Pair]) -> _Pair:
    """Return the log-probabilities and entropies of independent parts together."""
    log_probs, entropies = (torch.stack(part) for part in zip(*parts, strict=True))
    return log_probs.sum(0, dtype=torch.float64), entropies.sum(0)


def _categorical(logits: torch.Tensor, index: torch.Tensor) -> _Pair:
    log_probs = torch.log_softmax(logits, dim=1)
    chosen = log_probs.gather(1, index[:, None].long())[:, 0]
    return chosen, -(log_probs.exp() * log_probs).sum(1)


def squashed_draw(
    means: torch.Tensor,
    log_std: torch.Tensor,
    noise: torch.Tensor,
    is_bounded: torch.Tensor | None = None,
) -> _Pair:
    """Return actions [B, K] and log π [B] as `SquashedDraw` does, with gradients through both.

    Args:
        means: μ [B, K].
        log_std: log σ [B, K], clamped already.
        noise: ε [B, K].
        is_bounded: which dimensions the tanh is for, bool [K]; None: all.
    """
    raw = means + torch.exp(log_std) * noise
    log_slope = 2.0 * (math.log(2.0) - raw - torch.nn.functional.softplus(-2.0 * raw))
    actions = torch.tanh(raw)
    if is_bounded is not None:
        log_slope = torch.where(is_bounded, log_slope, 0.0)
        actions = torch.where(is_bounded, actions, raw)
    terms = 0.5 * noise * noise + log_std + (0.5 * math.log(2.0 * math.pi) + log_slope)
    return actions, -terms.sum(1)
