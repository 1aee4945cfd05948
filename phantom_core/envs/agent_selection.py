"""`AgentSelection`: which agents act, are rewarded or lead, by id, class or function."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, TypeAlias

from phantom_core.errors import ConfigError, did_you_mean, listing
from phantom_core.types import AgentID
from phantom_core.world.agents import Agent

AgentRule: TypeAlias = type[Agent] | Callable[[Agent], object]
"""An agent class, or a function of an agent that returns a true value for those it selects."""

AgentSelection: TypeAlias = AgentRule | Iterable[AgentID | AgentRule]
"""A rule, or a collection of ids and rules. A rule also selects agents that join later."""


def is_rule(item: object) -> bool:
    """Return whether an item of a selection is a rule (an agent class or a function), not an id."""
    return issubclass(item, Agent) if isinstance(item, type) else callable(item)


def selects(item: Any, agent: Agent) -> bool:
    """Return whether an item of a selection, an id or a rule, selects an agent."""
    if not is_rule(item):
        return bool(item == agent.id)
    return isinstance(agent, item) if isinstance(item, type) else bool(item(agent))


def select(selection: Iterable[Any], agents: Mapping[AgentID, Agent]) -> tuple[AgentID, ...]:
    """Return the ids of the agents that a selection selects, each once, in the order of its items."""
    chosen: dict[AgentID, None] = {}
    for item in selection:
        if is_rule(item):
            chosen |= {agent_id: None for agent_id, agent in agents.items() if selects(item, agent)}
        elif item in agents:
            chosen[item] = None
    return tuple(chosen)


def as_tuple(owner: str, argument: str, given: Any) -> tuple[Any, ...] | None:
    """Return a selection as a tuple of ids and rules; None stays None, a single rule becomes one item.

    Raises ConfigError if it is not a collection, or an item is not hashable or occurs twice. `owner` got it
    as `argument`, for messages.
    """
    if given is None:
        return None
    if is_rule(given):
        return (given,)
    if isinstance(given, str) or not isinstance(given, Iterable):
        raise ConfigError(f"{owner} got {argument}={given!r}. Expected a list: write [{given!r}].")
    items = tuple(given)
    for item in items:
        check_hashable(f"{owner} names in {argument}", item)
    twice = [item for item in dict.fromkeys(items) if items.count(item) > 1]
    if twice:
        raise ConfigError(f"{owner} got {listing(twice)} twice in {argument}. Name each one once.")
    return items


def check_hashable(what: str, item: object) -> None:
    """Raise ConfigError if an id is not hashable."""
    try:
        hash(item)
    except TypeError:
        raise ConfigError(f"{what} {item!r}, which is not hashable. Use a str, an int or an Enum.") from None


def check_ids(
    owner: str,
    argument: str,
    selection: Collection[Any] | None,
    agents: Mapping[AgentID, Agent],
    kind: type[Agent] = Agent,
) -> None:
    """Raise ConfigError if an id of a selection names no agent of the class `kind`; rules are not checked."""
    ids = [item for item in selection or () if not is_rule(item)]
    unknown = [agent_id for agent_id in ids if agent_id not in agents]
    if unknown:
        raise ConfigError(
            f"{owner} names in {argument} {listing(unknown)}, but the network has no such "
            f"agent.{did_you_mean(unknown[0], agents)} Its agents: {listing(agents)}. Select those that join "
            "later by their class or by a function."
        )
    others = [agent_id for agent_id in ids if not isinstance(agents[agent_id], kind)]
    if others:
        raise ConfigError(
            f"{owner} names in {argument} {listing(others)}, but only a {kind.__name__} can be there. Leave "
            "them out, or change their class."
        )
