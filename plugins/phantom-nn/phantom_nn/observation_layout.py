"""From observations of any space to rows of floats, as `gymnasium.spaces.flatten` lays them out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

import phantom_core as ph

Array = NDArray[Any]
Key: TypeAlias = "str | int"

OBSERVATION: Final = "observation"
ACTION_MASK: Final = "action_mask"


@dataclass(frozen=True, slots=True)
class _Leaf:
    """One simple space inside of an observation space.

    Attributes:
        path: the keys that lead to it through Dict and Tuple spaces.
        space: the space.
        begin: its first column.
        width: how many columns it has.
    """

    path: tuple[Key, ...]
    space: gym.Space[Any]
    begin: int
    width: int

    @property
    def end(self) -> int:
        return self.begin + self.width

    @property
    def sizes(self) -> Array:
        """The numbers of values of what is one-hot: [n] or nvec; empty for numbers and bits."""
        if isinstance(self.space, gym.spaces.Discrete):
            return np.array([self.space.n])
        return self.space.nvec.ravel() if isinstance(self.space, gym.spaces.MultiDiscrete) else np.array([])


class ObservationLayout:
    """Turns batched observations into features [B, width], and takes an action mask out of them.

    Box and MultiBinary are flattened; Discrete and MultiDiscrete become one-hot; Dict and Tuple put
    their parts one after the other. A Dict with exactly the keys `observation` and `action_mask` is an
    observation with a mask, which says by 1 or 0 whether each action is allowed now.

    Attributes:
        inner_space: the space of what is observed, without a mask.
        width: the number of features.
        mask_width: the number of entries of the mask; 0 without one.
        is_number: bool array [width]: whether a feature comes from a Box, so that scaling it makes sense.
    """

    def __init__(self, space: gym.Space[Any]) -> None:
        """Lay out a space.

        Raises:
            ConfigError: if it has a part that cannot be flattened.
        """
        self.space = space
        self.mask_width = 0
        self.inner_space = space
        self._is_masked = False
        if isinstance(space, gym.spaces.Dict) and ACTION_MASK in space.spaces:
            self._is_masked = True
            self.inner_space, self.mask_width = _split_masked(space)
        self._leaves: list[_Leaf] = []
        self._add(self.inner_space, ())
        self.width = self._leaves[-1].end if self._leaves else 0
        self.is_number = np.zeros(self.width, dtype=bool)
        for leaf in self._leaves:
            self.is_number[leaf.begin : leaf.end] = isinstance(leaf.space, gym.spaces.Box)
        only_leaf = self._leaves[0] if len(self._leaves) == 1 else None
        self._is_one_box = only_leaf is not None and not only_leaf.path and bool(self.is_number.all())

    def features(self, observations: Any, dtype: type[np.floating[Any]] = np.float32) -> Array:
        """Return observations as features [B, width].

        Args:
            observations: batched as by `gymnasium.vector.utils.batch_space`: an array [B, …], or a dict
                or tuple of such arrays.
            dtype: float type of the result, which may share memory with the observations.
        """
        inner = observations[OBSERVATION] if self._is_masked else observations
        if self._is_one_box:
            array = np.asarray(inner, dtype)
            return array.reshape(len(array), self.width)
        columns = [(leaf, np.asarray(_follow(inner, leaf.path))) for leaf in self._leaves]
        features = np.zeros((len(columns[0][1]) if columns else 0, self.width), dtype)
        for leaf, values in columns:
            _write(features, leaf, values)
        return features

    def mask(self, observations: Any) -> Array | None:
        """Return the action mask, bool [B, mask_width]; None if the space has none.

        Raises:
            ObservationError: if a row allows no action.
        """
        mask = self.any_mask(observations)
        if mask is None:
            return None
        is_possible = mask.any(axis=1)
        if not is_possible.all():
            raise ph.errors.ObservationError(
                f"The action mask of observation {int(is_possible.argmin())} of {len(mask)} in this step "
                f"allows none of the {self.mask_width} actions. Expected at least one 1 in "
                f"observation['{ACTION_MASK}']: let the env end the agent's episode, or allow an action "
                "that does nothing."
            )
        return mask

    def any_mask(self, observations: Any) -> Array | None:
        """Return the action mask as `mask` does, also of rows that allow no action.

        For what followed a termination, where nobody acts.
        """
        if not self._is_masked:
            return None
        given = np.asarray(observations[ACTION_MASK])
        found: Array = given.reshape(len(given), self.mask_width).astype(bool)
        return found

    def unflatten(self, features: Any) -> Any:
        """Return features as the observation they came from, one-hot where it is discrete.

        Args:
            features: [B, width], of NumPy or torch.

        Returns:
            A Box or MultiBinary as [B, *shape]; a Discrete or MultiDiscrete as one-hot [B, sum of sizes];
            a Dict or Tuple as dict or tuple of these.
        """
        found = {leaf.path: features[:, leaf.begin : leaf.end] for leaf in self._leaves}

        def build(space: gym.Space[Any], path: tuple[Key, ...]) -> Any:
            if isinstance(space, gym.spaces.Dict):
                return {key: build(part, (*path, key)) for key, part in space.spaces.items()}
            if isinstance(space, gym.spaces.Tuple):
                return tuple(build(part, (*path, number)) for number, part in enumerate(space.spaces))
            if isinstance(space, (gym.spaces.Box, gym.spaces.MultiBinary)):
                return found[path].reshape(len(features), *space.shape)
            return found[path]

        return build(self.inner_space, ())

    def _add(self, space: gym.Space[Any], path: tuple[Key, ...]) -> None:
        if isinstance(space, gym.spaces.Dict):
            for key, part in space.spaces.items():
                self._add(part, (*path, key))
        elif isinstance(space, gym.spaces.Tuple):
            for number, part in enumerate(space.spaces):
                self._add(part, (*path, number))
        else:
            begin = self._leaves[-1].end if self._leaves else 0
            self._leaves.append(_Leaf(path, space, begin, _width(space)))


def batch_of_one(space: gym.Space[Any], observation: Any) -> Any:
    """Return one observation as a batch of one."""
    if isinstance(space, gym.spaces.Dict):
        return {key: batch_of_one(part, observation[key]) for key, part in space.spaces.items()}
    if isinstance(space, gym.spaces.Tuple):
        return tuple(batch_of_one(*pair) for pair in zip(space.spaces, observation, strict=True))
    return np.asarray(observation)[None]


def _width(space: gym.Space[Any]) -> int:
    if isinstance(space, gym.spaces.Discrete):
        return int(space.n)
    if isinstance(space, gym.spaces.MultiDiscrete):
        return int(space.nvec.sum())
    if isinstance(space, (gym.spaces.Box, gym.spaces.MultiBinary)):
        return math.prod(space.shape)
    raise ph.errors.ConfigError(
        f"An observation space with a part {space} cannot be turned into numbers. Use Box, Discrete, "
        "MultiDiscrete and MultiBinary, and Dict and Tuple of these."
    )


def _follow(observations: Any, path: Sequence[Key]) -> Any:
    for key in path:
        observations = observations[key]
    return observations


def _write(features: Array, leaf: _Leaf, values: Array) -> None:
    """Write the columns of one leaf."""
    columns, space = features[:, leaf.begin : leaf.end], leaf.space
    rows = len(values)
    if isinstance(space, (gym.spaces.Box, gym.spaces.MultiBinary)):
        columns[:] = values.reshape(rows, leaf.width)
    elif isinstance(space, gym.spaces.Discrete):
        columns[np.arange(rows), values.reshape(rows) - int(space.start)] = 1.0
    else:
        assert isinstance(space, gym.spaces.MultiDiscrete)
        firsts = np.concatenate(([0], np.cumsum(space.nvec.ravel())[:-1]))
        index = (values - space.start).reshape(rows, -1) + firsts
        columns[np.arange(rows)[:, None], index] = 1.0


def _split_masked(space: gym.spaces.Dict) -> tuple[gym.Space[Any], int]:
    """Return the observation and the width of the mask of a masked space."""
    mask = space.spaces[ACTION_MASK]
    if set(space.spaces) != {OBSERVATION, ACTION_MASK} or not isinstance(
        mask, (gym.spaces.Box, gym.spaces.MultiBinary)
    ):
        raise ph.errors.ConfigError(
            f"The observation space has the key '{ACTION_MASK}' in {space}. An observation with a mask has "
            f"exactly the keys '{OBSERVATION}' and '{ACTION_MASK}', and the mask is a MultiBinary or a Box: "
            "put everything else into the observation, or rename the key."
        )
    return space.spaces[OBSERVATION], math.prod(mask.shape)
