"""`ExperienceLog`: what the agents of one policy decide and earn, in the order in which it happens."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import gymnasium as gym
import numpy as np

from phantom_core.errors import ConfigError, listing
from phantom_core.policies.policy import rows_of
from phantom_core.rollouts.batch import Batch
from phantom_core.rollouts.columns import KeptArray, KeptValues, kept_actions, make_column
from phantom_core.rollouts.copy_state import decode_batch, encode_batch
from phantom_core.types import AgentID, Observation


@dataclass(slots=True)
class Stretch:
    """Rows of the log that are one trajectory.

    Attributes:
        agent_id: whose it is.
        copy: the number of the copy of the env.
        episode: the number of the episode in that copy.
        rows: its rows, one for each decision.
        next_observation: what followed the last decision; None: nothing, or see `next_row`.
        next_row: the row whose observation followed the last decision; -1: none.
        is_terminated: whether the agent ended here by the rules of the world.
        is_truncated: whether it was cut off here.
    """

    agent_id: AgentID
    copy: int
    episode: int
    rows: list[int]
    next_observation: Observation | None = None
    next_row: int = -1
    is_terminated: bool = False
    is_truncated: bool = False


class ExperienceLog:
    """One row for each decision; rows are put into the order of trajectories when they are taken out.

    Attributes:
        observations: the column of observations; whoever writes to it calls `add_decisions` next.
        rewards: what each decision earned so far; whoever pays an agent adds to its last row.
    """

    def __init__(self, observation_space: gym.Space[Any], action_space: gym.Space[Any]) -> None:
        self._spaces = observation_space, action_space
        self.clear()

    def clear(self) -> None:
        """Forget every row."""
        observation_space, action_space = self._spaces
        self.observations = make_column(observation_space)
        self.rewards: list[float] = []
        self._actions = kept_actions(action_space)
        self._extras: dict[str, KeptValues] = {}

    def add_decisions(self, actions: Any, extras: Mapping[str, Any], count: int) -> None:
        """Add the actions for the last `count` observations, and what the policy says about them.

        Raises:
            ConfigError: if the names of the extras are not those of the rows before.
        """
        start = len(self.rewards)
        if (extras or self._extras) and extras.keys() != self._extras.keys():
            if start:
                raise ConfigError(
                    f"sample_actions() returned the extras {listing(extras)}, but {listing(self._extras)} "
                    "before. Return the same names every time."
                )
            self._extras = {name: KeptArray() for name in extras}
        self._actions.write(start, actions)
        for name, values in extras.items():
            self._extras[name].write(start, values)
        self.rewards += [0.0] * count

    def take(self, stretches: Sequence[Stretch]) -> Batch:
        """Return these stretches as a batch."""
        order = np.array([row for stretch in stretches for row in stretch.rows], dtype=np.int64)
        starts = np.zeros(len(stretches) + 1, dtype=np.int64)
        np.cumsum([len(stretch.rows) for stretch in stretches], out=starts[1:])
        has_next = [s.next_observation is not None or s.next_row >= 0 for s in stretches]
        return Batch(
            self.observations.take(order),
            self._actions.take(order),
            np.array(self.rewards, dtype=np.float64)[order],
            {name: values.take(order) for name, values in self._extras.items()},
            starts,
            self._next_observations(stretches),
            np.array(has_next, dtype=np.bool_),
            np.array([stretch.is_terminated for stretch in stretches], dtype=np.bool_),
            np.array([stretch.is_truncated for stretch in stretches], dtype=np.bool_),
            [stretch.agent_id for stretch in stretches],
            [stretch.copy for stretch in stretches],
            [stretch.episode for stretch in stretches],
        )

    def keep(self, rows: Sequence[int]) -> None:
        """Forget every row but these, which become rows 0, 1, ...."""
        kept = np.array(rows, dtype=np.int64)
        self.observations.keep(kept)
        self.rewards[:] = [self.rewards[row] for row in rows]
        self._actions.keep(kept)
        for values in self._extras.values():
            values.keep(kept)

    def state_dict(self) -> dict[str, Any]:
        """Return every row."""
        rows = np.arange(len(self.rewards))
        return {
            "observations": encode_batch(self.observations.take(rows)),
            "actions": encode_batch(self._actions.take(rows)),
            "rewards": np.array(self.rewards, dtype=np.float64),
            "extras": {name: values.take(rows) for name, values in self._extras.items()},
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over what `state_dict` returned."""
        self.clear()
        observation_space, action_space = self._spaces
        for observation in rows_of(decode_batch(observation_space, state["observations"])):
            self.observations.add(observation)
        self.rewards += state["rewards"].tolist()
        actions = decode_batch(action_space, state["actions"])
        if self.rewards:
            self._actions.write(0, actions if isinstance(self._actions, KeptArray) else rows_of(actions))
        for name, values in state["extras"].items():
            self._extras[name] = KeptArray()
            self._extras[name].write(0, values)

    def _next_observations(self, stretches: Sequence[Stretch]) -> Any:
        column = make_column(self.observations.space)
        column.reserve(len(stretches))
        for stretch in stretches:
            if stretch.next_row >= 0:
                column.add(self.observations.elements(np.array([stretch.next_row]))[0])
            elif stretch.next_observation is not None:
                column.add(stretch.next_observation)
            else:
                column.add_nothing()
        return column.take(np.arange(len(stretches)))
