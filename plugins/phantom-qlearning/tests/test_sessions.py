"""Many independent sessions at once: each is what it would be alone."""

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import gymnasium as gym
import numpy as np
import pytest

import phantom_core as ph
from phantom_qlearning import QLearningTrainer, QTablePolicy, SessionTablesPolicy

LEARNING = {
    "alpha": 0.3,
    "alpha_final": 0.3,
    "gamma": 0.9,
    "decay_rate": 0.01,
    "epsilon_final": 0.0,
    "steps_per_iteration": 40,
}


class Firm(ph.StrategicAgent):
    """Sees what both asked last, and earns by the difference and by chance."""

    observation_space: gym.Space[Any] = gym.spaces.MultiDiscrete([3, 3])
    action_space = gym.spaces.Discrete(3)
    price, other = 0, 0

    def reset(self) -> None:
        self.price, self.other = self.random.randrange(3), 0

    def decode_action(self, ctx: ph.Context, action: int) -> None:
        self.price = action

    def encode_observation(self, ctx: ph.Context) -> Any:
        return np.array([self.price, self.other])

    def compute_reward(self, ctx: ph.Context) -> float:
        return self.price * (self.other >= self.price) + self.random.random()


class MaskedFirm(Firm):
    """May not raise its price by two."""

    observation_space = gym.spaces.Dict(
        {"observation": gym.spaces.MultiDiscrete([3, 3]), "action_mask": gym.spaces.MultiBinary(3)}
    )

    def encode_observation(self, ctx: ph.Context) -> Any:
        mask = np.array([1, 1, self.price > 0], np.int8)
        return {"observation": super().encode_observation(ctx), "action_mask": mask}


class Market(ph.PhantomEnv):
    """Two firms; an episode ends after six steps, now and then by itself."""

    num_played: ClassVar[int] = 0

    def __init__(self, firm_class: Any = Firm, num_steps: int | None = 6, *, is_calm: bool = False) -> None:
        self.firms = [firm_class("A"), firm_class("B")]
        self.is_calm = is_calm
        super().__init__(num_steps, ph.Network(self.firms))

    def post_message_resolution(self) -> None:
        Market.num_played += 1
        one, other = self.firms
        one.other, other.other = other.price, one.price

    def is_terminated(self) -> bool:
        return not self.is_calm and self.firms[0].random.random() < 0.05


SEPARATE = {"a": ["A"], "b": ["B"]}


def learn(
    steps: int, *, seed: int = 3, policies: Any = None, env_config: Any = None, **options: Any
) -> ph.TrainingResults:
    config = {**LEARNING, **options.pop("config", {})}
    return ph.train(
        "q-learning",
        env=Market,
        env_config=env_config or {},
        policies=policies or SEPARATE,
        trainer_config=config,
        total_steps=steps * config.get("sessions", 1),
        seed=seed,
        run_dir=options.pop("run_dir", None),
        **options,
    )


def table(results: ph.TrainingResults, policy_id: str) -> Any:
    policy: Any = results.policies[policy_id]
    return np.array(policy.table)


@pytest.mark.parametrize("firm_class", [Firm, MaskedFirm])
@pytest.mark.parametrize("policies", [SEPARATE, {"a": ["A", "B"]}], ids=["a table each", "one table"])
@pytest.mark.parametrize("schedule", [{}, {"decay_rate": None, "decay_fraction": 0.8}])
def test_each_session_is_what_training_it_alone_is(
    firm_class: Any, policies: Any, schedule: Mapping[str, Any]
) -> None:
    options: dict[str, Any] = {"policies": policies, "env_config": {"firm_class": firm_class}}
    together = learn(120, config={**schedule, "sessions": 66}, **options)
    for session in (0, 65):
        alone = learn(120, seed=3 + session, config=schedule, **options)
        for policy_id in policies:
            assert np.array_equal(table(together, policy_id)[session], table(alone, policy_id))
            policy: Any = together.policies[policy_id]
            assert isinstance(policy, SessionTablesPolicy)
            one = policy.of_copy(session)
            assert isinstance(one, QTablePolicy)
            assert np.array_equal(one.table, table(alone, policy_id))


