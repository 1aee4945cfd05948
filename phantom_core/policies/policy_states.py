"""`PolicyStates`: what a recurrent policy remembers of each agent, one row each."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from phantom_core.errors import ConfigError
from phantom_core.policies.batching import map_arrays, num_rows, take_rows
from phantom_core.policies.policy import PolicyState, RecurrentPolicy


class PolicyStates:
    """The states of many agents: arrays [rows, ...], nested as `initial_state()` nests them."""

    def __init__(self, policy: RecurrentPolicy) -> None:
        self._policy = policy
        self._states = map_arrays(lambda part: np.zeros((0, *part.shape), part.dtype), self._initial())

    def reset(self, row: int) -> None:
        """Set a row, which may be new, to the initial state."""
        initial = self._initial()
        if row >= num_rows(self._states):
            self._states = map_arrays(
                lambda own, first: np.concatenate([own, np.stack([first] * (row + 1))]), self._states, initial
            )
        map_arrays(lambda own, first: own.__setitem__(row, first), self._states, initial)

    def take(self, rows: NDArray[np.int64]) -> PolicyState:
        """Return the states of these rows, which cannot be written."""
        found = take_rows(self._states, rows)
        map_arrays(lambda part: part.setflags(write=False), found)
        return found

    def put(self, rows: NDArray[np.int64], states: PolicyState) -> None:
        """Set the states of these rows; `ConfigError` if they have other shapes than the initial state."""

        def put_part(own: NDArray[Any], new: Any) -> None:
            found = np.asarray(new)
            if found.shape != (len(rows), *own.shape[1:]):
                raise ValueError
            own[rows] = found

        try:
            map_arrays(put_part, self._states, states)
        except (TypeError, ValueError, KeyError, IndexError) as error:
            expected = map_arrays(lambda own: (len(rows), *own.shape[1:]), self._states)
            found = map_arrays(np.shape, states)
            raise ConfigError(
                f"{type(self._policy).__name__} was given {len(rows)} observations and returned states of "
                f"the shapes {found}. Expected {expected}: the states of initial_state(), one row for each."
            ) from error

    def state_dict(self) -> Any:
        """Return all states."""
        return map_arrays(np.copy, self._states)

    def load_state_dict(self, saved: Any) -> None:
        """Take over what `state_dict` returned, also with its tuples as lists."""
        self._states = decode_states(self._states, saved)

    def _initial(self) -> PolicyState:
        return map_arrays(np.asarray, self._policy.initial_state())


def decode_states(like: PolicyState, saved: Any) -> PolicyState:
    """Return states that were saved with their tuples as lists, nested as others are."""
    if isinstance(like, dict):
        return {key: decode_states(part, saved[str(key)]) for key, part in like.items()}
    if isinstance(like, tuple):
        return tuple(decode_states(part, own) for part, own in zip(like, saved, strict=True))
    return np.array(saved)
