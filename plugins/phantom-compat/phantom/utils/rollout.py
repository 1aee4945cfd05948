"""What rollouts recorded: steps, episodes, and tables of their metrics."""

import json
from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from phantom._layer.json_values import RolloutJSONEncoder, plain
from phantom.message import Message
from phantom.metrics import not_recorded
from phantom.types import AgentID, StageID

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "AgentStep",
    "Rollout",
    "RolloutJSONEncoder",
    "Step",
    "rollouts_to_dataframe",
    "rollouts_to_jsonl",
]

Stages = Iterable[StageID] | None
Count = list[tuple[Any, int]]


@dataclass(frozen=True)
class AgentStep:
    """One step as one agent saw it."""

    i: int
    observation: Any
    reward: float | None
    done: bool
    info: dict[str, Any] | None
    action: Any
    stage: StageID | None = None


@dataclass(frozen=True)
class Step:
    """One step: the observations that actions were computed from, the actions, and what came of them."""

    i: int
    observations: dict[AgentID, Any]
    rewards: dict[AgentID, float]
    terminations: dict[AgentID, bool]
    truncations: dict[AgentID, bool]
    infos: dict[AgentID, dict[str, Any]]
    actions: dict[AgentID, Any]
    messages: list[Message[Any]] | None = None
    stage: StageID | None = None


@dataclass(frozen=True)
class Rollout:
    """One episode, with the parameters that it was played with and the metrics that were measured.

    The methods `…_for_agent` give one entry per step, None where the agent has none.
    """

    rollout_id: int
    repeat_id: int
    env_config: Mapping[str, Any]
    rollout_params: dict[str, Any]
    steps: list[Step] = field(default_factory=list)
    metrics: dict[str, Any] = field(default_factory=dict)

    def observations_for_agent(
        self, agent_id: AgentID, drop_nones: bool = False, stages: Stages = None
    ) -> list[Any]:
        """Return the agent's observations."""
        return self._of_agent("observations", agent_id, drop_nones, stages)

    def rewards_for_agent(
        self, agent_id: AgentID, drop_nones: bool = False, stages: Stages = None
    ) -> list[float | None]:
        """Return the agent's rewards; `drop_nones` also drops rewards that are None."""
        rewards = self._of_agent("rewards", agent_id, drop_nones, stages)
        return [reward for reward in rewards if reward is not None] if drop_nones else rewards

    def terminations_for_agent(
        self, agent_id: AgentID, drop_nones: bool = False, stages: Stages = None
    ) -> list[bool | None]:
        """Return whether the agent was terminated."""
        return self._of_agent("terminations", agent_id, drop_nones, stages)

    def truncations_for_agent(
        self, agent_id: AgentID, drop_nones: bool = False, stages: Stages = None
    ) -> list[bool | None]:
        """Return whether the agent was truncated."""
        return self._of_agent("truncations", agent_id, drop_nones, stages)

    def infos_for_agent(
        self, agent_id: AgentID, drop_nones: bool = False, stages: Stages = None
    ) -> list[dict[str, Any] | None]:
        """Return the agent's infos."""
        return self._of_agent("infos", agent_id, drop_nones, stages)

    def actions_for_agent(
        self, agent_id: AgentID, drop_nones: bool = False, stages: Stages = None
    ) -> list[Any]:
        """Return the agent's actions."""
        return self._of_agent("actions", agent_id, drop_nones, stages)

    def steps_for_agent(self, agent_id: AgentID, stages: Stages = None) -> list[AgentStep]:
        """Return the steps as the agent saw them."""
        return [
            AgentStep(
                step.i,
                step.observations.get(agent_id),
                step.rewards.get(agent_id),
                bool(step.terminations.get(agent_id) or step.truncations.get(agent_id)),
                step.infos.get(agent_id),
                step.actions.get(agent_id),
                step.stage,
            )
            for step in self._played_in(stages)
        ]

    def count_actions(self, stages: Stages = None) -> Count:
        """Return how often each action was chosen, by anybody, the most frequent first."""
        return _count(action for step in self._played_in(stages) for action in step.actions.values())

    def count_agent_actions(self, agent_id: AgentID, stages: Stages = None) -> Count:
        """Return how often the agent chose each action, the most frequent first."""
        return _count(step.actions[agent_id] for step in self._played_in(stages) if agent_id in step.actions)

    def __getitem__(self, index: int) -> Step:
        """Return a step.

        Raises:
            KeyError: if there is none with this number.
        """
        try:
            return self.steps[index]
        except IndexError:
            raise KeyError(f"Index {index} is no step of a rollout with {len(self.steps)} steps.") from None

    def _played_in(self, stages: Stages) -> list[Step]:
        wanted = None if stages is None else list(stages)
        return [step for step in self.steps if wanted is None or step.stage in wanted]

    def _of_agent(self, kind: str, agent_id: AgentID, drop_nones: bool, stages: Stages) -> list[Any]:
        values = [getattr(step, kind) for step in self._played_in(stages)]
        return [value.get(agent_id) for value in values if agent_id in value or not drop_nones]