def test_means_and_quantiles_over_sessions_are_logged() -> None:
    row = learn(80, config={"sessions": 9}).history[-1]
    alone = [learn(80, seed=3 + session).history[-1] for session in range(9)]
    for name in ("a/td_error", "a/stable_steps"):
        values = [one[name] for one in alone]
        assert row[name] == pytest.approx(np.mean(values))
        for quantile in (5, 50, 95):
            assert row[f"{name}_q{quantile}"] == pytest.approx(np.percentile(values, quantile))
    assert row["stable_steps"] == min(one["stable_steps"] for one in alone)
    assert (row["a/epsilon"], row["a/alpha"]) == (alone[0]["a/epsilon"], alone[0]["a/alpha"])
    assert 0.0 < row["a/reward_q5"] <= row["a/reward_q50"] <= row["a/reward_q95"] < 3.0
    assert row["sessions_left"] == 9.0


class StopWhenStable(ph.Hooks):
    """Ends a run whose tables are stable."""

    def should_stop(self, event: ph.IterationEnd) -> str | None:
        return "stable" if event.values["stable_steps"] >= 60 else None


def test_a_session_ends_when_it_is_stable_and_the_run_when_all_are() -> None:
    options: dict[str, Any] = {"env_config": {"num_steps": None, "is_calm": True}}
    config = {"alpha": 0.05, "alpha_final": 0.05, "decay_rate": 0.05}
    Market.num_played = 0
    together = learn(100_000, config={**config, "sessions": 8, "sessions_end_after": 60}, **options)
    num_played = Market.num_played
    assert together.status == "stopped"
    assert together.stop_reasons == ("the greedy actions of every session are stable",)
    lengths, errors = [], []
    for session in range(8):
        alone = learn(100_000, seed=3 + session, config=config, hooks=[StopWhenStable()], **options)
        lengths.append(alone.env_steps)
        errors.append(alone.history[-1]["a/td_error"])
        for policy_id in SEPARATE:
            assert np.array_equal(table(together, policy_id)[session], table(alone, policy_id))
    assert len(set(lengths)) > 1
    assert num_played == sum(lengths)
    assert together.env_steps == 8 * max(lengths)
    assert together.history[-1]["a/td_error"] == pytest.approx(np.mean(errors))
    left = [row["sessions_left"] for row in together.history]
    assert left == sorted(left, reverse=True)
    assert (left[0], left[-1]) == (8.0, 0.0)


def test_a_run_that_goes_on_after_all_sessions_ended_changes_none_of_them(tmp_path: Path) -> None:
    config = {"alpha": 0.05, "alpha_final": 0.05, "decay_rate": 0.05, "sessions": 4, "sessions_end_after": 60}
    env_config = {"num_steps": None, "is_calm": True}
    checkpoint = ph.CheckpointPlan(every=5)
    ended = learn(100_000, config=config, env_config=env_config, run_dir=tmp_path, checkpoint=checkpoint)
    (run,) = tmp_path.iterdir()
    resumed = ph.resume(run, total_steps=800_000)
    assert resumed.stop_reasons == ended.stop_reasons
    for policy_id in SEPARATE:
        assert np.array_equal(table(resumed, policy_id), table(ended, policy_id))
    last, before = resumed.history[-1], ended.history[-1]
    assert last["a/stable_steps_q5"] == before["a/stable_steps_q5"]
    assert last["a/td_error"] == before["a/td_error"]


def test_a_copy_of_tables_is_a_copy() -> None:
    policy = SessionTablesPolicy(gym.spaces.Discrete(2), gym.spaces.Discrete(3), sessions=2)
    twin = copy.deepcopy(policy)
    rows, actions = twin.rows(np.array([0, 1]), np.array([1, 0])), np.array([2, 1])
    twin.move(rows, actions, np.ones(2), 1.0, None)
    assert twin.table[[0, 1], [1, 0], [2, 1]].tolist() == [1.0, 1.0]
    assert twin.greedy[[0, 1], [1, 0]].tolist() == [2, 1]
    assert twin.compute_actions([1, 0], np.array([0, 1])).tolist() == [2, 1]  # type: ignore[attr-defined]
    assert not policy.table.any()
    assert not policy.greedy.any()


