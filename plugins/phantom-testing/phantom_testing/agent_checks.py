"""What is wrong with an env before its first step: nobody acts, a space is missing, an id is not stable."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any, Final

import gymnasium as gym
import numpy as np

import phantom_core as ph
from phantom_testing.findings import Finding


def check_agents(env: ph.MultiAgentEnv) -> Iterator[Finding]:
    """Look at the agents of an env that was reset once."""
    if not env.strategic_agent_ids:
        found = (
            f"none of its agents is strategic: {_some(list(env.agents))}"
            if env.agents
            else "it has no agents"
        )
        yield Finding(
            check="no-strategic-agent",
            message=f"{found}. If some are to learn, derive those from ph.StrategicAgent.",
        )
    for agent_id in env.agents:
        if re.search(r"\bat 0x[0-9a-fA-F]+", repr(agent_id)):
            yield Finding(
                check="unstable-id",
                message=f"the repr of its id is an address, {agent_id!r}. Give the id's class a "
                "__repr__, or use a str, an int or a tuple.",
                agent_id=agent_id,
            )
    for agent_id in env.strategic_agent_ids:
        yield from _check_spaces(env, agent_id)


def has_spaces(env: ph.MultiAgentEnv, agent_id: ph.AgentID) -> bool:
    """Tell whether a strategic agent has both spaces."""
    spaces = (_space(env, agent_id, attribute) for attribute in _SPACES)
    return all(isinstance(space, gym.Space) for space in spaces)


_SPACES: Final = ("observation_space", "action_space")


def _check_spaces(env: ph.MultiAgentEnv, agent_id: ph.AgentID) -> Iterator[Finding]:
    for attribute in _SPACES:
        space = _space(env, agent_id, attribute)
        if not isinstance(space, gym.Space):
            owner = type(env.agents[agent_id]).__name__
            yield Finding(
                check="no-space",
                message=f"its {attribute} is {space!r}. Set a gymnasium space in {owner}.",
                agent_id=agent_id,
            )
        elif attribute == "action_space" and _is_unbounded(space):
            yield Finding(
                check="unbounded-action-space",
                message=f"its action space {space} has no bounds. Bound it, if not every number is meant.",
                agent_id=agent_id,
            )


def _space(env: ph.MultiAgentEnv, agent_id: ph.AgentID, attribute: str) -> Any:
    try:
        return getattr(env, f"{attribute}s")[agent_id]
    except (ph.PhantomError, KeyError):  # one agent without a space keeps the env from telling any
        return getattr(env.agents[agent_id], attribute, None)


def _is_unbounded(space: gym.Space[Any]) -> bool:
    return isinstance(space, gym.spaces.Box) and not np.isfinite([space.low, space.high]).all()


def _some(agent_ids: Sequence[ph.AgentID]) -> str:
    """Return the first ids, and how many more there are."""
    more = f" and {len(agent_ids) - _NAMED:,} more" if len(agent_ids) > _NAMED else ""
    return f"{ph.tools.listing(agent_ids[:_NAMED])}{more}"


_NAMED: Final = 5
"""So many agents are named."""
