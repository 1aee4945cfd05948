"""From the outputs of a network to actions: one distribution for each kind of action space."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

import phantom_core as ph

Array = NDArray[Any]
MASKED: Final = -1e30
"""The logit of an action that the mask forbids: its probability is exactly 0 in every float type."""


class Likelihood(ABC):
    """How likely given actions were, and how that changes with the network's outputs.

    Attributes:
        log_prob: log π(a|s) of each action [B].
        entropy: entropy of each row's distribution [B].
    """

    log_prob: Array
    entropy: Array

    @abstractmethod
    def gradients(self, d_log_prob: Array, d_entropy: float) -> tuple[Array, Array | float]:
        """Return ∂loss/∂outputs [B, outputs] and ∂loss/∂extra.

        Args:
            d_log_prob: ∂loss/∂log_prob [B].
            d_entropy: ∂loss/∂entropy, the same for every row.
        """


class ActionDistribution(ABC):
    """A family of distributions over the actions of a space; the network's outputs choose one of them.

    Attributes:
        num_outputs: network outputs that it needs.
        num_extra: parameters that it needs beside them, the same for every observation.
        mask_width: entries of an action mask: one for each action; 0 where masks make no sense.
        shape: the shape of one stored action.
    """

    num_outputs: int
    num_extra: int = 0
    mask_width: int = 0
    shape: tuple[int, ...] = ()

    @abstractmethod
    def sample(self, outputs: Array, extra: Array, rng: ph.RowStreams, mask: Array | None = None) -> Any:
        """Draw one action for each row, as it is stored: batched, before `to_env`."""

    @abstractmethod
    def mode(self, outputs: Array, mask: Array | None = None) -> Any:
        """Return the likeliest action of each row, as it is stored."""

    @abstractmethod
    def likelihood(
        self, outputs: Array, extra: Array, actions: Array, mask: Array | None = None
    ) -> Likelihood:
        """Return how likely these actions were: [B, *shape], as `as_array` returns them."""

    def as_array(self, actions: Any) -> Array:
        """Return stored actions, batched as a space batches them, as one array [B, *shape]."""
        found: Array = actions
        return found

    def to_env(self, actions: Any) -> Any:
        """Return stored actions as the env takes them."""
        return actions


def make_distribution(space: gym.Space[Any]) -> ActionDistribution:
    """Return the distribution for an action space.

    Raises:
        ConfigError: if there is none for it.
    """
    if space.shape is not None and 0 in space.shape:
        raise ph.errors.ConfigError(
            f"A network cannot act in {space}: its actions hold no number. Give it a policy that does "
            "not learn, such as 'random', or an action."
        )
    if isinstance(space, gym.spaces.Discrete):
        return Categorical(int(space.n), int(space.start))
    if isinstance(space, gym.spaces.MultiDiscrete):
        return MultiCategorical(space.nvec, space.start)
    if isinstance(space, gym.spaces.MultiBinary):
        return Bernoulli(space.shape)
    if isinstance(space, gym.spaces.Box) and np.issubdtype(space.dtype, np.floating):
        return DiagonalGaussian(space)
    if isinstance(space, gym.spaces.Dict) and space.spaces:
        return JointDistribution({key: make_distribution(part) for key, part in space.items()}, is_dict=True)
    if isinstance(space, gym.spaces.Tuple) and space.spaces:
        parts = enumerate(map(make_distribution, space))
        return JointDistribution(dict(parts), is_dict=False)
    raise ph.errors.ConfigError(
        f"A network cannot act in {space}. Use Discrete, MultiDiscrete, MultiBinary or a Box of "
        "floats, or a Dict or Tuple of these."
    )


class Categorical(ActionDistribution):
    """One choice among n: π(a) = exp(zₐ) / Σ exp(z). The outputs z are the logits.

    Attributes:
        start: the first action.
    """

    def __init__(self, number: int, start: int = 0) -> None:
        self.num_outputs = self.mask_width = number
        self.start = start

    def sample(self, outputs: Array, extra: Array, rng: ph.RowStreams, mask: Array | None = None) -> Array:
        """Draw by inverting the distribution function: int array [B]."""
        return self.invert(outputs, np.asarray(rng.uniform()), mask)

    def invert(self, outputs: Array, draws: Array, mask: Array | None = None) -> Array:
        """Return the first action whose cumulated probability is above a draw [B] in [0, 1)."""
        weights = np.array(_masked(outputs, mask).T, order="C")  # [n, B], as in the likelihood
        weights -= np.maximum.reduce(weights, axis=0)
        cumulated = np.add.accumulate(np.exp(weights, out=weights), axis=0)
        index: Array = np.add.reduce(cumulated <= draws * cumulated[-1], axis=0)
        return index + self.start if self.start else index

    def mode(self, outputs: Array, mask: Array | None = None) -> Array:
        """Return the action with the highest logit; of equals, the first."""
        index: Array = _masked(outputs, mask).argmax(axis=1)
        return index + self.start

    def likelihood(
        self, outputs: Array, extra: Array, actions: Array, mask: Array | None = None
    ) -> Likelihood:
        """Return how likely these actions [B] were."""
        return _CategoricalLikelihood(_masked(outputs, mask), np.asarray(actions, np.int64) - self.start)


class _CategoricalLikelihood(Likelihood):
    """log π(a) = zₐ − log Σ exp(z), H = −Σ π log π; an action with probability 0 adds nothing to H.

    The arrays are [actions, B] here: NumPy reduces a long last axis several times faster than a short one.
    """

    def __init__(self, logits: Array, index: Array) -> None:
        self._chosen = index, np.arange(len(logits))
        log_probs = np.array(logits.T, order="C")
        log_probs -= np.maximum.reduce(log_probs, axis=0)
        probs = np.exp(log_probs)
        total = np.add.reduce(probs, axis=0)
        probs /= total
        log_probs -= np.log(total)
        self._probs, self._log_probs = probs, log_probs
        self.log_prob = log_probs[self._chosen]
        self.entropy = -np.add.reduce(probs * log_probs, axis=0)

    def gradients(self, d_log_prob: Array, d_entropy: float) -> tuple[Array, float]:
        """∂log π(a)/∂z = 1ₐ − π and ∂H/∂z = −π (log π + H)."""
        d_logits = self._probs * -d_log_prob
        d_logits[self._chosen] += d_log_prob
        if d_entropy:
            d_logits -= d_entropy * self._probs * (self._log_probs + self.entropy)
        return d_logits.T, 0.0


class MultiCategorical(ActionDistribution):
    """Several independent choices; log-probabilities and entropies add up.

    Attributes:
        start: the first action of each choice, in the shape of an action.
        sizes: the number of actions of each choice.
    """

    def __init__(self, nvec: Array, start: Array) -> None:
        self.start, self.sizes = start, [int(number) for number in nvec.ravel()]
        self.shape = start.shape
        self.num_outputs = self.mask_width = sum(self.sizes)
        self._heads = [Categorical(size) for size in self.sizes]
        self._ends = np.cumsum(self.sizes)[:-1]

    def sample(self, outputs: Array, extra: Array, rng: ph.RowStreams, mask: Array | None = None) -> Array:
        """Draw each choice by itself: int array [B, *shape]."""
        draws = rng.uniforms(len(self._heads))
        parts = self._parts(outputs, mask)
        return self._joined(
            [head.invert(part, draw) for head, part, draw in zip(*parts, draws.T, strict=True)]
        )

    def mode(self, outputs: Array, mask: Array | None = None) -> Array:
        """Return the likeliest of each choice."""
        heads, parts = self._parts(outputs, mask)
        return self._joined([head.mode(part) for head, part in zip(heads, parts, strict=True)])

    def likelihood(
        self, outputs: Array, extra: Array, actions: Array, mask: Array | None = None
    ) -> Likelihood:
        """Return how likely these actions [B, *shape] were."""
        _, parts = self._parts(outputs, mask)
        chosen = (np.asarray(actions, np.int64) - self.start).reshape(len(actions), -1).T
        return _JointLikelihood([_CategoricalLikelihood(*pair) for pair in zip(parts, chosen, strict=True)])

    def to_env(self, actions: Array) -> Array:
        """Return stored actions in the type of the space."""
        return actions.astype(self.start.dtype, copy=False)

    def _parts(self, outputs: Array, mask: Array | None) -> tuple[Sequence[Categorical], Sequence[Array]]:
        return self._heads, np.split(_masked(outputs, mask), self._ends, axis=1)

    def _joined(self, columns: Sequence[Array]) -> Array:
        joined: Array = np.stack(columns, axis=1).reshape(-1, *self.start.shape) + self.start
        return joined


class _JointLikelihood(Likelihood):
    def __init__(self, parts: Sequence[Likelihood]) -> None:
        self._parts = parts
        self.log_prob = np.stack([part.log_prob for part in parts]).sum(axis=0, dtype=np.float64)
        self.entropy = np.stack([part.entropy for part in parts]).sum(axis=0)

    def gradients(self, d_log_prob: Array, d_entropy: float) -> tuple[Array, Array | float]:
        parts = [part.gradients(d_log_prob, d_entropy) for part in self._parts]
        extras = [d_extra for _, d_extra in parts if isinstance(d_extra, np.ndarray)]
        d_outputs = np.concatenate([d_part for d_part, _ in parts], axis=1)
        return d_outputs, np.concatenate(extras) if extras else 0.0


class Bernoulli(ActionDistribution):
    """Independent bits: π(1) = σ(z). The outputs z are the logits."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.shape = shape
        self.num_outputs = math.prod(shape)

    def sample(self, outputs: Array, extra: Array, rng: ph.RowStreams, mask: Array | None = None) -> Array:
        """Draw each bit by itself: int8 array [B, *shape]."""
        return self._bits(rng.uniforms(self.num_outputs) < _sigmoid(outputs))

    def mode(self, outputs: Array, mask: Array | None = None) -> Array:
        """Return the likelier value of each bit; 0 if both are equally likely."""
        return self._bits(outputs > 0.0)

    def likelihood(
        self, outputs: Array, extra: Array, actions: Array, mask: Array | None = None
    ) -> Likelihood:
        """Return how likely these actions [B, *shape] were."""
        return _BernoulliLikelihood(outputs, actions.reshape(len(actions), -1))

    def _bits(self, flat: Array) -> Array:
        return flat.astype(np.int8).reshape(-1, *self.shape)


