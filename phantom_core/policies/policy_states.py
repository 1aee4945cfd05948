"""`PolicyStates`: what a recurrent policy remembers of each agent, one row each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from phantom_core.errors import ConfigError
from phantom_core.policies.batching import map_arrays, num_rows, take_rows
from phantom_core.policies.policy import BatchedObservations, PolicyState, RecurrentPolicy
from phantom_core.seeding import RowStreams
from phantom_core.types import Action, PolicyID

_PAIR: Final = 2
_TRIPLE: Final = 3


class PolicyStates:
    """The states of many agents: arrays [rows, ...], nested as `initial_state()` nests them."""

    def __init__(self, policy: RecurrentPolicy) -> None:
        """Begin without rows; raise `ConfigError` if the initial state is none."""
        self._policy = policy
        parts: list[NDArray[Any]] = []
        map_arrays(parts.append, self._initial())
        if not parts or any(part.dtype.hasobject for part in parts):
            raise ConfigError(
                f"{type(policy).__name__}.initial_state() returned {policy.initial_state()!r}. Expected an "
                "array, or arrays nested in dicts or tuples."
            )
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

    def ask(
        self,
        policy_id: PolicyID,
        rows: NDArray[np.int64],
        states: PolicyState,
        observations: BatchedObservations,
        draws: RowStreams | None,
    ) -> tuple[Sequence[Action], Mapping[str, Sequence[Any]]]:
        """Return the actions of rows in their states, and extras; keep the states that follow.

        The policy samples if there are draws. Raises `ConfigError` if it returns something else, or states
        of other shapes than the initial state.
        """
        found: Any
        if draws is None:
            found, method = self._policy.compute_actions(observations, states), "compute_actions"
            is_right = type(found) is tuple and len(found) == _PAIR
            expected = "(actions, states): one action for each observation, and the states after them."
        else:
            found, method = self._policy.sample_actions(observations, draws, states), "sample_actions"
            is_right = type(found) is tuple and len(found) == _TRIPLE and hasattr(found[1], "keys")
            expected = (
                "(actions, extras, states): one action for each observation, a dict, such as {}, and the "
                "states after them."
            )
        if not is_right:
            raise ConfigError(
                f"{type(self._policy).__name__}.{method}() of policy {policy_id!r} returned {found!r}. "
                f"Expected {expected}"
            )
        self._put(rows, found[-1], f"{type(self._policy).__name__}.{method}() of policy {policy_id!r}")
        return found[0], {} if draws is None else found[1]

    def _put(self, rows: NDArray[np.int64], states: PolicyState, source: str) -> None:
        """Set the states of these rows."""

        def put_part(own: NDArray[Any], new: Any) -> None:
            found = np.asarray(new)
            is_same_kind = np.can_cast(found.dtype, own.dtype, "same_kind")
            if found.shape != (len(rows), *own.shape[1:]) or not is_same_kind:
                raise ValueError
            own[rows] = found

        try:
            map_arrays(put_part, self._states, states)
        except Exception as error:  # whatever a stranger's values raise
            expected = _described(take_rows(self._states, rows))
            raise ConfigError(
                f"{source} was given {len(rows)} observations and returned the states {_described(states)}. "
                f"Expected {expected}: as initial_state() nests them, with one row for each."
            ) from error

    def state_dict(self) -> Any:
        """Return all states."""
        return map_arrays(np.copy, self._states)

    def load_state_dict(self, saved: Any) -> None:
        """Take over what `state_dict` returned, also with its tuples as lists."""
        self._states = decode_states(self._states, saved)

    def _initial(self) -> PolicyState:
        return map_arrays(np.asarray, self._policy.initial_state())


def _described(states: PolicyState) -> Any:
    """Return the dtype and shape of each array."""

    def described(part: Any) -> str:
        try:
            found = np.asarray(part)
        except ValueError:  # lists of several lengths
            return type(part).__name__
        return f"{found.dtype} {found.shape}"

    return map_arrays(described, states)


def decode_states(like: PolicyState, saved: Any) -> PolicyState:
    """Return states that were saved with their tuples as lists, nested as others are."""
    if isinstance(like, dict):
        return {key: decode_states(part, saved[str(key)]) for key, part in like.items()}
    if isinstance(like, tuple):
        return tuple(decode_states(part, own) for part, own in zip(like, saved, strict=True))
    return np.array(saved)
