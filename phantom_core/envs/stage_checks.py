"""What a machine of stages refuses when it is built: each error names the stages or agents at fault."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from phantom_core.errors import ConfigError, did_you_mean, listing
from phantom_core.types import AgentID, StageID
from phantom_core.world.agents import Agent

if TYPE_CHECKING:
    from phantom_core.envs.stages import FSMStage


def is_rule(item: object) -> bool:
    """Tell whether an item of a selection is a rule (an agent class, a function) and not an id."""
    return issubclass(item, Agent) if isinstance(item, type) else callable(item)


def selects(item: Any, agent: Agent) -> bool:
    """Tell whether an item of a selection, an id or a rule, stands for an agent."""
    if not is_rule(item):
        return bool(item == agent.id)
    return isinstance(agent, item) if isinstance(item, type) else bool(item(agent))


def select(selection: Iterable[Any], agents: Mapping[AgentID, Agent]) -> tuple[AgentID, ...]:
    """Return the ids of the agents that are there and selected, each once: item after item."""
    chosen: dict[AgentID, None] = {}
    for item in selection:
        if is_rule(item):
            chosen |= {agent_id: None for agent_id, agent in agents.items() if selects(item, agent)}
        elif item in agents:
            chosen[item] = None
    return tuple(chosen)


def as_tuple(owner: str, argument: str, given: Any) -> tuple[Any, ...] | None:
    """Return a collection of ids and rules as a tuple; None stays None, a rule stands for itself.

    Raises:
        ConfigError: if it is no collection, has an item twice, or one that is not hashable.
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
    """Refuse an id that cannot be one.

    Raises:
        ConfigError: that shows it.
    """
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
    """Refuse ids of agents that do not exist, or are of another kind.

    Raises:
        ConfigError: that names all of them.
    """
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


def check_stages(stages: Iterable[object]) -> None:
    """Refuse what is no stage.

    Raises:
        ConfigError: that shows it.
    """
    for stage in stages:
        if not hasattr(stage, "next_stages"):
            raise ConfigError(
                f"A FiniteStateMachineEnv got the stage {stage!r}. Expected an FSMStage object."
            )


def check_machine(stages: Collection[FSMStage], initial_stage: StageID, handled: Collection[StageID]) -> None:
    """Refuse a machine that cannot be played.

    Args:
        stages: all stages.
        initial_stage: where an episode begins.
        handled: ids of the stages that have a handler.

    Raises:
        ConfigError: if there is no stage, an id occurs twice or is None, a stage is unknown, cannot be
            reached or left, or does not say which of several stages comes next.
    """
    ids = [stage.id for stage in stages]
    if not ids:
        raise ConfigError(
            "A FiniteStateMachineEnv got no stage. Decorate a method with FSMStage, or give stages=[...]."
        )
    if None in ids:
        raise ConfigError("A stage got the id None, which stands for the end of the episode. Use another id.")
    twice = [stage_id for stage_id in dict.fromkeys(ids) if ids.count(stage_id) > 1]
    if twice:
        raise ConfigError(f"Several stages have the id {listing(twice)}. Give each stage its own id.")
    if initial_stage not in ids:
        raise ConfigError(
            f"The initial stage {initial_stage!r} is no stage.{did_you_mean(initial_stage, ids)} Stages: "
            f"{listing(ids)}."
        )
    for stage in stages:
        _check_next(stage, ids, is_handled=stage.id in handled)
    _check_reachable(stages, initial_stage)


def takes_env(owner: str, handler: Callable[..., Any]) -> bool:
    """Tell whether a handler is called with the env, which its signature says.

    Raises:
        ConfigError: if it cannot be called, or needs more than one argument.
    """
    if not callable(handler):
        raise ConfigError(f"{owner} got handler={handler!r}. Expected a function that returns a stage id.")
    try:
        parameters = inspect.signature(handler).parameters.values()
    except ValueError:  # some built-ins have none
        return True
    optional = ("VAR_POSITIONAL", "VAR_KEYWORD")
    needed = [p for p in parameters if p.default is p.empty and p.kind.name not in optional]
    if len(needed) > 1 or any(p.kind is p.KEYWORD_ONLY for p in needed):
        raise ConfigError(
            f"{owner} got a handler that needs {listing(p.name for p in needed)}. Expected a function of the "
            "env alone, or one without arguments."
        )
    return bool(needed)


def _check_next(stage: FSMStage, ids: Collection[StageID], *, is_handled: bool) -> None:
    unknown = [next_id for next_id in stage.next_stages if next_id is not None and next_id not in ids]
    if unknown:
        raise ConfigError(
            f"Stage {stage.id!r} names as next stages {listing(unknown)}, which are no "
            f"stages.{did_you_mean(unknown[0], ids)} Stages: {listing(ids)}."
        )
    if is_handled and not stage.next_stages:
        raise ConfigError(
            f"Stage {stage.id!r} has no next stage. Name in next_stages all that its handler may return."
        )
    if not is_handled and len(stage.next_stages) != 1:
        raise ConfigError(
            f"Stage {stage.id!r} has no handler and {len(stage.next_stages)} next stages: "
            f"{listing(stage.next_stages)}. Expected exactly one, or a handler that chooses."
        )


def _check_reachable(stages: Collection[FSMStage], initial_stage: StageID) -> None:
    next_stages = {stage.id: stage.next_stages for stage in stages}
    reached, waiting = {initial_stage}, [initial_stage]
    while waiting:
        found = [i for i in next_stages[waiting.pop()] if i is not None and i not in reached]
        reached.update(found)
        waiting += found
    lost = [stage.id for stage in stages if stage.id not in reached]
    if lost:
        raise ConfigError(
            f"No way leads from the initial stage {initial_stage!r} to {listing(lost)}. Name them in the "
            "next_stages of a stage that is reached, or remove them."
        )
