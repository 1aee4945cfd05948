"""Metrics to use as they are: a property of the env or of agents, or a value that functions make."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from functools import reduce as fold
from typing import Any, Final, Literal, TypeAlias, get_args

import numpy as np

from phantom_core.errors import ConfigError, PhantomError, did_you_mean, listing, without_stop
from phantom_core.metrics.metric import Metric, Mode, checked_stages, not_recorded, recorded_values
from phantom_core.types import AgentID, StageID
from phantom_core.world.agents import Agent

TrainReduce: TypeAlias = Literal["last", "mean", "sum"]
EvalReduce: TypeAlias = Literal["last", "mean", "sum"] | None
GroupReduce: TypeAlias = Literal["min", "max", "mean", "sum"]


@dataclass(frozen=True)
class LambdaMetric(Metric):
    """A metric made of functions: one reads the env, one reduces in training, one in evaluation."""

    extract_fn: Callable[[Any], Any]
    """Reads the value from the env."""
    train_reduce_fn: Callable[[Sequence[Any]], Any]
    """Reduces an episode's values while training."""
    eval_reduce_fn: Callable[[Sequence[Any]], Any]
    """Reduces an episode's values in evaluations."""
    _: KW_ONLY
    fsm_stages: Collection[StageID] | None = None
    """Names of the turns after which it is read; None: after every step."""
    description: str | None = None
    """What it measures, for people."""

    def __post_init__(self) -> None:
        """Refuse one stage where several belong."""
        object.__setattr__(self, "fsm_stages", checked_stages(type(self), self.fsm_stages))

    def extract(self, env: Any) -> Any:
        """Return `extract_fn(env)`."""
        return self.extract_fn(env)

    def reduce(self, values: Sequence[Any], mode: Mode) -> Any:
        """Return what the function of this mode makes of the values that were recorded."""
        reduce_fn = self.train_reduce_fn if _checked(mode) == "train" else self.eval_reduce_fn
        recorded = recorded_values(values)
        return reduce_fn(recorded) if recorded else not_recorded


@dataclass(frozen=True)
class _SimpleMetric(Metric):
    """Reduces numbers by name."""

    _: KW_ONLY
    train_reduce_action: TrainReduce = "mean"
    """How an episode's values are reduced while training."""
    eval_reduce_action: EvalReduce = None
    """How an episode's values are reduced in evaluations; None keeps them all, as an array."""
    fsm_stages: Collection[StageID] | None = None
    """Names of the turns after which it is read; None: after every step."""
    description: str | None = None
    """What it measures, for people."""

    def __post_init__(self) -> None:
        """Refuse a reduction that does not exist, and one stage where several belong."""
        object.__setattr__(self, "fsm_stages", checked_stages(type(self), self.fsm_stages))
        _check_action(self, "train_reduce_action", get_args(TrainReduce))
        _check_action(self, "eval_reduce_action", (*get_args(TrainReduce), None))

    def reduce(self, values: Sequence[Any], mode: Mode) -> Any:
        """Reduce the values that were recorded by the action of this mode.

        Raises:
            PhantomError: if the values are nothing that this action can reduce.
        """
        action = self.train_reduce_action if _checked(mode) == "train" else self.eval_reduce_action
        recorded = recorded_values(values)
        return _reduced(action, recorded) if recorded else not_recorded


@dataclass(frozen=True)
class SimpleEnvMetric(_SimpleMetric):
    """A property of the env, such as `"num_trades"` or `"market.price"`."""

    env_property: str
    """The attribute to read; dots reach into attributes of attributes."""

    def extract(self, env: Any) -> Any:
        """Return the property of the env."""
        return _read(env, self.env_property, "the env")


@dataclass(frozen=True)
class SimpleAgentMetric(_SimpleMetric):
    """A property of one agent, such as the stock of a shop.

    Nothing is recorded in steps after which the agent is not in the env: it has left, or not joined.
    """

    agent_id: AgentID
    """The agent to read from."""
    agent_property: str
    """The attribute to read; dots reach into attributes of attributes."""

    def extract(self, env: Any) -> Any:
        """Return the property of the agent; `not_recorded` if it is not there."""
        agent = env.agents.get(self.agent_id, not_recorded)
        return agent if agent is not_recorded else _read_agent(agent, self.agent_id, self.agent_property)


