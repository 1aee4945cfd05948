"""What one agent went through in one episode, as lists: for tabular trainers and readable code."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from phantom_core.types import Action, AgentID, Observation


@dataclass(slots=True)
class Trajectory:
    """A stretch of one agent's life in one episode: T decisions and what followed from each.

    Decision t saw `observations[t]`, took `actions[t]` and earned `rewards[t]`: all that was paid until
    the agent's next decision. What came after the last decision is `next_observation`.

    Attributes:
        agent_id: whose it is.
        env_index: the index of the copy of the env.
        episode: the number of the episode in that copy.
        observations: length T.
        actions: length T.
        rewards: length T.
        extras: by name, what the policy's `sample_actions` said about each decision; length T.
        next_observation: what followed the last decision: the final observation, or the one that the
            agent acts on next. None if there was none; then the last decision has no known outcome.
        terminated: whether the agent ended here by the rules of the world: nothing comes after.
        truncated: whether it was cut off here from outside: its future has a value, that of
            `next_observation`. Never true together with `terminated`. Both false: the episode
            goes on in a later trajectory.
    """

    agent_id: AgentID
    env_index: int
    episode: int
    observations: list[Observation] = field(default_factory=list)
    actions: list[Action] = field(default_factory=list)
    rewards: list[float] = field(default_factory=list)
    extras: dict[str, list[Any]] = field(default_factory=dict)
    next_observation: Observation | None = None
    terminated: bool = False
    truncated: bool = False

    def __len__(self) -> int:
        """Return T."""
        return len(self.actions)


@dataclass(frozen=True, slots=True)
class EpisodeSummary:
    """One episode in numbers.

    Attributes:
        env_index: the index of the copy of the env.
        episode: the number of the episode in that copy.
        seed: the seed of the episode: `env.reset(seed=...)` starts it again.
        length: its env steps.
        episode_returns: sum of rewards, undiscounted, by id of the agents that took part in it.
        terminated: whether it ended by the rules of the world.
        metrics: reduced value by metric name.
    """

    env_index: int
    episode: int
    seed: int
    length: int
    episode_returns: Mapping[AgentID, float]
    terminated: bool
    metrics: Mapping[str, Any]