class _BernoulliLikelihood(Likelihood):
    """log π(a) = Σ a z − log(1 + eᶻ), H = Σ log(1 + eᶻ) − z σ(z)."""

    def __init__(self, logits: Array, bits: Array) -> None:
        self._logits, self._bits, self._probs = logits, bits, _sigmoid(logits)
        softplus = np.logaddexp(0.0, logits)
        self.log_prob = (bits * logits - softplus).sum(axis=1, dtype=np.float64)
        self.entropy = (softplus - logits * self._probs).sum(axis=1)

    def gradients(self, d_log_prob: Array, d_entropy: float) -> tuple[Array, float]:
        """∂log π(a)/∂z = a − σ(z) and ∂H/∂z = −z σ(z) (1 − σ(z))."""
        d_logits = (self._bits - self._probs) * d_log_prob[:, None]
        if d_entropy:
            d_logits -= d_entropy * self._logits * self._probs * (1.0 - self._probs)
        return d_logits, 0.0


class DiagonalGaussian(ActionDistribution):
    """Independent normal draws; the outputs are the means, `extra` is log σ, the same everywhere.

    A dimension with two finite bounds is scaled: −1 stands for its lower bound and 1 for its upper one.
    Bounds near the largest number of the type count as infinite.
    Actions are stored as they were drawn; only what the env gets is clipped to the bounds.
    """

    def __init__(self, space: gym.spaces.Box) -> None:
        self._space, self.shape = space, space.shape
        self.num_outputs = self.num_extra = math.prod(space.shape)
        low, high = space.low.astype(np.float64), space.high.astype(np.float64)
        limit = float(np.finfo(cast("Any", space.dtype)).max) / 2.0
        is_finite = (np.abs(low) < limit) & (np.abs(high) < limit)
        with np.errstate(invalid="ignore", over="ignore"):  # of infinities, which are not taken
            self._centre = np.where(is_finite, (low + high) / 2.0, 0.0)
            self._half = np.where(is_finite, (high - low) / 2.0, 1.0)

    def sample(self, outputs: Array, extra: Array, rng: ph.RowStreams, mask: Array | None = None) -> Array:
        """Draw a = μ + σ ε: array [B, *shape] of the type of the outputs, unclipped."""
        return self._shaped(outputs + np.exp(extra) * rng.normals(self.num_outputs), outputs.dtype)

    def mode(self, outputs: Array, mask: Array | None = None) -> Array:
        """Return the means, unclipped."""
        return self._shaped(outputs, outputs.dtype)

    def likelihood(
        self, outputs: Array, extra: Array, actions: Array, mask: Array | None = None
    ) -> Likelihood:
        """Return how likely these unclipped actions [B, *shape] were."""
        return _GaussianLikelihood(outputs, extra, actions.reshape(len(actions), -1))

    def to_env(self, actions: Array) -> Array:
        """Scale finite dimensions, and clip to the bounds."""
        scaled = self._centre + self._half * actions
        played: Array = np.clip(scaled.astype(self._space.dtype), self._space.low, self._space.high)
        return played

    def _shaped(self, flat: Array, dtype: np.dtype[Any]) -> Array:
        shaped: Array = flat.astype(dtype, copy=False).reshape(-1, *self._space.shape)
        return shaped


