"""`SharedRows`: observations and rewards that a driver and its workers both see, as arrays."""

from __future__ import annotations

import ctypes
import math
from multiprocessing.sharedctypes import RawArray
from typing import Any

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from phantom_core.envs.step_result import StepResult
from phantom_core.rollouts.measured_env import CopyFacts
from phantom_core.types import AgentID

_ARRAYS = (gym.spaces.Box, gym.spaces.MultiDiscrete, gym.spaces.MultiBinary)
_ALIGNMENT = 64


class SharedRows:
    """One row for each copy of an env and each agent that was there when the workers began.

    Elements of Discrete spaces, and of Box, MultiDiscrete and MultiBinary spaces with a shape, are exchanged
    here. Whatever does not fit (other spaces, agents that joined, values of another dtype) is pickled.

    Attributes:
        buffer: the memory, which the driver hands to its workers.
    """

    def __init__(self, facts: CopyFacts, num_copies: int, buffer: Any = None) -> None:
        """Lay the rows out in the driver's buffer; None: in one that is made."""
        self._place = {agent_id: place for place, agent_id in enumerate(facts.strategic_agent_ids)}
        kinds: dict[AgentID, tuple[tuple[int, ...], np.dtype[Any]]] = {}
        for agent_id, space in facts.observation_spaces.items():
            if isinstance(space, gym.spaces.Discrete):
                kinds[agent_id] = (), np.dtype(np.int64)
            elif isinstance(space, _ARRAYS) and space.shape:
                kinds[agent_id] = space.shape, np.dtype(space.dtype)
        parts = [((len(self._place),), np.dtype(np.float64)), *kinds.values()]
        sizes = [num_copies * math.prod(shape) for shape, _ in parts]
        starts = [0]
        for size, (_, dtype) in zip(sizes, parts, strict=True):
            starts.append(starts[-1] + -(-size * dtype.itemsize // _ALIGNMENT) * _ALIGNMENT)
        self.buffer = RawArray(ctypes.c_byte, starts[-1] + 1) if buffer is None else buffer
        memory = memoryview(self.buffer)
        arrays: list[NDArray[Any]] = [
            np.frombuffer(memory, dtype, size, start).reshape(num_copies, *shape)
            for size, start, (shape, dtype) in zip(sizes, starts, parts, strict=False)
        ]
        self._rewards = arrays[0]  # [copies, agents]
        self._observations = dict(zip(kinds, arrays[1:], strict=True))  # of each agent: [copies, ...]

    def put(self, number: int, result: StepResult) -> bool:
        """Write what was observed and paid in a copy; return False if something does not fit."""
        for agent_id, value in result.observations.items():
            rows = self._observations.get(agent_id)
            if rows is None:
                return False
            if rows.ndim == 1:
                fits = type(value) is int and -(2**63) <= value < 2**63
            else:
                shape = rows.shape[1:]
                fits = isinstance(value, np.ndarray) and value.dtype == rows.dtype and value.shape == shape
            if not fits:
                return False
            rows[number] = value
        for agent_id, reward in result.rewards.items():
            if type(reward) is not float or agent_id not in self._place:
                return False
            self._rewards[number, self._place[agent_id]] = reward
        return True

    def get(self) -> tuple[dict[AgentID, Any], dict[AgentID, list[float]]]:
        """Return the observations and rewards that are there now: of each agent one for each copy."""
        seen = {i: rows.copy() if rows.ndim > 1 else rows.tolist() for i, rows in self._observations.items()}
        return seen, dict(zip(self._place, self._rewards.T.tolist(), strict=True))
