"""`StepResult`, and the protocols of an env: `MultiAgentEnv` and its agents, `Roster`."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from typing import Any, NamedTuple, Protocol, TypeAlias

import gymnasium as gym

from phantom_core.types import Action, AgentID, Observation
from phantom_core.world.agents import Agent

Observations: TypeAlias = dict[AgentID, Observation]
Infos: TypeAlias = dict[AgentID, dict[str, Any]]


class StepResult(NamedTuple):
    """What one step returns: five dicts by agent id.

    Attributes:
        observations: of the agents that observed; an agent acts on its latest observation.
        rewards: the sum of the agent's rewards since its last one was returned. A reward is returned
            exactly once: with the agent's next observation, or when the agent or the episode ends.
        terminations: whether each agent that was still in the episode is terminated, that is, ended by the
            rules of the world; `"__all__"` stands for the whole episode.
        truncations: whether each of them is truncated, that is, cut off from outside, as by the time limit;
            `"__all__"` stands for the whole episode.
        infos: of the agents that observed.
    """

    observations: Observations
    rewards: dict[AgentID, float]
    terminations: dict[AgentID, bool]
    truncations: dict[AgentID, bool]
    infos: Infos


class Roster(Protocol):
    """The agents and spaces of an env, as the policy mapping reads them."""

    @property
    def agents(self) -> Mapping[AgentID, Agent]:
        """Agent by id."""

    @property
    def strategic_agent_ids(self) -> Sequence[AgentID]:
        """The ids of the agents that observe and act."""

    @property
    def observation_spaces(self) -> Mapping[AgentID, gym.Space[Any]]:
        """Observation space of each strategic agent."""

    @property
    def action_spaces(self) -> Mapping[AgentID, gym.Space[Any]]:
        """Action space of each strategic agent."""


class MultiAgentEnv(Roster, Protocol):
    """The env interface that the collector and evaluation use.

    `PhantomEnv` and the adapters of other libraries' envs implement it. An env with a single agent that
    acts in every step may also implement `bare_step(action)`, which returns observation, reward,
    terminated, truncated and info without dicts by agent id, as `GymnasiumEnv` does. It is played faster.
    An env with a global state, for centralised critics, has a `state_space`, and `state()` returns an
    element of it. One that carries something from episode to episode has `state_dict()` and
    `load_state_dict(state)`; if that is everything that changes in an episode too, it sets `saves_episodes`.
    An env of somebody else's that may leave the bounds that it declares sets `clips_observations`.
    A class whose copies are better stepped together has a class method `vectorized(envs)`, which returns a
    `VectorEnv` of them.
    """

    @property
    def acting_agent_ids(self) -> Container[AgentID] | None:
        """The ids of the agents that may act in the next step; None: every agent."""

    def reset(
        self, seed: int | None = None, options: Mapping[str, Any] | None = None
    ) -> tuple[Observations, Infos]:
        """Start an episode; return observations and infos by agent id."""

    def step(self, actions: Mapping[AgentID, Action]) -> StepResult:
        """Play one step."""

    def close(self) -> None:
        """Release resources."""
