"""`SharedRows`: observations and rewards that a driver and its workers both see, as arrays."""

from __future__ import annotations

import ctypes
import math
from collections.abc import Callable, Sequence
from multiprocessing.sharedctypes import RawArray
from typing import Any

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from phantom_core.envs.step_result import StepResult
from phantom_core.rollouts.measured_env import CopyFacts
from phantom_core.rollouts.row_table import CopyRows, StepRows
from phantom_core.types import AgentID

_ARRAYS = (gym.spaces.Box, gym.spaces.MultiDiscrete, gym.spaces.MultiBinary)


class SharedRows:
    """One row for each copy of an env and each agent that was there when the workers began.

    Elements of Discrete spaces, and of Box, MultiDiscrete and MultiBinary spaces with a shape, are exchanged
    here. Whatever does not fit (other spaces, agents that joined, values of another dtype) is pickled.

    Attributes:
        buffers: the memory, which the driver hands to its workers.
    """

    def __init__(self, facts: CopyFacts, num_copies: int, buffers: Sequence[Any] = ()) -> None:
        """Lay the rows out in the driver's buffers; the driver gives none, and makes them."""
        self.buffers: list[Any] = []
        self._given = buffers
        self._place = {agent_id: place for place, agent_id in enumerate(facts.strategic_agent_ids)}
        self._rewards = self._array((num_copies, len(self._place)), np.dtype(np.float64))
        alike: dict[tuple[tuple[int, ...], np.dtype[Any]], list[AgentID]] = {}
        for agent_id, space in facts.observation_spaces.items():
            if isinstance(space, gym.spaces.Discrete):
                alike.setdefault(((), np.dtype(np.int64)), []).append(agent_id)
            elif isinstance(space, _ARRAYS) and space.shape:
                alike.setdefault((space.shape, np.dtype(space.dtype)), []).append(agent_id)
        self._columns: dict[AgentID, tuple[NDArray[Any], int]] = {}  # [copies, agents, ...], and the place
        for (shape, dtype), agent_ids in alike.items():
            block = self._array((num_copies, len(agent_ids), *shape), dtype)
            self._columns |= {agent_id: (block, place) for place, agent_id in enumerate(agent_ids)}

    def put(self, number: int, result: StepResult) -> bool:
        """Write what was observed and paid in a copy; return False if something does not fit."""
        for agent_id, value in result.observations.items():
            if agent_id not in self._columns:
                return False
            block, place = self._columns[agent_id]
            shape = block.shape[2:]
            if shape:
                fits = isinstance(value, np.ndarray) and value.dtype == block.dtype and value.shape == shape
            else:
                fits = type(value) is int and -(2**63) <= value < 2**63
            if not fits:
                return False
            block[number, place] = value
        for agent_id, reward in result.rewards.items():
            if type(reward) is not float or agent_id not in self._place:
                return False
            self._rewards[number, self._place[agent_id]] = reward
        return True

    def get(self, copy: CopyRows) -> tuple[list[Any], list[float]]:
        """Return what was `put` of a copy: the observations and rewards that are expected of it."""
        seen = [self._columns[agent_id] for agent_id in copy.observers or ()]
        cells = [block[copy.env_index, place, ...] for block, place in seen]
        paid = self._rewards[copy.env_index, [self._place[agent_id] for agent_id in copy.payees]]
        return [cell.copy() if cell.ndim else cell.item() for cell in cells], paid.tolist()

    def reader(self, copies: Sequence[CopyRows]) -> Callable[[], StepRows] | None:
        """Return what gets all that is expected of copies at once; None if that is not in one array."""
        observers = [(copy.env_index, agent_id) for copy in copies for agent_id in copy.observers or ()]
        payees = [(copy.env_index, agent_id) for copy in copies for agent_id in copy.payees]
        columns = [self._columns.get(agent_id, (None, 0)) for _, agent_id in observers]
        block = columns[0][0] if columns else None
        if block is None or any(other is not block for other, _ in columns):
            return None
        seen_at = _index(
            [(number, place) for (number, _), (_, place) in zip(observers, columns, strict=True)]
        )
        paid_at = _index([(number, self._place.get(agent_id, 0)) for number, agent_id in payees])
        rewards = self._rewards
        if block.shape[2:]:
            return lambda: StepRows(block[seen_at], rewards[paid_at].tolist())
        return lambda: StepRows(block[seen_at].tolist(), rewards[paid_at].tolist())

    def _array(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
        """Return the array in the next of the buffers."""
        size, number = math.prod(shape), len(self.buffers)
        buffer = (
            self._given[number] if self._given else RawArray(ctypes.c_byte, max(1, size * dtype.itemsize))
        )
        self.buffers.append(buffer)
        return np.frombuffer(memoryview(buffer), dtype, size).reshape(shape)


def _index(pairs: Sequence[tuple[int, int]]) -> tuple[NDArray[np.intp], ...]:
    """Return what picks these rows and columns of an array."""
    return tuple(np.array(pairs, dtype=np.intp).reshape(-1, 2).T)
