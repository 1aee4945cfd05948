"""Checks of what an env gets: its settings, the spaces of its agents, seeds and actions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import gymnasium as gym
import numpy as np

from phantom_core.errors import ConfigError, EnvError, did_you_mean, listing
from phantom_core.seeding import MAX_SEED
from phantom_core.types import Action, AgentID
from phantom_core.world.agents import Agent
from phantom_core.world.network import Network
from phantom_core.world.strategic_agents import StrategicAgent
from phantom_core.world.supertypes import Supertype, check_has_supertype, checked_supertype, default_supertype


def agent_space(agent: StrategicAgent, attribute: str) -> gym.Space[Any]:
    """Return the observation or action space of an agent, or raise ConfigError if it is no space."""
    space = getattr(agent, attribute)
    if not isinstance(space, gym.Space):
        cls = type(agent).__name__
        raise ConfigError(
            f"{cls} {agent.id!r} has {attribute}={space!r}. Expected a gymnasium space: set {attribute} in "
            f"{cls}, for example gymnasium.spaces.Discrete(3)."
        )
    return space


def check_network(env_name: str, network: object) -> None:
    """Raise ConfigError if `network` is not a `Network`."""
    if not isinstance(network, Network):
        raise ConfigError(
            f"{env_name} got network={network!r}. Expected a ph.Network, such as "
            "ph.Network([agent, ...], connections=[...])."
        )


def check_initialised(env: object) -> None:
    """Raise EnvError if the `__init__` of an env did not call that of its base class."""
    if "reward_ledger" not in vars(env):
        cls = type(env).__name__
        raise EnvError(
            f"{cls} was not initialised. Call super().__init__(num_steps, network) in {cls}.__init__."
        )


def check_num_steps(env_name: str, num_steps: int | None) -> None:
    """Raise ConfigError if `num_steps` is neither a positive integer nor None."""
    if num_steps is None:
        return
    if isinstance(num_steps, Network):
        raise ConfigError(f"{env_name} got a network as num_steps. Write {env_name}(num_steps, network).")
    if not isinstance(num_steps, int) or isinstance(num_steps, bool) or num_steps < 1:
        raise ConfigError(
            f"{env_name} got num_steps={num_steps!r}. Expected a positive integer, or None for no limit."
        )


def checked_seed(seed: object) -> int:
    """Return a seed as an int, or raise ConfigError if it is not an integer from 0 to 2**63 - 1."""
    is_integer = isinstance(seed, (int, np.integer)) and not isinstance(seed, bool)
    checked = int(seed) if is_integer else -1  # type: ignore[call-overload]  # it is an integer there
    if not 0 <= checked <= MAX_SEED:
        raise ConfigError(f"reset got seed={seed!r}. Expected an integer from 0 to 2**63 - 1, or None.")
    return checked


def env_supertype_of(env_class: type, given: Supertype | Mapping[str, Any] | None) -> Supertype | None:
    """Return the supertype of an env: the given one, else the default of its class; None: it has none."""
    if given is not None:
        return checked_supertype(env_class, env_class.__name__, given)
    default = default_supertype(env_class)
    if default is None:
        check_has_supertype(env_class, env_class.__name__)
    return default


def set_agent_supertypes(
    agents: Mapping[AgentID, Agent], supertypes: Mapping[AgentID, Supertype | Mapping[str, Any]]
) -> None:
    """Set the supertypes of agents, by agent id; raise ConfigError if an id names no agent."""
    for agent_id, supertype in supertypes.items():
        if agent_id not in agents:
            raise ConfigError(
                f"agent_supertypes has {agent_id!r}, but there is no such "
                f"agent.{did_you_mean(agent_id, agents)} Agents: {listing(agents)}."
            )
        agents[agent_id].set_supertype(supertype)


def check_ignored_actions(agents: Mapping[AgentID, Agent], actions: Mapping[AgentID, Action]) -> None:
    """Raise EnvError if an unused action is for an agent that does not exist or never acts."""
    for agent_id in actions:
        if agent_id not in agents:
            acting = [i for i, agent in agents.items() if isinstance(agent, StrategicAgent)]
            raise EnvError(
                f"There is an action for {agent_id!r}, but no such agent.{did_you_mean(agent_id, agents)} "
                f"Agents that act: {listing(acting)}."
            )
        if not isinstance(agents[agent_id], StrategicAgent):
            raise EnvError(
                f"There is an action for {agent_id!r}, but a {type(agents[agent_id]).__name__} does not act. "
                "Make it a StrategicAgent, or leave its action out."
            )
