"""`ObservationIndex`: where each observation stands in a table, and which actions it allows."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from itertools import repeat
from pathlib import Path
from typing import Any, Final

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

import phantom_core as ph

OBSERVATION: Final = "observation"
ACTION_MASK: Final = "action_mask"
MOST_VALUES: Final = 50_000_000
"""So many values of a table take 2 GB."""


class ObservationIndex:
    """Numbers the observations of a Discrete or MultiDiscrete space from 0; reads action masks.

    Attributes:
        size: the number of observations.
        is_masked: whether an observation is a Dict of `observation` and `action_mask`.
        place: returns the number of an observation.
    """

    def __init__(self, space: gym.Space[Any], action_space: gym.Space[Any]) -> None:
        """Look at the spaces; raise `ConfigError` if there is no table for them."""
        if not isinstance(action_space, gym.spaces.Discrete):
            raise ph.errors.ConfigError(
                f"A q-table needs a Discrete action space, but it is {action_space}. Make it Discrete, or "
                "use a policy for such spaces."
            )
        self._inner, self.is_masked = space, False
        if isinstance(space, gym.spaces.Dict) and space.spaces.keys() == {OBSERVATION, ACTION_MASK}:
            self._inner, self.is_masked = space.spaces[OBSERVATION], True
            mask = space.spaces[ACTION_MASK]
            width = math.prod(mask.shape) if isinstance(mask, _MASKS) and mask.shape is not None else -1
            if width != action_space.n:
                raise ph.errors.ConfigError(
                    f"The action mask is {mask}, but there are {action_space.n} actions. Expected a "
                    f"MultiBinary or a Box with an entry for each: MultiBinary({action_space.n})."
                )
        self._first, self._widths = 0, np.zeros(0, np.int64)
        match self._inner:
            case gym.spaces.Discrete():
                self._first, self.size = int(self._inner.start), int(self._inner.n)
            case gym.spaces.MultiDiscrete():
                self._widths = self._inner.nvec.ravel().astype(np.int64)
                self.size = math.prod(self._widths.tolist())
            case _:
                raise ph.errors.ConfigError(
                    "A q-table needs Discrete or MultiDiscrete observations, or a Dict of such an "
                    f"'{OBSERVATION}' and an '{ACTION_MASK}', but the observation space is {space}. Make it "
                    "one of these, or use a policy for such spaces."
                )
        if self.size * int(action_space.n) > MOST_VALUES:
            raise ph.errors.ConfigError(
                f"A q-table of {self.size:,} observations and {action_space.n} actions has more than "
                f"{MOST_VALUES:,} values. Observe less, or use a trainer that approximates, such as ppo."
            )
        self._strides = np.cumprod([1, *self._widths[:0:-1]], dtype=np.int64)[::-1]
        self._is_number = isinstance(self._inner, gym.spaces.Discrete)
        if isinstance(self._inner, gym.spaces.MultiDiscrete):
            self._first = int(self._inner.start.ravel() @ self._strides)
        is_plain = self._is_number and not self.is_masked and not self._first
        self.place: Callable[[Any], int] = int if is_plain else self._place

    def _place(self, observation: Any) -> int:
        if self.is_masked:
            observation = observation[OBSERVATION]
        if self._is_number:
            return int(observation) - self._first
        return int(np.ravel(observation) @ self._strides) - self._first

    def allowed(self, observation: Any) -> Sequence[int] | None:
        """Return the allowed actions, counted from 0; None: there is no mask, or it allows none.

        A mask may allow none where nobody decides, such as in a final observation.
        """
        return _allowed(observation[ACTION_MASK]) or None if self.is_masked else None

    def batch(self, observations: Any) -> tuple[Sequence[int], Iterable[Sequence[int] | None]]:
        """Return the number of each observation of a batch that is decided on, and the actions it allows.

        Raises:
            EnvError: if a mask allows none.
        """
        allowed: Iterable[Sequence[int] | None] = repeat(None)
        if self.is_masked:
            allowed = list(map(_allowed, observations[ACTION_MASK]))
            if [] in allowed:
                raise ph.errors.EnvError(
                    f"The action mask of observation {allowed.index([])} of {len(allowed)} in this step "
                    f"allows none of the actions. Expected at least one 1 in '{ACTION_MASK}'."
                )
            observations = observations[OBSERVATION]
        first = self._first
        if self._is_number:
            return (
                [int(one) - first for one in observations] if first or self.is_masked else observations
            ), allowed
        rows = np.reshape(observations, (len(observations), -1))
        return (rows @ self._strides - first).tolist(), allowed

    def arrays(self, observations: Any) -> tuple[NDArray[np.int64], NDArray[np.bool_] | None]:
        """Return the number of each observation of a batch [B], and which actions it allows [B, actions].

        None: all are allowed. A row without an allowed action, where nobody decides, allows all.
        """
        allowed = None
        if self.is_masked:
            given = np.asarray(observations[ACTION_MASK])
            allowed = given.reshape(len(given), -1).astype(np.bool_)
            allowed |= ~allowed.any(axis=1, keepdims=True)
            observations = observations[OBSERVATION]
        found = np.asarray(observations, np.int64)
        if not self._is_number:
            found = found.reshape(len(found), -1) @ self._strides
        return found - self._first if self._first else found, allowed

    def table_of(self, initial: Any, first_action: int, num_actions: int) -> list[list[float]]:
        """Return initial values as a table; raise `ConfigError` if they are none."""
        if isinstance(initial, str) and ":" in initial:
            initial = ph.tools.load_reference(
                initial, setting="initial_value", folder=Path.cwd(), start="the current folder"
            )
        values, shape = initial, (self.size, num_actions)
        if callable(initial):
            actions = range(first_action, first_action + num_actions)
            values = [
                [initial(one, action) for action in actions]
                for one in map(self._observation, range(self.size))
            ]
        try:
            found = np.broadcast_to(np.asarray(values, np.float64), shape)
        except (TypeError, ValueError):
            found = np.full(shape, np.nan)
        if not np.isfinite(found).all():
            raise ph.errors.ConfigError(
                f"initial_value is {initial!r}. Expected a finite number, an array that NumPy broadcasts to "
                f"the shape {shape}, a function of an observation and an action that returns such a number, "
                "or text such as './values.py:first' that names one of these."
            )
        table: list[list[float]] = found.tolist()
        return table

    def _observation(self, place: int) -> Any:
        """Return the observation with this number, without its mask."""
        if self._is_number:
            return place + self._first
        assert isinstance(self._inner, gym.spaces.MultiDiscrete)
        parts = np.array(np.unravel_index(place, self._widths)).reshape(self._inner.shape)
        return (parts + self._inner.start).astype(self._inner.dtype)


_MASKS: Final = (gym.spaces.MultiBinary, gym.spaces.Box, gym.spaces.MultiDiscrete)


def _allowed(mask: Any) -> Sequence[int]:
    """Return the allowed actions."""
    return [n for n, flag in enumerate(np.ravel(mask).tolist()) if flag]
