"""`ActionBranches`: the choices of which an action consists, and where their values stand."""

from __future__ import annotations

from typing import Any, Final

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

import phantom_core as ph

Array = NDArray[Any]
FORBIDDEN: Final = -1e30
"""What an action that the mask forbids counts as being worth."""


class ActionBranches:
    """One choice for a Discrete action, several for a MultiDiscrete one; each option has a value.

    Values of all options of all branches are one row [A]; within it branch k begins at `firsts[k]`. An
    index says which option of each branch was taken, as columns of that row: int array [B, K].

    Attributes:
        sizes: the number of options of each branch [K].
        firsts: the column of the first option of each branch [K].
        num_options: A.
    """

    def __init__(self, space: gym.Space[Any]) -> None:
        """Take a space.

        Raises:
            ConfigError: if it is neither Discrete nor MultiDiscrete, or holds no number.
        """
        if isinstance(space, gym.spaces.Discrete):
            start, sizes = np.asarray(space.start), np.array([space.n])
        elif isinstance(space, gym.spaces.MultiDiscrete) and space.nvec.size:
            start, sizes = space.start, space.nvec.ravel()
        else:
            raise ph.errors.ConfigError(
                f"dqn cannot act in {space}. Use a Discrete or MultiDiscrete space, or another trainer, such "
                "as 'ppo'."
            )
        self._start = start
        self.sizes = sizes.astype(np.int64)
        self.firsts = np.concatenate(([0], np.cumsum(self.sizes)[:-1]))
        self.num_options = int(self.sizes.sum())

    def __len__(self) -> int:
        """Return K, the number of branches."""
        return len(self.sizes)

    def best(self, values: Array, mask: Array | None = None) -> Array:
        """Return the index of the most valuable allowed option of each branch; of equals, the first.

        Args:
            values: [B, A].
            mask: which options are allowed, bool [B, A]; None: all.
        """
        if mask is not None:
            values = np.where(mask, values, np.asarray(FORBIDDEN, values.dtype))
        found: Array
        if len(self) == 1:
            found = values.argmax(axis=1)[:, None]
            return found
        found = np.empty((len(values), len(self)), np.int64)
        for branch, (first, size) in enumerate(zip(self.firsts, self.sizes, strict=True)):
            found[:, branch] = first + values[:, first : first + size].argmax(axis=1)
        return found

    def random(self, draws: Array, mask: Array | None = None) -> Array:
        """Return the index of an allowed option of each branch, by draws [B, K] in [0, 1)."""
        found: Array = self.firsts + (draws * self.sizes).astype(np.int64)
        if mask is None:
            return found
        for branch, (first, size) in enumerate(zip(self.firsts, self.sizes, strict=True)):
            allowed = np.cumsum(mask[:, first : first + size], axis=1)
            number = (draws[:, branch] * allowed[:, -1]).astype(np.int64)  # which of the allowed ones
            found[:, branch] = first + (allowed <= number[:, None]).sum(axis=1)
        return found

    def actions(self, index: Array) -> Array:
        """Return the actions that an index stands for, as they are stored: [B, *shape]."""
        found: Array = (index - self.firsts).reshape(-1, *self._start.shape) + self._start
        return found

    def index(self, actions: Array) -> Array:
        """Return the index of stored actions [B, *shape]."""
        found: Array = (actions - self._start).reshape(len(actions), -1) + self.firsts
        return found

    def to_env(self, actions: Array) -> Array:
        """Return stored actions in the type of the space."""
        return actions.astype(self._start.dtype, copy=False) if self._start.shape else actions

    def centred(self, values: Array) -> Array:
        """Return values [B, A] minus the mean of each branch; its own transpose as a linear function."""
        means = np.add.reduceat(values, self.firsts, axis=1) / self.sizes.astype(values.dtype)
        centred: Array = values - np.repeat(means, self.sizes, axis=1)
        return centred
