"""`CopyFacts`: what a copy of an env that lives elsewhere says about itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import gymnasium as gym

from phantom_core.envs.step_result import MultiAgentEnv
from phantom_core.types import AgentID


@dataclass(slots=True)
class CopyFacts:
    """What a copy of an env says about itself, as the driver knows it.

    Attributes:
        acting_agent_ids: who may act in the next step; None: everybody.
        strategic_agent_ids: the agents that observe and act.
        observation_spaces: observation space by agent id.
        action_spaces: action space by agent id.
    """

    acting_agent_ids: tuple[AgentID, ...] | None
    strategic_agent_ids: tuple[AgentID, ...]
    observation_spaces: dict[AgentID, gym.Space[Any]]
    action_spaces: dict[AgentID, gym.Space[Any]]

    @classmethod
    def of(cls, env: MultiAgentEnv) -> CopyFacts:
        """Ask an env."""
        ids = tuple(env.strategic_agent_ids)
        observation_spaces, action_spaces = env.observation_spaces, env.action_spaces
        return cls(
            acting_ids(env, ids),
            ids,
            {agent_id: observation_spaces[agent_id] for agent_id in ids},
            {agent_id: action_spaces[agent_id] for agent_id in ids},
        )


def acting_ids(env: MultiAgentEnv, agent_ids: Sequence[AgentID]) -> tuple[AgentID, ...] | None:
    """Return which of these agents may act in the next step; None: everybody."""
    acting = env.acting_agent_ids
    return None if acting is None else tuple(agent_id for agent_id in agent_ids if agent_id in acting)
