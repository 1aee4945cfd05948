"""What `reset` and `step` exchange with whoever plays an env: data and protocols only."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import gymnasium as gym

from phantom_core.types import Action, AgentID, Observation
from phantom_core.world.agents import Agent


class StepResult(NamedTuple):
    """What one step returns: five dicts by agent id.

    Attributes:
        observations: of the agents that observed; an agent acts on its newest observation.
        rewards: all that the agent earned since its last reward was delivered. A reward is delivered
            exactly once: with the agent's next observation, or when the agent or the episode ends.
        terminations: for each agent that was still in the episode, whether it ended by the rules of
            the world; and `"__all__"` for the whole episode.
        truncations: likewise, whether it was cut off from outside, as by the time limit.
        infos: of the agents that observed.
    """

    observations: dict[AgentID, Observation]
    rewards: dict[AgentID, float]
    terminations: dict[AgentID, bool]
    truncations: dict[AgentID, bool]
    infos: dict[AgentID, dict[str, Any]]


class Roster(Protocol):
    """Who takes part in an env: what the policy mapping needs of it."""

    @property
    def agents(self) -> Mapping[AgentID, Agent]:
        """Every agent by id."""

    @property
    def strategic_agent_ids(self) -> Sequence[AgentID]:
        """The agents that observe and act."""

    @property
    def observation_spaces(self) -> Mapping[AgentID, gym.Space[Any]]:
        """Observation space of each strategic agent."""

    @property
    def action_spaces(self) -> Mapping[AgentID, gym.Space[Any]]:
        """Action space of each strategic agent."""


class MultiAgentEnv(Roster, Protocol):
    """What the collector and evaluation need of an env.

    `PhantomEnv` and the adapters of other libraries' envs are such envs. One with a single agent that acts
    in every step may also offer `bare_step(action)`, which returns observation, reward, terminated,
    truncated and info without dicts by agent id, as `GymnasiumEnv` does: it is played faster then.
    """

    @property
    def acting_agent_ids(self) -> Container[AgentID] | None:
        """Who may act in the next step; None: everybody."""

    def reset(
        self, seed: int | None = None, options: Mapping[str, Any] | None = None
    ) -> tuple[dict[AgentID, Observation], dict[AgentID, dict[str, Any]]]:
        """Start an episode; return observations and infos by agent id."""

    def step(self, actions: Mapping[AgentID, Action]) -> StepResult:
        """Play one step."""

    def close(self) -> None:
        """Release what the env holds."""
