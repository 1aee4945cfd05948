"""What the predecessor's seed class `Trainer` offered, with its defects gone."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

import phantom_core as ph


class BanditAgent(ph.StrategicAgent):
    """Is paid its action."""

    observation_space = gym.spaces.Discrete(1)
    action_space = gym.spaces.Discrete(3)

    def reset(self) -> None:
        self.action = 0

    def decode_action(self, ctx: ph.Context, action: int) -> None:
        self.action = action

    def encode_observation(self, ctx: ph.Context) -> int:
        return 0

    def compute_reward(self, ctx: ph.Context) -> float:
        return float(self.action)


class BanditEnv(ph.PhantomEnv):
    """Two agents that act, and one that does not (which broke the predecessor's trainer)."""

    def __init__(self, num_steps: int = 4) -> None:
        super().__init__(num_steps, ph.Network([BanditAgent("A"), BanditAgent("B"), ph.Agent("PLAIN")]))


class BestArm(ph.Policy):
    """Takes the action `arm`."""

    arm = 0

    def compute_action(self, observation: Any) -> int:
        return self.arm

    def state_dict(self) -> dict[str, Any]:
        return {"arm": self.arm}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.arm = state["arm"]


class HillClimber(ph.Trainer):
    """A simple trainer: steps the env itself and raises the arm by one in each iteration."""

    policy_class = BestArm

    def training_step(
        self,
        env: Any,
        policy_mapping: Mapping[ph.AgentID, str],
        policies: Mapping[str, ph.Policy],
        policies_to_train: Sequence[str],
    ) -> None:
        observations, _ = env.reset()
        while observations:
            actions = {a: policies[policy_mapping[a]].compute_action(o) for a, o in observations.items()}
            result = env.step(actions)
            self.log_metrics(env)
            self.log_rewards(result.rewards)
            observations = {} if result.truncations["__all__"] else result.observations
        for policy_id in policies_to_train:
            policy = policies[policy_id]
            assert isinstance(policy, BestArm)
            policy.arm = min(2, policy.arm + 1)
        self.tbx_write_scalar("custom", float(env.current_step), 10 * self.run.iteration)


class Recorder(ph.Hooks):
    def __init__(self) -> None:
        super().__init__()
        self.rows: list[tuple[int, int, dict[str, float]]] = []
        self.ends: list[str] = []
        self.custom: list[tuple[int, int, float]] = []

    def on_metrics(self, event: ph.MetricsRecorded) -> None:
        values = {name: value for name, value in event.values.items() if not name.startswith("time/")}
        if event.values.keys() == {"custom"}:
            self.custom.append((event.iteration, event.env_steps, event.values["custom"]))
            return
        self.rows.append((event.iteration, event.env_steps, values))

    def on_train_end(self, event: ph.TrainEnd) -> None:
        self.ends.append(event.status)


POLICIES = {"a": ["A"], "b": ["B"]}
METRICS = {
    "arm": ph.metrics.SimpleAgentMetric("A", "action"),
    "never": ph.metrics.SimpleAgentMetric("A", "action", fsm_stages=["another stage"]),
}


def test_training_step_alone_makes_a_trainer() -> None:
    results = HillClimber().train(BanditEnv, 2, POLICIES, ["a"])
    assert results.policies["a"].state_dict() == {"arm": 2}
    assert results.policies["b"].state_dict() == {"arm": 0}
    assert results.policy_by_agent == {"A": "a", "B": "b"}


def test_all_logged_values_reach_every_logger_once_per_iteration() -> None:
    recorder = Recorder()
    ph.train(
        HillClimber, env=BanditEnv, policies=POLICIES, policies_to_train=["a"], num_iterations=2,
        metrics=METRICS, hooks=[recorder], run_dir=None,
    )  # fmt: skip
    assert recorder.rows == [
        (0, 4, {"arm": 0.0, "rewards/A": 0.0, "rewards/B": 0.0, "rewards/group": 0.0}),
        (1, 8, {"arm": 1.0, "rewards/A": 1.0, "rewards/B": 0.0, "rewards/group": 0.5}),
    ]
    assert recorder.custom == [(0, 0, 4.0), (10, 10, 4.0)]


def test_the_results_carry_the_history() -> None:
    results = HillClimber().train(BanditEnv, 3, POLICIES, ["a"], {"num_steps": 2}, METRICS)
    assert [(row["iteration"], row["env_steps"], row["rewards/A"]) for row in results.history] == [
        (0, 2, 0.0),
        (1, 4, 1.0),
        (2, 6, 2.0),
    ]


class OwnLoop(HillClimber):
    """Overrides `train` as a whole."""

    def train(
        self,
        env_class: Any,
        num_iterations: int,
        policies: Any,
        policies_to_train: Any,
        env_config: Any = None,
        metrics: Any = None,
    ) -> ph.TrainingResults:  # type: ignore[override]
        env = env_class(**(env_config or {}))
        mapping, built = self.setup_policy_specs_and_mapping(env, policies)
        self.metrics = metrics or {}
        for _ in self.iterations(num_iterations):
            self.training_step(env, mapping, built, policies_to_train)
        return ph.TrainingResults(policies=built, policy_by_agent=mapping)


def test_a_train_of_ones_own_gets_hooks_logs_and_a_run_directory(tmp_path: Path) -> None:
    recorder = Recorder()
    results = ph.train(
        OwnLoop, env=BanditEnv, policies=POLICIES, policies_to_train=["b"], num_iterations=2,
        hooks=[recorder], run_dir=tmp_path,
    )  # fmt: skip
    assert [row[2]["rewards/B"] for row in recorder.rows] == [0.0, 1.0]
    assert results.iterations == 2
    assert recorder.ends == ["completed"]
    assert results.run_directory is not None
    assert ph.load_policies(results.run_directory, {"a": BestArm, "b": BestArm})["b"].compute_action(0) == 2


def test_a_train_of_ones_own_works_without_ph_train_too() -> None:
    assert OwnLoop().train(BanditEnv, 2, POLICIES, ["b"]).policies["b"].state_dict() == {"arm": 2}


class VectorLogger(HillClimber):
    def training_step(self, env: Any, *args: Any) -> None:
        envs = [BanditEnv(), BanditEnv()]
        for number, one in enumerate(envs):
            one.reset(seed=number)
        results = [one.step({"A": 2 * number, "B": 1}) for number, one in enumerate(envs)]
        self.log_vec_metrics(envs)
        self.log_vec_rewards([result.rewards for result in results])


def test_vectors_of_metrics_and_rewards_are_averaged() -> None:
    results = VectorLogger().train(BanditEnv, 1, POLICIES, ["a"], metrics=METRICS)
    row = results.history[0]
    assert (row["arm"], row["rewards/A"], row["rewards/B"], row["rewards/group"]) == (1.0, 1.0, 1.0, 1.0)
    assert "never" not in row
    assert row["env_steps"] == 2


class Fussy(ph.metrics.Metric):
    """Has a value only where A took an action above 0; fails if it is to reduce anything else."""

    def extract(self, env: Any) -> Any:
        return env["A"].action or ph.metrics.not_recorded

    def reduce(self, values: Sequence[Any], mode: Any = None) -> Any:
        assert all(value > 0 for value in values)
        return values[-1]


@pytest.mark.parametrize("trainer_class", [HillClimber, VectorLogger])
def test_a_step_without_a_value_never_reaches_a_metric_of_ones_own(trainer_class: type[ph.Trainer]) -> None:
    trainer = trainer_class()
    results = trainer.train(BanditEnv, 3, POLICIES, ["a"], metrics={"fussy": Fussy()})
    assert [row.get("fussy") for row in results.history] == (
        [None, 1.0, 2.0] if trainer_class is HillClimber else [2.0, 2.0, 2.0]
    )


class Wordy(ph.metrics.Metric):
    """Is no number."""

    def extract(self, env: Any) -> str:
        return "words"


def test_metrics_of_several_envs_that_have_no_mean_are_contained() -> None:
    trainer = VectorLogger()
    results = ph.train(
        trainer,
        env=BanditEnv,
        policies=POLICIES,
        policies_to_train=["a"],
        num_iterations=1,
        metrics={"words": Wordy(), "arm": METRICS["arm"]},
        run_dir=None,
    )
    assert results.history[0]["arm"] == 1.0
    (failure,) = results.hook_failures
    assert failure.startswith("Plugin 'metrics.words' failed once in log_vec_metrics: ")


class SilentTrainer(HillClimber):
    def training_step(self, *args: Any) -> None:
        """Log nothing."""


def test_an_iteration_without_rewards_logs_none_instead_of_nan() -> None:
    (row,) = SilentTrainer().train(BanditEnv, 1, POLICIES, ["a"]).history
    assert not [name for name in row if name.startswith("rewards")]


def test_a_second_training_with_the_same_trainer_starts_afresh() -> None:
    trainer = HillClimber()
    first = trainer.train(BanditEnv, 2, POLICIES, ["a"], seed=1)
    second = trainer.train(BanditEnv, 2, POLICIES, ["a"], seed=1)
    assert [row["rewards/A"] for row in first.history] == [row["rewards/A"] for row in second.history]
    assert [row["iteration"] for row in second.history] == [0, 1]


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"num_iterations": "x"}, "The run got num_iterations='x'. Expected a positive integer."),
        ({"num_iterations": 0}, "The run got num_iterations=0. Expected a positive integer."),
        ({"num_iterations": 1.5}, "The run got num_iterations=1.5. Expected a positive integer."),
        ({"seed": -1}, "The run got seed=-1. Expected an integer from 0 to 2**63 - 1, or none."),
        ({"seed": "x"}, "The run got seed='x'. Expected an integer from 0 to 2**63 - 1, or none."),
        ({"metrics": 7}, "metrics is 7. Expected a dict by name."),
    ],
)
def test_wrong_arguments_of_train_are_sentences(given: dict[str, Any], sentence: str) -> None:
    arguments = {"num_iterations": 1, "policies": POLICIES, "policies_to_train": ["a"], **given}
    with pytest.raises(ph.errors.ConfigError) as caught:
        HillClimber().train(BanditEnv, **arguments)
    assert str(caught.value) == sentence