class _GaussianLikelihood(Likelihood):
    """With z = (a − μ) / σ: log π(a) = −Σ (z²/2 + log σ + log √2π), H = Σ log σ + log √2πe."""

    def __init__(self, means: Array, log_std: Array, actions: Array) -> None:
        self._inverse_std = np.exp(-log_std)
        self._z = (actions - means) * self._inverse_std
        width = means.shape[1]
        scale = float(log_std.sum(dtype=np.float64)) + 0.5 * width * math.log(2.0 * math.pi)
        self.log_prob = -0.5 * np.einsum("bk,bk->b", self._z, self._z, dtype=np.float64) - scale
        self.entropy = np.full(len(means), scale + 0.5 * width)

    def gradients(self, d_log_prob: Array, d_entropy: float) -> tuple[Array, Array]:
        """∂log π(a)/∂μ = z / σ, ∂log π(a)/∂log σ = z² − 1 and ∂H/∂log σ = 1."""
        weighted = self._z * d_log_prob[:, None]
        d_log_std = np.einsum("bk,bk->k", weighted, self._z) - d_log_prob.sum() + d_entropy * len(self._z)
        return weighted * self._inverse_std, d_log_std


@dataclass(frozen=True, slots=True)
class Part:
    """One of the distributions that make up a `JointDistribution`.

    Attributes:
        key: its key in a Dict, or its number in a Tuple.
        distribution: the distribution.
        outputs: its columns among the outputs of the network.
        extra: its columns among the parameters beside them.
        mask: its columns in the mask.
        columns: its columns in an array of stored actions.
    """

    key: str | int
    distribution: ActionDistribution
    outputs: slice
    extra: slice
    mask: slice
    columns: slice

    def masked(self, mask: Any) -> Any:
        """Return its columns of a mask; None if there is none, or no mask makes sense for it."""
        return None if mask is None or not self.distribution.mask_width else mask[:, self.mask]

    def chosen(self, actions: Any) -> Any:
        """Return its actions [B, *shape] out of an array of stored actions, of NumPy or torch."""
        return actions[:, self.columns].reshape(len(actions), *self.distribution.shape)


