"""`SharedRows`: what a driver and a worker exchange in each step, as arrays that both can see."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from phantom_core.envs.step_result import StepResult
from phantom_core.rollouts.env_host import CopyFacts
from phantom_core.types import Action, AgentID
from phantom_core.world.agents import ALL

_ALIGNMENT = 64
_HAS_ACTION, _OBSERVED, _REWARDED, _LIVED, _TERMINATED, _TRUNCATED = range(6)


class SharedRows:
    """One row for each of a worker's copies and each agent that was there when the worker began.

    Elements of Box, MultiDiscrete, MultiBinary and Discrete spaces are exchanged here; whatever does
    not fit (other spaces, agents that joined, values that are wrong) is handed back, to be pickled.
    """

    def __init__(self, facts: CopyFacts, num_copies: int, buffer: Any = None) -> None:
        """Lay the rows out in a buffer; None: only find out how large it has to be (`size`)."""
        self.size = 0
        self._buffer = buffer
        self._agent_ids = facts.strategic_agent_ids
        number = len(self._agent_ids)
        self.current = self._array((1,), np.dtype(np.int64))  # the copy that is being played
        self._flags = self._array((num_copies, number, 6), np.dtype(np.uint8))
        self._ends = self._array((num_copies, 2), np.dtype(np.uint8))
        self._rewards = self._array((num_copies, number), np.dtype(np.float64))
        self._observations = [
            self._of_space(num_copies, facts.observation_spaces[i]) for i in self._agent_ids
        ]
        self._actions = [self._of_space(num_copies, facts.action_spaces[i]) for i in self._agent_ids]
        self._index = {agent_id: index for index, agent_id in enumerate(self._agent_ids)}

    def write_actions(self, copy: int, actions: Mapping[AgentID, Action]) -> dict[AgentID, Action]:
        """Write actions; return those that do not fit."""
        flags, rest = self._flags[copy], {}
        flags[:, _HAS_ACTION] = 0
        for agent_id, action in actions.items():
            index = self._index.get(agent_id, -1)
            if index >= 0 and _put(self._actions[index], copy, action):
                flags[index, _HAS_ACTION] = 1
            else:
                rest[agent_id] = action
        return rest

    def read_actions(self, copy: int, rest: Mapping[AgentID, Action]) -> dict[AgentID, Action]:
        """Return the actions, with those that did not fit."""
        given = self._flags[copy, :, _HAS_ACTION].tolist()
        actions = {
            agent_id: _get(self._actions[index], copy)
            for index, agent_id in enumerate(self._agent_ids)
            if given[index]
        }
        return {**actions, **rest}

    def write_result(self, copy: int, result: StepResult) -> StepResult | None:
        """Write what a step returned; return what does not fit, or None if everything did."""
        rest = StepResult({}, {}, {}, {}, {})
        flags = self._flags[copy]
        flags[:, _OBSERVED:] = 0
        for agent_id, observation in result.observations.items():
            index = self._index.get(agent_id, -1)
            if index >= 0 and _put(self._observations[index], copy, observation):
                flags[index, _OBSERVED] = 1
            else:
                rest.observations[agent_id] = observation
        for agent_id, reward in result.rewards.items():
            index = self._index.get(agent_id, -1)
            if index >= 0 and type(reward) is float:
                self._rewards[copy, index] = reward
                flags[index, _REWARDED] = 1
            else:
                rest.rewards[agent_id] = reward
        self._ends[copy] = result.terminations[ALL], result.truncations[ALL]
        for agent_id, terminated in result.terminations.items():
            index = self._index.get(agent_id, -1)
            if index >= 0:
                flags[index, _LIVED:] = 1, terminated, result.truncations[agent_id]
            elif agent_id != ALL:
                rest.terminations[agent_id] = bool(terminated)
                rest.truncations[agent_id] = bool(result.truncations[agent_id])
        return rest if any(rest) else None

    def read_result(self, copy: int, rest: StepResult | None) -> StepResult:
        """Return what a step returned, with what did not fit; nothing in it changes with the next step."""
        observations, rewards, terminations, truncations, _ = result = StepResult({}, {}, {}, {}, {})
        flags, earned = self._flags[copy].tolist(), self._rewards[copy].tolist()
        for index, agent_id in enumerate(self._agent_ids):
            of_agent = flags[index]
            if of_agent[_OBSERVED]:
                observations[agent_id] = _get(self._observations[index], copy)
            if of_agent[_REWARDED]:
                rewards[agent_id] = earned[index]
            if of_agent[_LIVED]:
                terminations[agent_id] = bool(of_agent[_TERMINATED])
                truncations[agent_id] = bool(of_agent[_TRUNCATED])
        if rest is not None:
            observations.update(rest.observations)
            rewards.update(rest.rewards)
            terminations.update(rest.terminations)
            truncations.update(rest.truncations)
        terminations[ALL], truncations[ALL] = map(bool, self._ends[copy].tolist())
        return result

    def _of_space(self, num_copies: int, space: gym.Space[Any]) -> NDArray[Any] | None:
        if isinstance(space, gym.spaces.Discrete):
            return self._array((num_copies,), np.dtype(np.int64))
        if isinstance(space, (gym.spaces.Box, gym.spaces.MultiDiscrete, gym.spaces.MultiBinary)):
            return self._array((num_copies, *space.shape), np.dtype(space.dtype))
        return None

    def _array(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
        start = self.size
        size = int(np.prod(shape)) * dtype.itemsize
        self.size += -(-size // _ALIGNMENT) * _ALIGNMENT
        if self._buffer is None:
            return np.zeros(shape, dtype)
        found: NDArray[Any] = np.frombuffer(self._buffer, np.uint8)[start : start + size]
        return found.view(dtype).reshape(shape)


def _put(rows: NDArray[Any] | None, copy: int, value: Any) -> bool:
    """Write a value if it is exactly what a row can hold."""
    if rows is None:
        return False
    if rows.ndim == 1 and rows.dtype == np.int64 and type(value) is int:
        if not -(2**63) <= value < 2**63:
            return False
        rows[copy] = value
        return True
    if isinstance(value, np.ndarray) and value.dtype == rows.dtype and value.shape == rows.shape[1:]:
        rows[copy] = value
        return value.ndim > 0
    return False


def _get(rows: NDArray[Any] | None, copy: int) -> Any:
    assert rows is not None
    return int(rows[copy]) if rows.ndim == 1 else rows[copy].copy()
