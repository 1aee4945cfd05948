"""What is measured: a `Metric` reads a value from the env in each step and reduces them per episode."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from functools import reduce as fold
from typing import Any, ClassVar, Final, Literal, Self, TypeAlias, get_args

import numpy as np

from phantom_core.errors import ConfigError, PhantomError, did_you_mean, listing
from phantom_core.types import AgentID, StageID

Mode: TypeAlias = Literal["train", "evaluate"]
TrainReduce: TypeAlias = Literal["last", "mean", "sum"]
EvalReduce: TypeAlias = Literal["last", "mean", "sum", "none"]
GroupReduce: TypeAlias = Literal["min", "max", "mean", "sum"]


class NotRecorded:
    """The type of `not_recorded`, which stands for a step in which a metric has no value."""

    _instance: ClassVar[Self | None] = None

    def __new__(cls) -> Self:
        """Return the only instance, also after copying and unpickling."""
        if cls._instance is None:
            cls._instance = super().__new__(cls)
        return cls._instance

    def __repr__(self) -> str:
        """Return `<NotRecorded>`."""
        return "<NotRecorded>"


not_recorded: Final = NotRecorded()
"""The value of a metric in a step of a stage that it is not defined on."""


class Metric(ABC):
    """Reads a value from the env after each step and reduces an episode's values to one.

    Attributes:
        fsm_stages: names of the turns after which it is read; None: after every step. The turn is the
            one that the step just played (`env.executed_turn`).
        description: what it measures, for people.
    """

    fsm_stages: Collection[StageID] | None = None
    description: str | None = None

    @abstractmethod
    def extract(self, env: Any) -> Any:
        """Return the value after the step that `env` just made."""

    def reduce(self, values: Sequence[Any], mode: Mode) -> Any:
        """Reduce the values of one episode; the default returns the last one.

        Args:
            values: one for each step in which it was recorded, at least one.
            mode: `"train"` while training, `"evaluate"` in evaluations.
        """
        return values[-1]


def record_metrics(env: Any, metrics: Mapping[str, Metric], values: dict[str, list[Any]]) -> None:
    """Read every metric after a step; skip those that are not defined on the turn it played."""
    turn = getattr(env, "executed_turn", None)
    for name, metric in metrics.items():
        stages = metric.fsm_stages
        if stages is None or (turn is not None and turn.name in stages):
            value = metric.extract(env)
            if value is not not_recorded:
                values[name].append(value)


def reduce_metrics(
    metrics: Mapping[str, Metric], values: Mapping[str, Sequence[Any]], mode: Mode
) -> dict[str, Any]:
    """Reduce the values of one episode; leave out metrics that recorded none."""
    reduced = {
        name: metric.reduce(values[name], mode) for name, metric in metrics.items() if values.get(name)
    }
    return {name: value for name, value in reduced.items() if value is not not_recorded}


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

    def extract(self, env: Any) -> Any:
        """Return `extract_fn(env)`."""
        return self.extract_fn(env)

    def reduce(self, values: Sequence[Any], mode: Mode) -> Any:
        """Return what the function of this mode makes of the values."""
        return self.train_reduce_fn(values) if _checked(mode) == "train" else self.eval_reduce_fn(values)


@dataclass(frozen=True)
class _SimpleMetric(Metric):
    """Reduces numbers by name."""

    _: KW_ONLY
    train_reduce_action: TrainReduce = "mean"
    """How an episode's values are reduced while training."""
    eval_reduce_action: EvalReduce = "none"
    """How an episode's values are reduced in evaluations; `none` keeps them all, as an array."""
    fsm_stages: Collection[StageID] | None = None
    """Names of the turns after which it is read; None: after every step."""
    description: str | None = None
    """What it measures, for people."""

    def __post_init__(self) -> None:
        """Refuse a reduction that does not exist."""
        _check_action(self, "train_reduce_action", get_args(TrainReduce))
        _check_action(self, "eval_reduce_action", get_args(EvalReduce))

    def reduce(self, values: Sequence[Any], mode: Mode) -> Any:
        """Reduce an episode's values by the action of this mode."""
        action = self.train_reduce_action if _checked(mode) == "train" else self.eval_reduce_action
        return _REDUCERS[action](values)


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
    """A property of one agent, such as the stock of a shop."""

    agent_id: AgentID
    """The agent to read from."""
    agent_property: str
    """The attribute to read; dots reach into attributes of attributes."""

    def extract(self, env: Any) -> Any:
        """Return the property of the agent."""
        return _read_agent(env, self.agent_id, self.agent_property)


@dataclass(frozen=True)
class AggregatedAgentMetric(_SimpleMetric):
    """A property of several agents, reduced to one number in each step."""

    agent_ids: Iterable[AgentID]
    """The agents to read from."""
    agent_property: str
    """The attribute to read; dots reach into attributes of attributes."""
    group_reduce_action: GroupReduce = "mean"
    """How the agents' values are reduced to one in each step."""

    def __post_init__(self) -> None:
        """Keep the ids for more than one reading, and refuse reductions that do not exist."""
        super().__post_init__()
        object.__setattr__(self, "agent_ids", tuple(self.agent_ids))
        _check_action(self, "group_reduce_action", get_args(GroupReduce))

    def extract(self, env: Any) -> Any:
        """Return the reduced property of the agents."""
        values = [_read_agent(env, agent_id, self.agent_property) for agent_id in self.agent_ids]
        return _REDUCERS[self.group_reduce_action](values)


_REDUCERS: Final[dict[str, Callable[[Sequence[Any]], Any]]] = {
    "last": lambda values: values[-1],
    "mean": lambda values: float(np.mean(values)),
    "sum": sum,
    "min": min,
    "max": max,
    "none": np.asarray,
}


def _check_action(metric: Metric, field: str, allowed: tuple[str, ...]) -> None:
    value = getattr(metric, field)
    if value not in allowed:
        name = type(metric).__name__
        msg = (
            f"{name} got {field}={value!r}.{did_you_mean(value, allowed)} Expected one of: "
            f"{listing(allowed)}."
        )
        raise ConfigError(msg)


def _checked(mode: Mode) -> Mode:
    if mode not in get_args(Mode):
        msg = f"A metric was reduced with mode={mode!r}. Expected one of: {listing(get_args(Mode))}."
        raise ConfigError(msg)
    return mode


def _read_agent(env: Any, agent_id: AgentID, path: str) -> Any:
    agents = env.agents
    if agent_id not in agents:
        msg = (
            f"A metric reads agent {agent_id!r}, but there is no such "
            f"agent.{did_you_mean(agent_id, agents)} Agents: {listing(agents)}."
        )
        raise PhantomError(msg)
    return _read(agents[agent_id], path, f"agent {agent_id!r}")


def _read(owner: Any, path: str, name: str) -> Any:
    try:
        return fold(getattr, path.split("."), owner)
    except AttributeError as error:
        public = [attribute for attribute in dir(owner) if not attribute.startswith("_")]
        msg = (
            f"A metric reads {path!r} of {name}, but {error}.{did_you_mean(path, public)} "
            "Name an attribute that exists after each step."
        )
        raise PhantomError(msg) from None
