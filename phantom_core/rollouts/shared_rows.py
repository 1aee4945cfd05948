"""`SharedRows`: the observations, actions and rewards that a driver and its workers both see, as arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from phantom_core.envs.step_result import StepResult
from phantom_core.rollouts.measured_env import CopyFacts
from phantom_core.types import Action, AgentID

_ALIGNMENT = 64
_ARRAYS = (gym.spaces.Box, gym.spaces.MultiDiscrete, gym.spaces.MultiBinary)

_Column: TypeAlias = tuple[NDArray[Any], int]
"""An array [copies, agents, ...] for agents whose spaces are alike, and the place of one of them."""


class SharedRows:
    """One row for each copy of an env and each agent that was there when the workers began.

    Elements of Discrete spaces, and of Box, MultiDiscrete and MultiBinary spaces with a shape, are exchanged
    here. Whatever does not fit (other spaces, agents that joined, values of another dtype) is pickled.

    Attributes:
        size: how many bytes they take.
        places: the place of each agent in `rewards`.
        rewards: array [copies, agents].
        observations: the column of each agent whose observations fit.
    """

    def __init__(self, facts: CopyFacts, num_copies: int, buffer: Any = None) -> None:
        """Lay the rows out in a buffer; None: only find out how large it has to be (`size`)."""
        self.size = 0
        self._buffer = buffer
        ids = facts.strategic_agent_ids
        self.rewards = self._array((num_copies, len(ids)), np.dtype(np.float64))
        self.places = {agent_id: place for place, agent_id in enumerate(ids)}
        self.observations = self._columns(num_copies, facts.observation_spaces)
        self._actions = self._columns(num_copies, facts.action_spaces)

    def put_action(self, number: int, agent_id: AgentID, action: Action) -> bool:
        """Write an action for a copy; return False if it does not fit."""
        return _put(self._actions.get(agent_id), number, action)

    def actions(
        self, number: int, agent_ids: Sequence[AgentID], unfit: Mapping[AgentID, Action]
    ) -> dict[AgentID, Action]:
        """Return the actions of these agents in a copy, with those that do not fit."""
        columns = self._actions
        return {i: unfit[i] if i in unfit else _get(columns[i], number) for i in agent_ids}

    def put_result(self, number: int, result: StepResult) -> bool:
        """Write what was observed and paid in a copy; return False if something does not fit."""
        for agent_id, observation in result.observations.items():
            if not _put(self.observations.get(agent_id), number, observation):
                return False
        for agent_id, reward in result.rewards.items():
            if type(reward) is not float or agent_id not in self.places:
                return False
            self.rewards[number, self.places[agent_id]] = reward
        return True

    def _columns(self, num_copies: int, spaces: Mapping[AgentID, gym.Space[Any]]) -> dict[AgentID, _Column]:
        alike: dict[tuple[tuple[int, ...], np.dtype[Any]], list[AgentID]] = {}
        for agent_id in self.places:
            space = spaces[agent_id]
            if isinstance(space, gym.spaces.Discrete):
                alike.setdefault(((), np.dtype(np.int64)), []).append(agent_id)
            elif isinstance(space, _ARRAYS) and space.shape:
                alike.setdefault((space.shape, np.dtype(space.dtype)), []).append(agent_id)
        found: dict[AgentID, _Column] = {}
        for (shape, dtype), agent_ids in alike.items():
            block = self._array((num_copies, len(agent_ids), *shape), dtype)
            found.update({agent_id: (block, place) for place, agent_id in enumerate(agent_ids)})
        return found

    def _array(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
        start = self.size
        size = int(np.prod(shape)) * dtype.itemsize
        self.size += -(-size // _ALIGNMENT) * _ALIGNMENT
        if self._buffer is None:
            return np.empty(shape, dtype)
        found: NDArray[Any] = np.frombuffer(self._buffer, np.uint8)[start : start + size]
        return found.view(dtype).reshape(shape)


class RowReader:
    """Reads the observations of some agents in some copies, and the rewards of others.

    An agent without a row reads as anything.
    """

    def __init__(
        self,
        rows: SharedRows,
        observers: Sequence[tuple[int, AgentID]],
        payees: Sequence[tuple[int, AgentID]],
    ) -> None:
        """Take the copy and the id of each agent."""
        self._rewards = rows.rewards
        self._paid = (
            [number for number, _ in payees],
            [rows.places.get(agent_id, 0) for _, agent_id in payees],
        )
        self._numbers = [number for number, _ in observers]
        self._columns = [rows.observations.get(agent_id) for _, agent_id in observers]
        columns = [column for column in self._columns if column is not None]
        is_one = len(columns) == len(observers) and len({id(block) for block, _ in columns}) == 1
        self._block = columns[0][0] if is_one else None
        self._seen = self._numbers, [place for _, place in columns]

    def observations(self) -> Any:
        """Return the observations, as an array if they have one shape and dtype, else as a list."""
        if self._block is None:
            pairs = zip(self._columns, self._numbers, strict=True)
            return [None if column is None else _get(column, number) for column, number in pairs]
        found = self._block[self._seen]
        return found.tolist() if found.ndim == 1 else found

    def rewards(self) -> list[float]:
        """Return the rewards."""
        found: list[float] = self._rewards[self._paid].tolist()
        return found


def _put(column: _Column | None, number: int, value: Any) -> bool:
    """Write a value if it is exactly what a row can hold."""
    if column is None:
        return False
    block, place = column
    if block.ndim > 2:  # noqa: PLR2004  its elements are arrays
        fits = isinstance(value, np.ndarray) and value.dtype == block.dtype and value.shape == block.shape[2:]
    else:
        fits = type(value) is int and -(2**63) <= value < 2**63
    if fits:
        block[number, place] = value
    return fits


def _get(column: _Column, number: int) -> Any:
    block, place = column
    return int(block[number, place]) if block.ndim == 2 else block[number, place].copy()  # noqa: PLR2004  Discrete