def test_tensorboard_log_dir_attaches_the_logger(tmp_path: Path) -> None:
    pytest.importorskip("phantom_tensorboard")
    HillClimber(tensorboard_log_dir=tmp_path / "board").train(BanditEnv, 1, POLICIES, ["a"])
    (events,) = (tmp_path / "board").rglob("events.out.*")
    assert events.stat().st_size > 0


class Unfinished(ph.Trainer):
    policy_class = BestArm


class WithoutPolicyClass(ph.Trainer):
    pass


class WithoutPlan(ph.Trainer):
    policy_class = BestArm

    def update(
        self, policy_id: str, policy: ph.Policy, batch: ph.Batch, rng: np.random.Generator
    ) -> Mapping[str, float]:
        return {}


def message_of(call: Any) -> str:
    with pytest.raises(ph.PhantomError) as caught:
        call()
    return str(caught.value)


def test_a_trainer_that_does_not_say_how_to_learn_is_refused() -> None:
    assert message_of(lambda: Unfinished().train(BanditEnv, 1, POLICIES, ["a"])) == (
        "Unfinished does not say how to learn. Override collect_plan() and update(), or training_step()."
    )


def test_a_trainer_without_policy_class_is_refused() -> None:
    assert message_of(WithoutPolicyClass) == (
        "WithoutPolicyClass has no policy_class. Set it in the class: policy_class = MyPolicy."
    )