def rollouts_to_dataframe(
    rollouts: Iterable[Rollout],
    avg_over_repeats: bool = True,
    index_value_precision: int | None = None,
) -> "pd.DataFrame":
    """Return a table with a row per rollout: its parameters as the index, its metrics as columns.

    Args:
        rollouts: any number of them, also none.
        avg_over_repeats: whether rollouts with equal parameters become one row, of the means.
        index_value_precision: decimals to which numbers in the index are rounded; None: all.

    Raises:
        ImportError: if pandas is not installed.
    """
    try:
        import pandas as pd
    except ImportError as error:
        raise ImportError("rollouts_to_dataframe needs pandas. Run: pip install pandas") from error
    listed = list(rollouts)
    names = list(dict.fromkeys(name for rollout in listed for name in rollout.rollout_params))
    params = [[_index_value(r.rollout_params.get(n), index_value_precision) for n in names] for r in listed]
    table = pd.DataFrame([_cells(rollout.metrics) for rollout in listed])
    if avg_over_repeats and len(listed) > 0:
        groups: dict[tuple[Any, ...], list[Mapping[str, Any]]] = {}
        for key, rollout in zip(map(tuple, params), listed, strict=True):
            groups.setdefault(key, []).append(rollout.metrics)
        params = [list(key) for key in groups]
        table = pd.DataFrame([_cells(_means(group)) for group in groups.values()])
    if names and len(listed) > 0:
        table.index = pd.MultiIndex.from_tuples(list(map(tuple, params)), names=names)
        if len(names) == 1:
            table.index = pd.Index([row[0] for row in params], name=names[0])
    return table


def rollouts_to_jsonl(rollouts: Iterable[Rollout], file_obj: IO[str], human_readable: bool = False) -> None:
    """Write each rollout as JSON: on a line of its own, or readable over several."""
    for rollout in rollouts:
        json.dump(plain(rollout), file_obj, indent=2 if human_readable else None)
        file_obj.write("\n")


def _count(actions: Iterable[Any]) -> Count:
    counted = Counter(_Hashed(action) for action in actions)
    return [(hashed.value, number) for hashed, number in counted.most_common()]


class _Hashed:
    """Any action as a key: arrays, dicts and lists are equal if their contents are."""

    def __init__(self, value: Any) -> None:
        self.value = value
        self._key = (
            value if isinstance(value, Hashable) and not isinstance(value, tuple) else repr(plain(value))
        )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Hashed) and bool(self._key == other._key)

    def __hash__(self) -> int:
        return hash(self._key)


def _index_value(value: Any, precision: int | None) -> Any:
    if isinstance(value, np.ndarray):
        items = [_index_value(item, precision) for item in value.ravel().tolist()]
        return items[0] if len(items) == 1 else tuple(items)
    if isinstance(value, (float, np.floating)) and precision is not None:
        return round(float(value), precision)
    return value.item() if isinstance(value, np.generic) else value


def _means(group: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the mean of each metric, of arrays of one shape item by item; what is no number is the first."""
    means: dict[str, Any] = {}
    for name in group[0]:
        values = [row[name] for row in group if row.get(name) is not None and row[name] is not not_recorded]
        means[name] = _mean(values)
    return means


def _mean(values: Sequence[Any]) -> Any:
    try:
        arrays = [np.asarray(value, dtype=float) for value in values]
    except (TypeError, ValueError):
        return values[0]
    if not arrays:
        return None
    if len({array.shape for array in arrays}) == 1:
        mean = np.mean(arrays, axis=0)
        return mean if mean.shape else float(mean)
    return float(np.mean(np.concatenate([array.ravel() for array in arrays])))


def _cells(metrics: Mapping[str, Any]) -> dict[str, Any]:
    return {name: None if value is not_recorded else value for name, value in metrics.items()}
