"""`SharedRows`: observations and rewards that a driver and its workers both see, as arrays."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from phantom_core.envs.step_result import StepResult
from phantom_core.rollouts.measured_env import CopyFacts
from phantom_core.types import AgentID

_ALIGNMENT = 64
_ARRAYS = (gym.spaces.Box, gym.spaces.MultiDiscrete, gym.spaces.MultiBinary)


class SharedRows:
    """One row for each copy of an env and each agent that was there when the workers began.

    Elements of Discrete spaces, and of Box, MultiDiscrete and MultiBinary spaces with a shape, are exchanged
    here. Whatever does not fit (other spaces, agents that joined, values of another dtype) is pickled.

    Attributes:
        size: how many bytes the rows take.
    """

    def __init__(self, facts: CopyFacts, num_copies: int, buffer: Any = None) -> None:
        """Lay the rows out in a buffer; None: only find out how large it has to be."""
        self.size = 0
        self._buffer = buffer
        self._place = {agent_id: place for place, agent_id in enumerate(facts.strategic_agent_ids)}
        self._rewards = self._array((num_copies, len(self._place)), np.dtype(np.float64))
        alike: dict[tuple[tuple[int, ...], np.dtype[Any]], list[AgentID]] = {}
        for agent_id in self._place:
            space = facts.observation_spaces[agent_id]
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
            if not _is_scalar(block):
                shape = block.shape[2:]
                if not (
                    isinstance(value, np.ndarray) and value.dtype == block.dtype and value.shape == shape
                ):
                    return False
            elif type(value) is not int or not -(2**63) <= value < 2**63:
                return False
            block[number, place] = value
        for agent_id, reward in result.rewards.items():
            if type(reward) is not float or agent_id not in self._place:
                return False
            self._rewards[number, self._place[agent_id]] = reward
        return True

    def reader(
        self, observers: Sequence[tuple[int, AgentID]], payees: Sequence[tuple[int, AgentID]]
    ) -> Callable[[], tuple[Any, list[float]]]:
        """Return what reads the observations of some agents, by copy and agent id, and the rewards of others.

        Observations are an array if the agents' spaces are alike, else a list. An agent without a row reads
        as anything.
        """
        rewards, numbers = self._rewards, np.array([number for number, _ in observers], dtype=np.intp)
        paid = (
            np.array([number for number, _ in payees], dtype=np.intp),
            np.array([self._place.get(agent_id, 0) for _, agent_id in payees], dtype=np.intp),
        )
        columns = [self._columns.get(agent_id, (None, 0)) for _, agent_id in observers]
        places = np.array([place for _, place in columns], dtype=np.intp)
        block = columns[0][0] if len({id(block) for block, _ in columns}) == 1 else None

        def read() -> tuple[Any, list[float]]:
            if block is None:
                own = zip(numbers, columns, strict=True)
                return [_get(of, number, place) for number, (of, place) in own], rewards[paid].tolist()
            found = block[numbers, places]
            return found.tolist() if _is_scalar(block) else found, rewards[paid].tolist()

        return read

    def _array(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
        start = self.size
        size = int(np.prod(shape)) * dtype.itemsize
        self.size += -(-size // _ALIGNMENT) * _ALIGNMENT
        if self._buffer is None:
            return np.empty(shape, dtype)
        found: NDArray[Any] = np.frombuffer(self._buffer, np.uint8)[start : start + size]
        return found.view(dtype).reshape(shape)


def _get(block: NDArray[Any] | None, number: int, place: int) -> Any:
    if block is None:
        return None
    return int(block[number, place]) if _is_scalar(block) else block[number, place].copy()


def _is_scalar(block: NDArray[Any]) -> bool:
    return block.ndim == 2  # noqa: PLR2004  copies and agents: elements of Discrete spaces