class JointDistribution(ActionDistribution):
    """Independent parts, each with a distribution of its own; log-probabilities and entropies add up.

    Stored actions are elements of the Dict or Tuple space, but for what a Box clips. `as_array` lays their
    parts side by side, in float64, which holds every choice exactly. A mask has one entry for each choice of
    the Discrete and MultiDiscrete parts, in the order of the parts.

    Attributes:
        parts: its parts, in the order of the space.
    """

    def __init__(self, distributions: Mapping[Any, ActionDistribution], *, is_dict: bool) -> None:
        self._is_dict = is_dict
        self.parts: list[Part] = []
        ends = [0, 0, 0, 0]  # of outputs, extra, mask and columns
        for key, one in distributions.items():
            sizes = one.num_outputs, one.num_extra, one.mask_width, math.prod(one.shape)
            slices = [slice(end, end + size) for end, size in zip(ends, sizes, strict=True)]
            self.parts.append(Part(key, one, *slices))
            ends = [found.stop for found in slices]
        self.num_outputs, self.num_extra, self.mask_width, width = ends
        self.shape = (width,)

    def sample(self, outputs: Array, extra: Array, rng: ph.RowStreams, mask: Array | None = None) -> Any:
        """Draw each part by itself, in order: a list of B dicts or tuples."""
        return self._elements(
            part.distribution.sample(outputs[:, part.outputs], extra[part.extra], rng, part.masked(mask))
            for part in self.parts
        )

    def mode(self, outputs: Array, mask: Array | None = None) -> Any:
        """Return the likeliest action of each part."""
        return self._elements(
            part.distribution.mode(outputs[:, part.outputs], part.masked(mask)) for part in self.parts
        )

    def likelihood(
        self, outputs: Array, extra: Array, actions: Array, mask: Array | None = None
    ) -> Likelihood:
        """Return how likely these actions [B, *shape] were."""
        return _JointLikelihood(
            [
                part.distribution.likelihood(
                    outputs[:, part.outputs], extra[part.extra], part.chosen(actions), part.masked(mask)
                )
                for part in self.parts
            ]
        )

    def as_array(self, actions: Any) -> Array:
        """Return stored actions, a dict or tuple of batches, as one float64 array [B, width]."""
        found = [part.distribution.as_array(actions[part.key]) for part in self.parts]
        return np.concatenate([np.reshape(one, (len(one), -1)) for one in found], axis=1, dtype=np.float64)

    def to_env(self, actions: Any) -> Any:
        """Return each part as the env takes it: a list of B dicts or tuples."""
        return self._elements(
            part.distribution.to_env(_stacked([action[part.key] for action in actions]))
            for part in self.parts
        )

    def _elements(self, columns: Iterable[Any]) -> list[Any]:
        """Return B elements of the space, whose parts are given as B values each."""
        rows = zip(*columns, strict=True)
        keys = [part.key for part in self.parts]
        return [dict(zip(keys, row, strict=True)) for row in rows] if self._is_dict else list(rows)


def _stacked(actions: list[Any]) -> Any:
    """Return B actions as an array; those that are dicts or tuples stay a list."""
    return actions if isinstance(actions[0], (dict, tuple)) else np.stack(actions)


def _masked(logits: Array, mask: Array | None) -> Array:
    return logits if mask is None else np.where(mask, logits, np.asarray(MASKED, logits.dtype))


def _sigmoid(logits: Array) -> Array:
    """Return 1 / (1 + e⁻ᶻ) without overflow."""
    probabilities: Array = 0.5 * (1.0 + np.tanh(0.5 * logits))
    return probabilities
