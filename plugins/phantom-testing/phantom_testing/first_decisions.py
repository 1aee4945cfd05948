"""`as_plain_policy`: asks a recurrent policy for an agent's first decision, as a plain one is asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import gymnasium as gym
import numpy as np

import phantom_core as ph


def as_plain_policy(policy: ph.BasePolicy) -> ph.Policy:
    """Return what makes the first decisions of a recurrent policy; a plain policy itself."""
    if isinstance(policy, ph.RecurrentPolicy):
        return FirstDecisions(policy)
    assert isinstance(policy, ph.Policy)
    return policy


class FirstDecisions(ph.Policy):
    """The decisions of a recurrent policy for agents that have decided nothing yet.

    Attributes:
        recurrent: the policy.
    """

    def __init__(self, recurrent: ph.RecurrentPolicy) -> None:
        super().__init__(recurrent.observation_space, recurrent.action_space)
        self.recurrent = recurrent

    def initial_states(self, number: int) -> Any:
        """Return the initial state so many times, as arrays that cannot be written."""
        return _repeated(self.recurrent.initial_state(), number)

    def compute_action(self, observation: ph.Observation) -> ph.Action:
        """Decide for one agent."""
        return self.compute_actions(batched(self.observation_space, [observation]))[0]

    def compute_actions(self, observations: Any) -> Sequence[ph.Action]:
        """Decide for several agents."""
        states = self.initial_states(len(rows_of(observations)))
        return self.recurrent.compute_actions(observations, states)[0]

    def sample_actions(
        self, observations: Any, rng: ph.RowStreams
    ) -> tuple[Sequence[ph.Action], Mapping[str, Sequence[Any]]]:
        """Sample for several agents."""
        states = self.initial_states(len(rows_of(observations)))
        actions, extras, _ = self.recurrent.sample_actions(observations, rng, states)
        return actions, extras

    def env_actions(self, actions: Sequence[ph.Action]) -> Sequence[ph.Action]:
        """Return what the env gets."""
        return self.recurrent.env_actions(actions)

    def state_dict(self) -> dict[str, Any]:
        """Return what training changes."""
        return self.recurrent.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over what `state_dict` returned."""
        self.recurrent.load_state_dict(state)

    def repeated_decisions(self, observations: Any, number: int) -> tuple[list[ph.Action], Any]:
        """Return the last of so many decisions on the same observations, and the states after them."""
        actions, states = [], self.initial_states(len(rows_of(observations)))
        for _ in range(number):
            found, states = self.recurrent.compute_actions(observations, states)
            actions = list(found)
        return actions, states


def batched(space: gym.Space[Any], elements: list[Any]) -> Any:
    """Return elements of a space as the collector batches them."""
    if isinstance(space, gym.spaces.Discrete):
        return [int(element) for element in elements]
    if isinstance(space, gym.spaces.Dict):
        return {key: batched(part, [e[key] for e in elements]) for key, part in space.spaces.items()}
    if isinstance(space, gym.spaces.Tuple):
        return tuple(batched(part, [e[n] for e in elements]) for n, part in enumerate(space.spaces))
    return np.array(elements) if isinstance(elements[0], np.ndarray) else elements


def rows_of(batch: Any) -> list[Any]:
    """Return the elements of what `batched` returned."""
    if isinstance(batch, dict):
        return [dict(zip(batch, row, strict=True)) for row in zip(*map(rows_of, batch.values()), strict=True)]
    return list(zip(*map(rows_of, batch), strict=True)) if isinstance(batch, tuple) else list(batch)


def shapes_of(states: Any) -> Any:
    """Return states with their shapes in the place of arrays."""
    if isinstance(states, dict):
        return {key: shapes_of(part) for key, part in states.items()}
    return tuple(map(shapes_of, states)) if isinstance(states, tuple) else np.shape(states)


def _repeated(state: Any, number: int) -> Any:
    if isinstance(state, dict):
        return {key: _repeated(part, number) for key, part in state.items()}
    if isinstance(state, tuple):
        return tuple(_repeated(part, number) for part in state)
    found = np.repeat(np.asarray(state)[None], number, axis=0)
    found.setflags(write=False)
    return found
