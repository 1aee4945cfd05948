"""What is measured: a `Metric` reads a value from the env after each step and reduces them per episode.

`record_metrics` and `reduce_metrics` are for whoever steps an env without a trainer.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from functools import reduce as fold
from typing import Any, ClassVar, Final, Literal, Self, TypeAlias, get_args

import numpy as np

from phantom_core.component_config import id_from_file
from phantom_core.errors import ConfigError, PhantomError, did_you_mean, listing, without_stop
from phantom_core.types import AgentID, StageID
from phantom_core.world.agents import Agent

Mode: TypeAlias = Literal["train", "evaluate"]
TrainReduce: TypeAlias = Literal["last", "mean", "sum"]
EvalReduce: TypeAlias = Literal["last", "mean", "sum"] | None
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
        return "<NotRecorded>"


not_recorded: Final = NotRecorded()
"""The value of a metric in a step in which it has none; whoever reduces values never meets it."""


class Metric(ABC):
    """Reads a value from the env after each step and reduces an episode's values to one.

    Attributes:
        fsm_stages: names of the turns after which it is read; None: after every step. The turn is the
            one that the step just played (`env.executed_turn`). A subclass may set it in the class.
        description: what it measures, for people.
    """

    fsm_stages: Collection[StageID] | None = None
    description: str | None = None

    def __init__(self, fsm_stages: Iterable[StageID] | None = None, description: str | None = None) -> None:
        """Set the stages and the description, where the class does not; a subclass need not call this.

        Raises ConfigError if `fsm_stages` is one name instead of several.
        """
        if fsm_stages is not None:
            self.fsm_stages = _checked_stages(type(self), fsm_stages)
        if description is not None:
            self.description = description

    def __init_subclass__(cls, **kwargs: object) -> None:
        super().__init_subclass__(**kwargs)
        if isinstance(cls.fsm_stages, str):  # what is no plain attribute is looked at when it is read
            _checked_stages(cls, cls.fsm_stages)

    @abstractmethod
    def extract(self, env: Any) -> Any:
        """Return the value after the step that `env` just made, or `not_recorded` if there is none."""

    def reduce(self, values: Sequence[Any], mode: Mode) -> Any:
        """Reduce the values of one episode; the default returns the last one.

        Args:
            values: one for each step in which it was recorded, at least one.
            mode: `"train"` while training, `"evaluate"` in evaluations.
        """
        return values[-1]


def record_metrics(env: Any, metrics: Mapping[str, Metric], values: dict[str, list[Any]]) -> None:
    """Read every metric once; call it after each `env.step`.

    The value of each metric that is defined on the turn that was played, and has one, is appended to its
    list in `values`. Raises PhantomError if a metric reads something that is not there.
    """
    turn = getattr(env, "executed_turn", None)
    for name, metric in metrics.items():
        stages = metric.fsm_stages
        if stages is None or (turn is not None and turn.name in stages):
            value = metric.extract(env)
            if value is not not_recorded:
                values.setdefault(name, []).append(value)


def reduce_metrics(
    metrics: Mapping[str, Metric], values: Mapping[str, Sequence[Any]], mode: Mode
) -> dict[str, Any]:
    """Reduce the values of one episode that `record_metrics` collected; metrics without one are left out."""
    reduced: dict[str, Any] = {}
    for name, metric in metrics.items():
        recorded = _recorded(values.get(name, ()))
        value = metric.reduce(recorded, mode) if recorded else not_recorded
        if value is not not_recorded:
            reduced[name] = value
    return reduced


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
        object.__setattr__(self, "fsm_stages", _checked_stages(type(self), self.fsm_stages))

    def extract(self, env: Any) -> Any:
        """Return `extract_fn(env)`."""
        return self.extract_fn(env)

    def reduce(self, values: Sequence[Any], mode: Mode) -> Any:
        """Return what the function of this mode makes of the values that were recorded."""
        reduce_fn = self.train_reduce_fn if _checked(mode) == "train" else self.eval_reduce_fn
        recorded = _recorded(values)
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
        object.__setattr__(self, "fsm_stages", _checked_stages(type(self), self.fsm_stages))
        _check_action(self, "train_reduce_action", get_args(TrainReduce))
        _check_action(self, "eval_reduce_action", (*get_args(TrainReduce), None))

    def reduce(self, values: Sequence[Any], mode: Mode) -> Any:
        """Reduce the recorded values by the action of this mode, or raise PhantomError if it cannot."""
        action = self.train_reduce_action if _checked(mode) == "train" else self.eval_reduce_action
        recorded = _recorded(values)
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
        if agent is not_recorded:
            return not_recorded
        return _read(agent, self.agent_property, f"agent {self.agent_id!r}")


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
            expected = "Expected a list of ids, a class of agents or a predicate."
            raise ConfigError(f"AggregatedAgentMetric got agent_ids={self.agent_ids!r}. {expected}")
        object.__setattr__(self, "agent_ids", tuple(map(id_from_file, self.agent_ids)))
        if not self.agent_ids:
            raise ConfigError("AggregatedAgentMetric got no agent ids. Name at least one agent.")

    def extract(self, env: Any) -> Any:
        """Return the reduced property of the agents; `not_recorded` if none is there.

        Raises PhantomError if an agent has no such property, or the values cannot be reduced.
        """
        agents = self._selected(env.agents)
        values = [_read(agent, self.agent_property, f"agent {i!r}") for i, agent in agents]
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
        got = f"{type(metric).__name__} got {field}={value!r}"
        raise ConfigError(f"{got}.{did_you_mean(value, allowed)} Expected one of: {listing(allowed)}.")


def _checked(mode: Mode) -> Mode:
    if mode not in get_args(Mode):
        expected = listing(get_args(Mode))
        raise ConfigError(f"A metric was reduced with mode={mode!r}. Expected one of: {expected}.")
    return mode


def _read(owner: Any, path: str, name: str) -> Any:
    try:
        return fold(getattr, path.split("."), owner)
    except AttributeError as error:
        public = [attribute for attribute in dir(owner) if not attribute.startswith("_")]
        raise PhantomError(
            f"A metric reads {path!r} of {name}, but {error}.{did_you_mean(path, public)} "
            "Name an attribute that exists after each step."
        ) from None


def _recorded(values: Sequence[Any]) -> list[Any]:
    """Return the values without `not_recorded`."""
    return [value for value in values if value is not not_recorded]


def _checked_stages(metric_class: type, stages: Iterable[StageID] | None) -> tuple[StageID, ...] | None:
    """Return the stages for more than one reading; raise ConfigError if they are one name."""
    if isinstance(stages, str):
        name = metric_class.__name__
        raise ConfigError(f"{name} got fsm_stages={stages!r}. Expected several names: [{stages!r}].")
    return None if stages is None else tuple(stages)
