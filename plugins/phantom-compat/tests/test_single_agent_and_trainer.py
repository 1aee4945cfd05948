"""§1.12 and §1.15 of the predecessor: one agent as a Gymnasium env, and training."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

import phantom as ph
import phantom_core
from phantom.metrics import SimpleAgentMetric, SimpleEnvMetric
from phantom.trainer import TrainingResults

SPACE = gym.spaces.Discrete(9)


class Player(ph.StrategicAgent):
    """Observes the number of the step; its reward is its action."""

    observation_space = action_space = SPACE
    action = 0
    ends_at = -1

    def decode_action(self, ctx: ph.Context, action: Any) -> Any:
        self.action = int(action)

    def encode_observation(self, ctx: ph.Context) -> int:
        return ctx.env_view.current_step

    def compute_reward(self, ctx: ph.Context) -> float:
        return float(self.action)

    def is_terminated(self, ctx: ph.Context) -> bool:
        return ctx.env_view.current_step == self.ends_at


class Clerk(ph.Agent):
    pass


class Two(ph.PhantomEnv):
    def __init__(self, num_steps: int = 3) -> None:
        super().__init__(num_steps, ph.Network([Player("A"), Player("B"), Clerk("C")]))


class Turns(ph.StackelbergEnv):
    def __init__(self, num_steps: int = 5) -> None:
        super().__init__(num_steps, ph.Network([Player("A"), Player("B"), Clerk("C")]), ["A"], ["B"])


class Always(ph.Policy):
    def __init__(self, observation_space: Any, action_space: Any, action: int = 4) -> None:
        super().__init__(observation_space, action_space)
        self.action = action

    def compute_action(self, observation: Any) -> int:
        return self.action


def adapter(env_class: Any = Two, agent_id: str = "A", **config: Any) -> ph.SingleAgentEnvAdapter:
    other = "B" if agent_id == "A" else "A"
    return ph.SingleAgentEnvAdapter(env_class, agent_id, {other: (Always, {"action": 7})}, config)


# ---------------------------------------------------------------- one agent


@pytest.mark.parametrize(
    ("agent_id", "others", "message"),
    [
        ("X", {}, "no agent 'X'"),
        ("A", {"A": (Always, {}), "B": (Always, {})}, "'A' is the active agent"),
        ("A", {}, "'B' acts, but has no policy"),
        ("A", {"B": (Always, {}), "X": (Always, {})}, "no agent 'X'"),
    ],
)
def test_every_agent_that_acts_needs_one_policy(agent_id: str, others: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ph.SingleAgentEnvAdapter(Two, agent_id, others)


def test_one_agent_is_played_and_the_others_by_policies() -> None:
    env = adapter(num_steps=2)
    assert (env.active_agent, env.agent_ids, env.n_agents) == ("A", ["A", "B", "C"], 3)
    assert (env.observation_space, env.action_space) == (SPACE, SPACE)
    assert env.agents == env._env.agents
    assert env.reset() == (0, {})
    assert env.step(5) == (1, 5.0, False, False, {})
    assert (env._actions, env._observations, env.current_step) == ({"A": 5, "B": 7}, {"A": 1, "B": 1}, 1)
    assert env.agents["B"].action == 7
    assert env.step(6) == (2, 6.0, False, True, {})  # the time limit
    assert env.reset(seed=3, options={}) == (0, {})


def test_turn_based_envs_are_played_until_the_agent_observes_again() -> None:
    env = adapter(Turns)
    env.reset()
    assert env.step(5) == (2, 5.0, False, False, {})
    assert env.agents["B"].action == 7
    assert env.current_step == 2
    assert env.step(6)[:4] == (4, 6.0, False, False)
    observation, _, terminated, truncated, _ = env.step(2)
    assert (observation, terminated, truncated) == (4, False, True)  # it sees no more: the last observation


def test_a_follower_starts_when_it_observes() -> None:
    env = adapter(Turns, "B")
    assert env.reset()[0] == 1
    assert env.agents["A"].action == 7
    assert env.step(3)[0] == 3


def test_others_that_ended_do_not_act_any_more() -> None:
    env = adapter(num_steps=4)
    env.reset()
    env.agents["B"].ends_at = 1
    env.step(1)
    env.step(1)
    assert env._actions == {"A": 1}
    env.agents["A"].ends_at = 3
    assert env.step(1)[2:4] == (True, False)


def test_gymnasiums_own_checker_finds_nothing() -> None:
    check_env(adapter(num_steps=8), skip_render_check=True)


# ---------------------------------------------------------------- training


class TallyTrainer(ph.Trainer):
    """Plays one episode per iteration; its policies learn to choose one more each time."""

    policy_class = Always

    def training_step(self, env: Any, policy_mapping: Any, policies: Any, policies_to_train: Any) -> None:
        observations, _ = env.reset()
        while True:
            actions = {i: policies[policy_mapping[i]].compute_action(obs) for i, obs in observations.items()}
            step = env.step(actions)
            self.log_metrics(env)
            self.log_rewards(step.rewards)
            observations = step.observations
            if step.terminations["__all__"] or step.truncations["__all__"]:
                break
        for policy_id in policies_to_train:
            policies[policy_id].action += 1


class Other(Always):
    """Another class of policies."""


class OtherPlayer(Player):
    pass


def train(
    trainer: Any = None, policies: Any = None, to_train: Any = ("a",), **options: Any
) -> TrainingResults:
    return (trainer or TallyTrainer()).train(  # type: ignore[no-any-return]  # a trainer
        env_class=options.pop("env_class", Two),
        num_iterations=3,
        policies={"a": ["A"], "b": (Other, ["B"], {"action": 2})} if policies is None else policies,
        policies_to_train=list(to_train),
        **options,
    )


def test_training_returns_every_policy() -> None:
    results = train(metrics={"action": SimpleAgentMetric("A", "action", "last")}, env_config={"num_steps": 2})
    assert isinstance(results, TrainingResults)
    assert {policy_id: type(policy) for policy_id, policy in results.policies.items()} == {
        "a": Always,
        "b": Other,
    }
    assert (results.policies["a"].action, results.policies["b"].action) == (7, 2)


@pytest.mark.parametrize("env_class", [Two, Turns])
def test_event_files_hold_rewards_and_metrics(env_class: Any, tmp_path: Path) -> None:
    reader = pytest.importorskip("phantom_tensorboard")
    assert reader
    trainer = TallyTrainer(str(tmp_path))
    metrics = {
        "step": SimpleEnvMetric("current_step", "mean"),
        "none": SimpleEnvMetric("n_agents", fsm_stages=[]),
    }
    train(trainer, metrics=metrics, env_class=env_class)
    [folder] = tmp_path.iterdir()
    assert trainer.tensorboard_log_dir == folder
    found = scalars_in(tmp_path)
    assert {name for name, _, _ in found} == {"step", "none", "rewards/A", "rewards/B", "rewards/group"}
    assert [step for name, step, _ in found if name == "step"] == [0, 1, 2]


def scalars_in(folder: Path) -> list[tuple[str, int, float]]:
    """Return (name, step, value) of every scalar in event files, without times."""
    event_class = importlib.import_module("tensorboardX.proto.event_pb2").Event
    found = []
    for file in sorted(folder.rglob("events.out.*")):
        data = file.read_bytes()
        while data:
            length = int.from_bytes(data[:8], "little")
            event = event_class.FromString(data[12 : 12 + length])
            data = data[16 + length :]
            found += [(value.tag, event.step, value.simple_value) for value in event.summary.value]
    return [row for row in found if not row[0].startswith(("time/", "_hparams_/"))]


def write_scalars(trainer: ph.Trainer) -> None:
    """Write as programs did."""
    for step in (0, 1, 2, 1):
        trainer.tbx_write_scalar("loss", float(step), step)
        trainer.tbx_writer.add_scalar("norm", 10.0 * step, step)
    trainer.tbx_writer.add_scalar(tag="keyword", scalar_value=0.5, global_step=7)
    trainer.tbx_writer.add_scalar("stepless", 0.5)


WRITTEN = [
    *(row for step in (0, 1, 2, 1) for row in (("loss", step, float(step)), ("norm", step, 10.0 * step))),
    ("keyword", 7, 0.5),
    ("stepless", 0, 0.5),
]


def test_scalars_are_written_at_their_own_steps_outside_of_a_training(tmp_path: Path) -> None:
    pytest.importorskip("phantom_tensorboard")
    trainer = TallyTrainer(str(tmp_path))
    write_scalars(trainer)
    trainer.log_rewards({"A": 1.0, "B": None})
    trainer.log_vec_rewards([{"A": 2.0}, {"A": None}])
    trainer.tbx_write_values(3)
    assert scalars_in(tmp_path) == [*WRITTEN, ("rewards/A", 3, 1.5), ("rewards/group", 3, 1.5)]
    assert not hasattr(TallyTrainer(), "tbx_writer")
    TallyTrainer().tbx_write_scalar("loss", 1.0, 0)  # does nothing


def test_scalars_are_written_at_their_own_steps_in_a_training(tmp_path: Path) -> None:
    pytest.importorskip("phantom_tensorboard")

    class Writing(TallyTrainer):
        def training_step(self, *args: Any) -> None:
            super().training_step(*args)
            write_scalars(self)

    train(Writing(tmp_path))
    found = scalars_in(tmp_path)
    assert [row for row in found if not row[0].startswith("rewards/")] == 3 * WRITTEN
    assert [step for name, step, _ in found if name == "rewards/A"] == [0, 1, 2]


def test_the_trainers_of_programs_work_with_train_of_phantom_core() -> None:
    results = phantom_core.train(
        TallyTrainer,
        env=Two,
        policies={"a": ["A"], "b": ["B"]},
        policies_to_train=["a"],
        num_iterations=2,
        run_dir=None,
    )
    assert isinstance(results, TrainingResults)
    assert [results.policies[i].action for i in "ab"] == [6, 4]
    assert results.iterations == 2


def test_a_trainer_starts_with_empty_logs() -> None:
    trainer = TallyTrainer()
    assert (trainer.tensorboard_log_dir, trainer.metrics) == (None, {})
    assert (trainer.logged_metrics["x"], trainer.logged_rewards["x"]) == ([], [])
    with pytest.raises(NotImplementedError):
        ph.Trainer.training_step(trainer, None, {}, {}, [])


def test_a_trainer_needs_a_policy_class() -> None:
    class Nameless(ph.Trainer):
        pass

    with pytest.raises(ValueError, match="Nameless has no policy_class"):
        Nameless()


@pytest.mark.parametrize(
    ("policies", "ids"),
    [
        ({"a": Player}, {"A": "a", "B": "a"}),
        ({"a": ["A", "B"]}, {"A": "a", "B": "a"}),
        ({"a": ["A"], "b": (Other, ["B"])}, {"A": "a", "B": "b"}),
        ({"a": (Always, Player)}, {"A": "a", "B": "a"}),
        ({"a": (Always, Player, {"action": 3})}, {"A": "a", "B": "a"}),
        ({"a": ["A"], "b": (Other, ["B"], {"action": 3})}, {"A": "a", "B": "b"}),
    ],
)
def test_the_six_forms_of_policies(policies: Any, ids: Mapping[str, str]) -> None:
    class Noting(TallyTrainer):
        def training_step(self, env: Any, policy_mapping: Any, policies: Any, policies_to_train: Any) -> None:
            assert dict(policy_mapping) == ids
            assert set(policies) == set(ids.values())

    train(Noting(), policies)


@pytest.mark.parametrize(
    ("policies", "to_train", "error", "message"),
    [
        (None, [], ValueError, "policies_to_train is empty"),
        (None, ["x"], ValueError, "'x'"),
        ({"a": ["A"]}, ["a"], ValueError, "no policy for 'B'"),
        ({"a": ["A", "X"], "b": ["B"]}, ["a"], ValueError, "'X'"),
        ({"a": []}, ["a"], ValueError, "a"),
        ({"a": OtherPlayer, "b": Player}, ["b"], ValueError, "OtherPlayer"),
        ({"a": ["A", "B"], "b": ["B"]}, ["a"], ValueError, "two policies"),
        ({"a": (Always, 3), "b": ["B"]}, ["a"], ValueError, "3"),
        ({"a": 3}, ["a"], TypeError, "Policy 'a' is 3"),
        ({"a": ["A"], "b": (Other, ["B"])}, ["b"], None, ""),
    ],
)
def test_mistakes_in_policies_are_named(policies: Any, to_train: Any, error: Any, message: str) -> None:
    if error is None:  # a policy of a derived class can be trained
        train(policies=policies, to_train=to_train)
        return
    with pytest.raises(error, match=message):
        train(policies=policies, to_train=to_train)


def test_a_policy_of_another_class_cannot_be_trained() -> None:
    class Stranger(ph.Policy):
        def compute_action(self, observation: Any) -> int:
            return 0

    with pytest.raises(ValueError, match="Stranger"):
        train(policies={"a": ["A"], "b": (Stranger, ["B"])}, to_train=["b"])


def test_ranges_in_the_env_config_are_refused() -> None:
    with pytest.raises(Exception, match="range"):
        train(env_config={"num_steps": ph.utils.ranges.LinspaceRange(1, 2, 2)})


def test_a_trainer_may_override_train_and_return_more() -> None:
    """As programs did: with `setup_policy_specs_and_mapping` and `tbx_write_values`."""

    @dataclass(frozen=True)
    class More(TrainingResults):
        best: float = 0.0

    class Own(TallyTrainer):
        def train(  # type: ignore[override]
            self,
            env_class: Any,
            num_iterations: int,
            policies: Any,
            policies_to_train: Any,
            env_config: Any = None,
            metrics: Any = None,
        ) -> More:
            self.metrics = metrics or {}
            env = env_class(**(env_config or {}))
            env.reset()
            mapping, made = self.setup_policy_specs_and_mapping(env, policies)
            for i in range(num_iterations):
                self.training_step(env, mapping, made, policies_to_train)
                assert np.mean(self.logged_metrics["step"]) == 2
                assert self.logged_rewards["A"] == [4.0 + i] * 3
                self.tbx_write_values(i)
                self.tbx_write_scalar("own", 3.0, i)
                assert not self.logged_metrics
                assert not self.logged_rewards
            return More(made, best=1.0)

    results = train(Own(), metrics={"step": SimpleEnvMetric("current_step")})
    assert isinstance(results, More)
    assert (results.best, results.policies["a"].action) == (1.0, 7)


def test_metrics_of_several_envs_are_averaged() -> None:
    class Vec(TallyTrainer):
        def training_step(self, env: Any, policy_mapping: Any, policies: Any, policies_to_train: Any) -> None:
            envs = [Two(), Two()]
            steps = [env.step({"A": n}) for n, env in enumerate(envs)]
            self.log_vec_metrics(envs)
            self.log_vec_rewards([step.rewards for step in steps])
            assert self.logged_metrics == {"action": [0.5]}
            assert self.logged_rewards == {"A": [0.0, 1.0], "B": [0.0, 0.0]}

    train(Vec(), metrics={"action": SimpleAgentMetric("A", "action")})