class Cut(ph.Hooks):
    """Ends a run, as a second Ctrl-C would."""

    def on_iteration_start(self, event: ph.IterationStart) -> None:
        if event.iteration == 3:
            raise KeyboardInterrupt


def test_a_run_of_sessions_goes_on_as_if_it_had_not_been_cut(tmp_path: Path) -> None:
    config = {"sessions": 4, "sessions_end_after": 30}
    checkpoints = ph.CheckpointPlan(every=1)
    whole = learn(240, config=config, run_dir=tmp_path / "whole", checkpoint=checkpoints)
    with pytest.raises(KeyboardInterrupt):
        learn(240, config=config, run_dir=tmp_path / "cut", checkpoint=checkpoints, hooks=[Cut()])
    (run,) = (tmp_path / "cut").iterdir()
    resumed = ph.resume(run)
    for policy_id in SEPARATE:
        assert np.array_equal(table(resumed, policy_id), table(whole, policy_id))
    for one, other in zip(resumed.history, whole.history, strict=True):
        assert {n: v for n, v in one.items() if "time" not in n} == {
            n: v for n, v in other.items() if "time" not in n
        }


def test_an_evaluation_of_sessions_is_refused_before_the_first_step() -> None:
    with pytest.raises(ph.errors.ConfigError) as caught:
        learn(40, config={"sessions": 3}, evaluation=ph.EvaluationPlan(episodes=1))
    assert str(caught.value) == (
        "Policy 'a' plays each of 3 copies of the env as an experiment of its own, so the run cannot "
        "evaluate it. Leave evaluate out; afterwards phantom evaluate RUN --copy 0 plays what one copy "
        "learned, as ph.evaluate does with results.policies['a'].of_copy(0)."
    )


@pytest.mark.parametrize("number", [3, -1, "a"])
def test_a_session_that_there_is_not_is_named(number: Any) -> None:
    policy = SessionTablesPolicy(gym.spaces.Discrete(2), gym.spaces.Discrete(3), sessions=3)
    with pytest.raises(ph.errors.ConfigError) as caught:
        policy.of_copy(number)
    assert str(caught.value) == f"There is no session {number!r}. Expected a number from 0 to 2."


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"sessions": 0}, "sessions is 0. Expected a positive number"),
        ({"sessions_end_after": 5}, "sessions_end_after is given without sessions. Give sessions too"),
        (
            {"sessions": 2, "steps_per_iteration": None},
            "sessions are played by steps. Give steps_per_iteration, those of one session",
        ),
        ({"sessions": 2, "update": "iteration"}, "sessions learn after each env step. Leave update out"),
        ({"sessions": 2, "copies": 2}, "each session has a copy of its own. Leave copies out"),
    ],
)
def test_what_does_not_go_with_sessions_is_said(config: dict[str, Any], message: str) -> None:
    with pytest.raises(ph.errors.ConfigError) as caught:
        QLearningTrainer(**{**LEARNING, **config})
    assert message in str(caught.value)


def test_tables_that_are_too_many_are_refused() -> None:
    with pytest.raises(ph.errors.ConfigError) as caught:
        SessionTablesPolicy(gym.spaces.Discrete(1000), gym.spaces.Discrete(10), sessions=10_000)
    assert str(caught.value) == (
        "10,000 sessions with tables of 1,000 observations and 10 actions have 100,000,000 values, more than "
        "50,000,000. Play fewer sessions at once, in several runs with seeds that do not overlap."
    )


def test_saved_tables_of_other_sessions_are_refused() -> None:
    spaces = gym.spaces.Discrete(2), gym.spaces.Discrete(3)
    saved = SessionTablesPolicy(*spaces, sessions=4).state_dict()
    with pytest.raises(ph.errors.CheckpointError) as caught:
        SessionTablesPolicy(*spaces, sessions=5).load_state_dict(saved)
    assert str(caught.value) == (
        "The saved q-tables have shape (4, 2, 3), but this policy's have (5, 2, 3). Load them into a policy "
        "with the sessions and spaces that they were trained for."
    )
