"""Evaluation: finished policies in episodes with fixed seeds; it changes nothing and learns nothing."""

from __future__ import annotations

import contextlib
import copy
import html
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from phantom_core.component_config import is_whole
from phantom_core.envs.endless import check_it_ends
from phantom_core.envs.plain_values import Spread, as_number, mean_of, spread_of
from phantom_core.envs.step_result import MultiAgentEnv
from phantom_core.errors import ConfigError, EnvError, error_text, listing
from phantom_core.metrics import Metric
from phantom_core.policies.policy import BasePolicy
from phantom_core.policies.policy_mapping import PolicySpec
from phantom_core.rollouts.batch import EpisodeSummary
from phantom_core.rollouts.collect import Collector
from phantom_core.rollouts.collect_plan import CollectPlan
from phantom_core.rollouts.measured_env import check_is_env
from phantom_core.types import AgentID, PolicyID


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What an evaluation measured.

    Attributes:
        episodes: one summary for each episode.
        agent_ids: the agents whose mean return counts.
    """

    episodes: Sequence[EpisodeSummary] = field(repr=False)
    agent_ids: Sequence[AgentID]

    @property
    def mean_return(self) -> float:
        """Mean over the episodes of the mean return of the agents that count and took part.

        Raises `EnvError` if none of them took part.
        """
        by_agent = [e.episode_returns for e in self.episodes]
        returns = [[found[a] for a in self.agent_ids if a in found] for found in by_agent]
        if not any(returns):
            raise EnvError(
                f"There is no mean return: none of the agents that count ({listing(self.agent_ids)}) took "
                f"part in {len(self.episodes)} episodes, but {listing(self.episode_returns)}. Play more "
                "episodes, or name others in agent_ids or policy_ids."
            )
        return float(np.mean([np.mean(of_episode) for of_episode in returns if of_episode]))

    @property
    def episode_returns(self) -> dict[AgentID, tuple[float, ...]]:
        """For each agent id, its return in each episode that it took part in."""
        by_agent = [e.episode_returns for e in self.episodes]
        agents = dict.fromkeys(agent_id for found in by_agent for agent_id in found)
        return {a: tuple(found[a] for found in by_agent if a in found) for a in agents}

    @property
    def metrics(self) -> dict[str, tuple[Any, ...]]:
        """For each metric name, its reduced value in each episode that recorded it."""
        names = dict.fromkeys(name for e in self.episodes for name in e.metrics)
        return {name: tuple(e.metrics[name] for e in self.episodes if name in e.metrics) for name in names}

    @property
    def return_spreads(self) -> dict[AgentID, Spread]:
        """For each agent id, how its returns are spread: `n`, `mean`, `se`, `low` and `high`.

        `se` is the standard error of the mean over the episodes: their sample deviation / √n, NaN for one.
        """
        return {agent_id: spread_of(returns) for agent_id, returns in self.episode_returns.items()}

    @property
    def metric_numbers(self) -> dict[str, tuple[float, ...]]:
        """For each metric whose values are numbers, the number of each episode that recorded it.

        An array counts as the mean of its elements.
        """
        found = {}
        for name, values in self.metrics.items():
            with contextlib.suppress(TypeError, ValueError):
                found[name] = tuple(mean_of([_as_numbers(value)]) for value in values)
        return found

    @property
    def metric_spreads(self) -> dict[str, Spread]:
        """For each metric whose values are numbers, how they are spread over the episodes, likewise."""
        return {name: spread_of(numbers) for name, numbers in self.metric_numbers.items()}

    def _repr_html_(self) -> str:
        """Return a table for notebooks: what is measured, and how it is spread over the episodes."""
        rows = {f"return of {agent_id}": spread for agent_id, spread in self.return_spreads.items()}
        body = "".join(
            f"<tr><th>{html.escape(name)}</th>"
            + "".join(f"<td>{value:.4g}</td>" for value in (s.mean, s.se, s.low, s.high))
            + f"<td>{s.n}</td></tr>"
            for name, s in (rows | self.metric_spreads).items()
        )
        head = "".join(f"<th>{name}</th>" for name in ("", "mean", "s.e.", "least", "greatest", "episodes"))
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _as_numbers(value: Any) -> Any:
    """Return an array as it is, and anything else as a float; raise TypeError if it is no number."""
    return value if isinstance(value, np.ndarray) and value.dtype.kind in "fiub" else as_number(value)


def copied(policies: Mapping[PolicyID, BasePolicy]) -> dict[PolicyID, BasePolicy]:
    """Return copies of policies, which share nothing; raise `ConfigError` if one cannot be copied."""
    found, memo = {}, dict[int, Any]()  # one object under two ids stays one
    for policy_id, policy in policies.items():
        try:
            found[policy_id] = copy.deepcopy(policy, memo)
        except Exception as error:  # whatever a user's attributes raise
            raise ConfigError(
                f"Policy {policy_id!r} ({type(policy).__name__}) cannot be copied, but it is copied to be "
                f"evaluated or trained on: {error_text(error)}. Make locks, files and generators where "
                "they are used, or give the class a __deepcopy__()."
            ) from error
    return found


def evaluate(
    env: MultiAgentEnv,
    policies: Mapping[PolicyID, BasePolicy],
    policy_by_agent: Mapping[AgentID, PolicyID],
    *,
    num_episodes: int,
    seed: int,
    agent_ids: Sequence[AgentID] | None = None,
    policy_ids: Collection[PolicyID] | None = None,
    specs: Mapping[PolicyID, PolicySpec] | None = None,
    metrics: Mapping[str, Metric] | None = None,
    max_steps: int | None = None,
) -> Evaluation:
    """Play finished policies (`compute_actions`) in episodes whose seeds follow from `seed`.

    The policies are copied first, so that evaluating changes neither them nor any later evaluation.

    Args:
        env: an env of its own, not one that is being trained in.
        policies: policy by id.
        policy_by_agent: policy id of each strategic agent.
        num_episodes: how many episodes to play.
        seed: what the episodes follow from.
        agent_ids: the agents whose mean return counts; default: as `policy_ids` says.
        policy_ids: the policies whose agents' mean return counts; default: all.
        specs: how agents that join during an episode find their policy.
        metrics: what to measure; reduced with mode `"evaluate"`.
        max_steps: each episode is truncated after so many steps, if the env did not end it; None for no
            limit, so that an episode without end is waited for.

    Raises:
        ConfigError: if an argument is not what it should be, a policy cannot be copied, or it is certain that
            an episode never ends.
        PolicyMappingError: if an agent has no policy, or one that there is not.
        EnvError: if the env raises, with the episode's seed and the step.
    """
    if isinstance(env, type):
        expected = f"Expected an env that was made, such as {env.__name__}()."
        raise ConfigError(f"env is the class {env.__name__}. {expected}")
    check_is_env(env)
    check_it_ends(env, max_steps)
    if not is_whole(num_episodes):
        raise ConfigError(f"num_episodes is {num_episodes!r}. Expected a positive integer.")
    if not isinstance(seed, (int, np.integer)) or seed < 0:
        raise ConfigError(f"seed is {seed!r}. Expected an integer that is not negative.")
    for name, given, kind, expected in (
        ("policies", policies, BasePolicy, "ph.Policy by id, such as ph.load_policies(run)"),
        ("policy_by_agent", policy_by_agent, str, "policy ids by agent id"),
        ("metrics", metrics or {}, Metric, "ph.metrics.Metric by name"),
    ):
        wrong: list[tuple[str, object]] = [] if isinstance(given, Mapping) else [(name, given)]
        if not wrong:
            wrong = [(f"{name}[{key!r}]", one) for key, one in given.items() if not isinstance(one, kind)]
        if wrong:
            raise ConfigError(f"{wrong[0][0]} is {wrong[0][1]!r}. Expected a dict of {expected}.")
    episodes: list[EpisodeSummary] = []
    collector = Collector(
        [env],
        copied(policies),
        policy_by_agent,
        specs=specs,
        seed=seed,
        metrics=metrics,
        mode="evaluate",
        on_episode=episodes.append,
        max_steps=max_steps,
    )
    collector.collect(CollectPlan(episodes=num_episodes))
    if agent_ids is None:
        counting = policies if policy_ids is None else policy_ids
        agent_ids = [a for a, policy_id in collector.policy_by_agent.items() if policy_id in counting]
    return Evaluation(episodes, list(agent_ids))
