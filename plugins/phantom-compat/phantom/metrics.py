"""What is measured: metrics read a value from the env in each step and reduce an episode's values."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import reduce as fold
from typing import Any, Generic, TypeVar

import numpy as np

import phantom_core as ph
from phantom.types import AgentID, StageID

MetricValue = TypeVar("MetricValue")
NotRecorded = ph.metrics.NotRecorded
not_recorded = ph.metrics.not_recorded


class Metric(ph.Metric, Generic[MetricValue]):
    """Reads a value from the env; `reduce` makes one value of an episode's, the last one by default."""

    def __init__(self, fsm_stages: Iterable[StageID] | None = None, description: str | None = None) -> None:
        self.fsm_stages = None if fsm_stages is None else list(fsm_stages)
        self.description = description

    def reduce(self, values: Sequence[Any], mode: Any = "evaluate") -> Any:
        """Return the last value."""
        return values[-1]


class LambdaMetric(Metric[Any]):
    """A metric made of functions: one reads the env, one reduces in training, one in evaluation."""

    def __init__(
        self,
        extract_fn: Callable[[Any], Any],
        train_reduce_fn: Callable[[Sequence[Any]], Any],
        eval_reduce_fn: Callable[[Sequence[Any]], Any],
        fsm_stages: Iterable[StageID] | None = None,
        description: str | None = None,
    ) -> None:
        super().__init__(fsm_stages, description)
        self.extract_fn = extract_fn
        self.train_reduce_fn = train_reduce_fn
        self.eval_reduce_fn = eval_reduce_fn

    def extract(self, env: Any) -> Any:
        """Return what the function reads."""
        return self.extract_fn(env)

    def reduce(self, values: Sequence[Any], mode: Any = "evaluate") -> Any:
        """Return what the function of this mode makes of the values.

        Raises:
            ValueError: if the mode is neither `"train"` nor `"evaluate"`.
        """
        if mode not in ("train", "evaluate"):
            raise ValueError(f"A metric was reduced with mode={mode!r}. Expected 'train' or 'evaluate'.")
        return self.train_reduce_fn(values) if mode == "train" else self.eval_reduce_fn(values)


class SimpleMetric(Metric[Any]):
    """Reduces numbers: `"last"`, `"mean"`, `"sum"`, and in evaluation `"none"`, which keeps them all."""

    def __init__(
        self,
        train_reduce_action: str = "mean",
        eval_reduce_action: str = "none",
        fsm_stages: Iterable[StageID] | None = None,
        description: str | None = None,
    ) -> None:
        super().__init__(fsm_stages, description)
        _check(train_reduce_action, "train_reduce_action", ("last", "mean", "sum"))
        _check(eval_reduce_action, "eval_reduce_action", ("last", "mean", "sum", "none"))
        self.train_reduce_action = train_reduce_action
        self.eval_reduce_action = eval_reduce_action

    def reduce(self, values: Sequence[Any], mode: Any = "evaluate") -> Any:
        """Reduce an episode's values; the last of nothing is None."""
        action = self.train_reduce_action if mode == "train" else self.eval_reduce_action
        if action == "none":
            return np.array(values)
        if self.fsm_stages is not None:
            values = [value for value in values if value is not not_recorded]
        if action == "last":
            return values[-1] if len(values) > 0 else None
        return np.mean(values) if action == "mean" else np.sum(values)


class SimpleAgentMetric(SimpleMetric):
    """A property of one agent; dots reach into attributes of attributes."""

    def __init__(
        self,
        agent_id: AgentID,
        agent_property: str,
        train_reduce_action: str = "mean",
        eval_reduce_action: str = "none",
        fsm_stages: Iterable[StageID] | None = None,
        description: str | None = None,
    ) -> None:
        super().__init__(train_reduce_action, eval_reduce_action, fsm_stages, description)
        self.agent_id = agent_id
        self.agent_property = agent_property

    def extract(self, env: Any) -> Any:
        """Return the property of the agent."""
        return _read(env.agents[self.agent_id], self.agent_property)


class SimpleEnvMetric(SimpleMetric):
    """A property of the env; dots reach into attributes of attributes."""

    def __init__(
        self,
        env_property: str,
        train_reduce_action: str = "mean",
        eval_reduce_action: str = "none",
        fsm_stages: Iterable[StageID] | None = None,
        description: str | None = None,
    ) -> None:
        super().__init__(train_reduce_action, eval_reduce_action, fsm_stages, description)
        self.env_property = env_property

    def extract(self, env: Any) -> Any:
        """Return the property of the env."""
        return _read(env, self.env_property)


class AggregatedAgentMetric(SimpleMetric):
    """A property of several agents, reduced in each step: `"min"`, `"max"`, `"mean"` or `"sum"`."""

    def __init__(
        self,
        agent_ids: Iterable[AgentID],
        agent_property: str,
        group_reduce_action: str = "mean",
        train_reduce_action: str = "mean",
        eval_reduce_action: str = "none",
        fsm_stages: Iterable[StageID] | None = None,
        description: str | None = None,
    ) -> None:
        super().__init__(train_reduce_action, eval_reduce_action, fsm_stages, description)
        _check(group_reduce_action, "group_reduce_action", ("min", "max", "mean", "sum"))
        self.agent_ids = list(agent_ids)
        self.agent_property = agent_property
        self.group_reduce_action = group_reduce_action

    def extract(self, env: Any) -> Any:
        """Return the reduced property of the agents."""
        values = [_read(env.agents[agent_id], self.agent_property) for agent_id in self.agent_ids]
        return getattr(np, self.group_reduce_action)(values)


def logging_helper(env: Any, metrics: Mapping[str, Metric[Any]], metric_values: dict[str, list[Any]]) -> None:
    """Append the present value of each metric.

    In an FSM env it is `not_recorded` for a metric whose stages do not hold the stage that comes next.
    """
    for name, metric in metrics.items():
        metric_values[name].append(value_now(env, metric))


def value_now(env: Any, metric: ph.Metric) -> Any:
    """Return the present value of a metric, or `not_recorded`; after a step it asks the next stage."""
    from phantom.fsm import FiniteStateMachineEnv

    stages = metric.fsm_stages
    if stages is not None and isinstance(env, FiniteStateMachineEnv) and env.current_stage not in stages:
        return not_recorded
    return metric.extract(env)


def _read(owner: Any, path: str) -> Any:
    return fold(getattr, path.split("."), owner)


def _check(action: str, argument: str, allowed: tuple[str, ...]) -> None:
    if action not in allowed:
        raise ValueError(f"{argument}={action!r}. Expected one of: {', '.join(map(repr, allowed))}.")