def test_an_update_without_a_collect_plan_is_refused() -> None:
    assert message_of(lambda: WithoutPlan().train(BanditEnv, 1, POLICIES, ["a"])) == (
        "WithoutPlan overrides update() but not collect_plan(). Return ph.CollectPlan(episodes=10) from "
        "it, for instance."
    )


def test_a_policy_of_another_class_cannot_be_trained() -> None:
    policies = {"a": (ph.RandomPolicy, ["A"]), "b": ["B"]}
    assert message_of(lambda: HillClimber().train(BanditEnv, 1, policies, ["a"])) == (
        "Policy 'a' is a RandomPolicy, but HillClimber trains only BestArm. Take it out of "
        "policies_to_train, or leave its policy class out."
    )


def test_a_trainer_may_train_more_classes_of_policies_than_the_one_that_it_makes() -> None:
    class AnyClimber(HillClimber):
        trainable_class = ph.Policy

        def training_step(self, env: Any, policy_mapping: Any, policies: Any, policies_to_train: Any) -> None:
            trained.update({i: type(policies[i]) for i in policies_to_train})

    trained: dict[str, type] = {}
    AnyClimber().train(BanditEnv, 1, {"a": (ph.RandomPolicy, ["A"]), "b": ["B"]}, ["a", "b"])
    assert trained == {"a": ph.RandomPolicy, "b": BestArm}


def test_a_trainer_outside_of_a_run_says_so() -> None:
    assert message_of(lambda: HillClimber().log_scalar("x", 1.0)) == (
        "HillClimber is not in a run. Call train() first."
    )


FORMS: list[Any] = [
    BanditAgent,
    ["A", "B"],
    (BestArm, BanditAgent),
    (BestArm, BanditAgent, {}),
    (BestArm, ["A", "B"]),
    (BestArm, ["A", "B"], {}),
    ph.PolicySpec(agents=BanditAgent, train=True),
    ph.PolicySpec(agents=lambda agent: agent.id in "AB"),
]


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_policy_mapping_is_understood(form: Any) -> None:
    results = HillClimber().train(BanditEnv, 1, {"p": form}, ["p"])
    assert results.policy_by_agent == {"A": "p", "B": "p"}
    assert isinstance(results.policies["p"], BestArm)
