"""No two things are logged under one name, and no value or name costs a line."""

import json
import math
from collections.abc import Callable, Hashable, Mapping
from pathlib import Path
from typing import Any

import gymnasium as gym
import pytest

import phantom_core as ph


class PaidAgent(ph.StrategicAgent):
    observation_space = action_space = gym.spaces.Discrete(2)

    def encode_observation(self, ctx: ph.Context) -> int:
        return 0

    def decode_action(self, ctx: ph.Context, action: int) -> None:
        """Do nothing."""

    def compute_reward(self, ctx: ph.Context) -> float:
        return 1.0


def env_of(*agent_ids: Hashable) -> Callable[[], ph.PhantomEnv]:
    return lambda: ph.PhantomEnv(2, ph.Network([PaidAgent(agent_id) for agent_id in agent_ids]))


class Loud(ph.Trainer):
    """Returns what it was made with."""

    policy_class = ph.RandomPolicy

    def __init__(self, values: Mapping[str, Any]) -> None:
        super().__init__()
        self.values = values

    def collect_plan(self) -> ph.CollectPlan:
        return ph.CollectPlan(episodes=1)

    def update(self, policy_id: str, policy: Any, batch: ph.Batch, rng: Any) -> Mapping[str, Any]:
        return self.values


def run(*agent_ids: Hashable, values: Mapping[str, Any] | None = None, **options: Any) -> ph.TrainingResults:
    given: dict[str, Any] = {"num_iterations": 2, "run_dir": None, "seed": 1, **options}
    return ph.train(Loud(values or {}), env=env_of(*(agent_ids or ("A",))), **given)


def refusal(*agent_ids: Hashable, **options: Any) -> str:
    with pytest.raises(ph.errors.ConfigError) as caught:
        run(*agent_ids, **options)
    return str(caught.value)


def test_a_policy_is_not_called_as_the_runs_own_values_are() -> None:
    assert refusal("policy_loss", policies={"rewards": ["policy_loss"]}) == (
        "The values of policy 'rewards' and the run's own values would both be logged as 'rewards/…'. Rename "
        "the policy."
    )
    assert refusal(policies={"eval": ["A"]}) == (
        "The values of policy 'eval' and the run's own values would both be logged as 'eval/…'. Rename the "
        "policy."
    )


def test_a_policy_is_not_called_as_the_values_of_another_are() -> None:
    assert refusal("A", "B", policies={"shop": ["A"], "shop/small": ["B"]}) == (
        "The values of policy 'shop/small' and those of policy 'shop' would both be logged as "
        "'shop/small/…'. Rename the policy."
    )


def test_no_agent_is_called_as_the_group_of_all_is() -> None:
    assert refusal("group") == (
        "The rewards of agent 'group' and the mean of all agents would both be logged as 'rewards/group'. "
        "Give the agent another id."
    )


def test_two_agents_have_two_names_also_as_text() -> None:
    assert refusal(1, "1") == (
        "The rewards of agent '1' and those of agent 1 would both be logged as 'rewards/1'. Give the agent "
        "another id."
    )


def test_a_metric_is_not_called_as_the_values_of_a_policy_are() -> None:
    metrics = {"default/loss": ph.metrics.SimpleEnvMetric("current_step")}
    assert refusal(metrics=metrics) == (
        "Metric 'default/loss' would be logged under a name of its own, but those of policy 'default' begin "
        "with 'default/' too. Rename the metric."
    )


class Extra(ph.Hooks):
    def extra_values(self, event: ph.IterationEnd) -> Mapping[str, float]:
        return {"loss": 1.0}


def test_a_plugin_with_values_is_not_called_as_a_policy_is() -> None:
    assert refusal(policies={"Extra": ["A"]}, hooks=[Extra()]) == (
        "The values of plugin 'Extra' and those of policy 'Extra' would both be logged as 'Extra/…'. Rename "
        "the plugin."
    )
    assert "Extra/loss" in run(hooks=[Extra()]).history[0]


def test_a_number_that_no_float_can_hold_is_infinite_and_costs_no_line(tmp_path: Path) -> None:
    results = run(values={"huge": 10**400, "deep": -(10**400), "fine": 1}, run_dir=tmp_path)
    assert results.hook_failures == ()
    assert results.run_directory is not None
    rows = [json.loads(row) for row in (results.run_directory / "metrics.jsonl").read_text().splitlines()]
    assert len(rows) == 1
    assert results.status == "diverged"
    values = rows[0]["values"]
    assert values["default/huge"] == "inf"
    assert (values["default/deep"], values["default/fine"]) == ("-inf", 1.0)
    assert results.history[0]["default/huge"] == math.inf


def test_a_name_that_is_no_unicode_is_escaped_and_costs_no_line(tmp_path: Path) -> None:
    results = run("\ud800", values={"\udfff": 1.0}, run_dir=tmp_path, loggers=["csv"])
    assert results.hook_failures == ()
    assert results.run_directory is not None
    row = json.loads((results.run_directory / "metrics.jsonl").read_text().splitlines()[-1])
    assert {"rewards/\\ud800", "default/\\udfff"} <= row["values"].keys()
    assert len((results.run_directory / "metrics.csv").read_text().splitlines()) == 3


def test_infinities_of_both_signs_in_one_iteration_have_a_mean_that_is_no_number() -> None:
    class Both(ph.Trainer):
        policy_class = ph.RandomPolicy

        def training_step(self, *_: Any) -> None:
            self.log_scalar("x", math.inf)
            self.log_scalar("x", -math.inf)
            self.log_scalar("y", 1.7e308)
            self.log_scalar("y", 1.7e308)

    results = ph.train(Both, env=env_of("A"), num_iterations=1, run_dir=None)
    assert math.isnan(results.history[0]["x"])
    assert results.history[0]["y"] == pytest.approx(1.7e308)


def test_an_agent_id_that_is_no_unicode_costs_no_run(tmp_path: Path) -> None:
    results = run("\ud800", policies={"p": ["\ud800"]}, run_dir=tmp_path)
    assert results.run_directory is not None
    facts = json.loads((results.run_directory / "run.json").read_text())
    assert facts["policy_by_agent"] == [["\ud800", "p"]]
    assert "policies.p.agents[0]" in facts["not_in_config"]


@pytest.mark.parametrize(("number", "num_names"), [(100, 101), (101, 1)])
def test_more_than_a_hundred_agents_are_logged_together(number: int, num_names: int) -> None:
    row = run(*range(number)).history[-1]
    assert sum(name.startswith("rewards/") for name in row) == num_names
    assert (row["rewards/group"], row["default/episode_return"]) == (1.0, 2.0)