@dataclass(frozen=True)
class AggregatedAgentMetric(_SimpleMetric):
    """A property of several agents, reduced to one number in each step.

    Agents that are not in the env after a step do not count in it; if none is, nothing is recorded.
    """

    agent_ids: Iterable[AgentID] | type[Agent] | Callable[[Agent], bool]
    """The agents to read from: ids, or (from Python) a class of agents or a predicate of one."""
    agent_property: str
    """The attribute to read; dots reach into attributes of attributes."""
    group_reduce_action: GroupReduce = "mean"
    """How the agents' values are reduced to one in each step."""

    def __post_init__(self) -> None:
        """Keep the ids for more than one reading, and refuse what cannot be reduced."""
        super().__post_init__()
        _check_action(self, "group_reduce_action", get_args(GroupReduce))
        if callable(self.agent_ids):
            return
        if isinstance(self.agent_ids, str) or not isinstance(self.agent_ids, Iterable):
            raise ConfigError(
                f"AggregatedAgentMetric got agent_ids={self.agent_ids!r}. Expected a list of ids, a class of "
                "agents or a predicate."
            )
        object.__setattr__(self, "agent_ids", tuple(self.agent_ids))
        if not self.agent_ids:
            raise ConfigError("AggregatedAgentMetric got no agent ids. Name at least one agent.")

    def extract(self, env: Any) -> Any:
        """Return the reduced property of the agents; `not_recorded` if none is there.

        Raises:
            PhantomError: if an agent has no such property, or the values cannot be reduced.
        """
        values = [_read_agent(agent, i, self.agent_property) for i, agent in self._selected(env.agents)]
        return _reduced(self.group_reduce_action, values) if values else not_recorded

    def _selected(self, agents: Mapping[AgentID, Agent]) -> list[tuple[AgentID, Agent]]:
        """Return the agents that are meant and that are there."""
        chosen = self.agent_ids
        if isinstance(chosen, type):
            return [(i, agent) for i, agent in agents.items() if isinstance(agent, chosen)]
        if callable(chosen):
            return [(i, agent) for i, agent in agents.items() if chosen(agent)]
        return [(i, agents[i]) for i in chosen if i in agents]


_REDUCERS: Final[dict[str | None, Callable[[Sequence[Any]], Any]]] = {
    "last": lambda values: values[-1],
    "mean": lambda values: float(np.mean(values)),
    "sum": sum,
    "min": min,
    "max": max,
    None: np.asarray,
}


def _reduced(action: str | None, values: Sequence[Any]) -> Any:
    try:
        return _REDUCERS[action](values)
    except (TypeError, ValueError) as error:
        raise PhantomError(
            f"A metric cannot take the {action} of {listing(values[:3])}: {without_stop(error)}. "
            "Record numbers, or reduce in another way."
        ) from error


def _check_action(metric: Metric, field: str, allowed: tuple[str | None, ...]) -> None:
    value = getattr(metric, field)
    if value not in allowed:
        name = type(metric).__name__
        raise ConfigError(
            f"{name} got {field}={value!r}.{did_you_mean(value, allowed)} Expected one of: "
            f"{listing(allowed)}."
        )


def _checked(mode: Mode) -> Mode:
    if mode not in get_args(Mode):
        raise ConfigError(
            f"A metric was reduced with mode={mode!r}. Expected one of: {listing(get_args(Mode))}."
        )
    return mode


def _read_agent(agent: Agent, agent_id: AgentID, path: str) -> Any:
    return _read(agent, path, f"agent {agent_id!r}")


def _read(owner: Any, path: str, name: str) -> Any:
    try:
        return fold(getattr, path.split("."), owner)
    except AttributeError as error:
        public = [attribute for attribute in dir(owner) if not attribute.startswith("_")]
        raise PhantomError(
            f"A metric reads {path!r} of {name}, but {error}.{did_you_mean(path, public)} "
            "Name an attribute that exists after each step."
        ) from None
