"""Checkpoints: when they are written, which are kept, and that training goes on from them."""

from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

import phantom_core as ph
from phantom_core.hooks.dispatch import Dispatcher
from phantom_core.training import checkpointer
from phantom_core.training.cadence import Cadence
from phantom_core.training.checkpoint import load_checkpoint, save_checkpoint
from phantom_core.training.components import Components
from phantom_core.training.full_training import FullTraining
from phantom_core.training.run_loop import RunLoop
from phantom_core.training.run_state import RunFacts, RunState
from phantom_qlearning import QLearningTrainer, QTablePolicy


class LeverAgent(ph.StrategicAgent):
    """Is paid 1 for pulling the lever that it sees."""

    observation_space = action_space = gym.spaces.Discrete(3)

    def reset(self) -> None:
        self.lever, self.reward = self.random.randrange(3), 0.0

    def decode_action(self, ctx: ph.Context, action: int) -> None:
        self.reward = float(action == self.lever)
        self.lever = self.random.randrange(3)

    def encode_observation(self, ctx: ph.Context) -> int:
        return self.lever

    def compute_reward(self, ctx: ph.Context) -> float:
        return self.reward


class LeverEnv(ph.PhantomEnv):
    def __init__(self) -> None:
        super().__init__(num_steps=7, network=ph.Network([LeverAgent("A"), LeverAgent("B")]))


class SoftmaxPolicy(ph.Policy):
    """Softmax over a matrix of weights."""

    def __init__(self, observation_space: gym.Space[Any], action_space: gym.Space[Any]) -> None:
        super().__init__(observation_space, action_space)
        self.weights = np.zeros((3, 3))

    def seed(self, rng: np.random.Generator) -> None:
        self.weights = rng.normal(size=(3, 3))

    def compute_action(self, observation: int) -> int:
        return int(self.weights[observation].argmax())

    def sample_actions(self, observations: Any, rng: ph.RowStreams) -> tuple[Any, dict[str, Any]]:
        odds = np.exp(self.weights[observations])
        odds /= odds.sum(axis=1, keepdims=True)
        return (odds.cumsum(axis=1) < np.array(rng.uniform())[:, None]).sum(axis=1), {"odds": odds}

    def state_dict(self) -> dict[str, Any]:
        return {"weights": self.weights.copy()}

    def load_state_dict(self, state: Any) -> None:
        self.weights = state["weights"].copy()


class MomentumTrainer(ph.Trainer):
    """REINFORCE with momentum, a baseline and noise: every kind of state a trainer may have."""

    policy_class = SoftmaxPolicy

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.momentum, self.baseline = np.zeros((3, 3)), 0.0

    def collect_plan(self) -> ph.CollectPlan:
        return ph.CollectPlan(steps=20, copies=2)

    def update(
        self, policy_id: str, policy: ph.Policy, batch: ph.Batch, rng: np.random.Generator
    ) -> dict[str, float]:
        assert isinstance(policy, SoftmaxPolicy)
        gradient = rng.normal(scale=1e-3, size=(3, 3))
        for observation, action, reward, odds in zip(
            batch.transitions.observations,
            batch.transitions.actions,
            batch.transitions.rewards,
            batch.transitions.extras["odds"],
            strict=True,
        ):
            gradient[observation] += (reward - self.baseline) * (np.eye(3)[action] - odds)
            self.baseline += 0.01 * (reward - self.baseline)
        self.momentum = 0.9 * self.momentum + gradient
        policy.weights += 0.05 * (1.0 - self.progress) * self.momentum
        return {}

    def state_dict(self) -> dict[str, Any]:
        return {"momentum": self.momentum.copy(), "baseline": self.baseline}

    def load_state_dict(self, state: Any) -> None:
        self.momentum, self.baseline = state["momentum"].copy(), state["baseline"]


def training_of(trainer: ph.Trainer, policy: ph.Policy) -> tuple[RunLoop, FullTraining]:
    components = Components()
    facts = RunFacts(name="test", seed=3, trainer_name="test", load_policy_class=components.policy_class)
    policy.seed(np.random.default_rng(1))
    state = RunState(
        num_iterations=6,
        policies={"p": policy},
        policy_by_agent={"A": "p", "B": "p"},
        policies_to_train=("p",),
    )
    loop = RunLoop(facts, state, Dispatcher(components.manager))
    trainer.enter(loop)
    cadences = Cadence.of_run(trainer, {"p": trainer}, loop, LeverEnv())
    envs = [LeverEnv() for _ in range(cadences[0].plan.copies or 1)]
    return loop, FullTraining(loop, envs, cadences, metrics={})


def iterate(loop: RunLoop, training: FullTraining, number: int) -> None:
    limit = loop.state.iterations + number
    for iteration in loop.each_iteration(None):
        training.iterate(iteration)
        if loop.state.iterations + 1 == limit:
            loop.state.stop_reasons.append("enough")
    loop.state.stop_reasons.clear()


SPACES = LeverAgent.observation_space, LeverAgent.action_space


@pytest.mark.parametrize(
    ("trainer_class", "policy_class"), [(QLearningTrainer, QTablePolicy), (MomentumTrainer, SoftmaxPolicy)]
)
def test_training_goes_on_bit_by_bit_from_a_state_that_was_saved_and_loaded(
    tmp_path: Path, trainer_class: type[ph.Trainer], policy_class: type[ph.Policy]
) -> None:
    whole, whole_training = training_of(trainer_class(), policy_class(*SPACES))
    iterate(whole, whole_training, 6)

    first, first_training = training_of(trainer_class(), policy_class(*SPACES))
    iterate(first, first_training, 3)
    state = {"policy": first.state.policies["p"].state_dict(), "training": first_training.state_dict()}
    save_checkpoint(tmp_path / "state", state)

    second, second_training = training_of(trainer_class(), policy_class(*SPACES))
    loaded = load_checkpoint(tmp_path / "state")
    second.state.iterations = 3
    second.state.policies["p"].load_state_dict(loaded["policy"])
    second_training.load_state_dict(loaded["training"])
    iterate(second, second_training, 3)

    ends = [loop.state.policies["p"].state_dict() for loop in (whole, second)]
    assert all(np.array_equal(ends[0][name], ends[1][name]) for name in ends[0])
    kept = [
        {name: value for name, value in row.items() if not name.startswith("time/")}
        for row in second.state.history
    ]
    assert kept == [
        {name: value for name, value in row.items() if not name.startswith("time/")}
        for row in whole.state.history[3:]
    ]


def train(tmp_path: Path, **options: Any) -> ph.TrainingResults:
    usual: dict[str, Any] = {"num_iterations": 6, "seed": 1, "run_dir": tmp_path}
    return ph.train(QLearningTrainer(episodes_per_iteration=2), env=LeverEnv, **(usual | options))


def names_of(results: ph.TrainingResults) -> list[str]:
    assert results.run_directory is not None
    return sorted(path.name for path in (results.run_directory / "checkpoints").iterdir())


def test_checkpoints_are_written_every_so_many_iterations_and_the_newest_are_kept(tmp_path: Path) -> None:
    results = train(tmp_path, checkpoint=ph.CheckpointPlan(every=1, keep_last=2))
    assert names_of(results) == ["iteration-000005", "iteration-000006"]


def test_plugins_learn_of_each_checkpoint_and_of_the_final_policies(tmp_path: Path) -> None:
    class Seen(ph.Hooks):
        def __init__(self) -> None:
            self.paths: list[tuple[int, str]] = []

        def on_checkpoint(self, event: ph.CheckpointSaved) -> None:
            assert event.path.is_dir()
            self.paths.append((event.iteration, event.path.name))

    seen = Seen()
    train(tmp_path, checkpoint=ph.CheckpointPlan(every=3), hooks=[seen])
    assert seen.paths == [(2, "iteration-000003"), (5, "iteration-000006"), (5, "policies")]


def test_the_policies_of_a_checkpoint_can_be_loaded(tmp_path: Path) -> None:
    results = train(tmp_path, checkpoint=ph.CheckpointPlan(every=6))
    assert results.run_directory is not None
    final = ph.load_policies(results.run_directory)["default"].state_dict()
    saved = ph.load_policies(results.run_directory / "checkpoints" / "iteration-000006")[
        "default"
    ].state_dict()
    assert np.array_equal(saved["table"], final["table"])


class GradedTrainer(ph.Trainer):
    """Makes its policy as good as a list says."""

    policy_class = QTablePolicy
    grades = (0.0, 1.0, 0.0, 1.0, 0.0, 0.0)

    def collect_plan(self) -> ph.CollectPlan:
        return ph.CollectPlan(episodes=1)

    def begin_round(self, policy_id: str, policy: ph.Policy) -> None:
        assert isinstance(policy, QTablePolicy)
        is_good = self.grades[self.run.iteration]
        policy.table = [[is_good * (row == column) for column in range(3)] for row in range(3)]

    def update(
        self, policy_id: str, policy: ph.Policy, batch: ph.Batch, rng: np.random.Generator
    ) -> dict[str, float]:
        return {}


@pytest.mark.parametrize("evaluation", [None, ph.EvaluationPlan(episodes=3, every=1)])
def test_the_best_are_kept_beside_the_newest(tmp_path: Path, evaluation: ph.EvaluationPlan | None) -> None:
    results = ph.train(
        GradedTrainer,
        env=LeverEnv,
        num_iterations=6,
        seed=1,
        run_dir=tmp_path,
        evaluation=evaluation,
        checkpoint=ph.CheckpointPlan(every=1, keep_last=1, keep_best=2),
    )
    assert names_of(results) == ["iteration-000002", "iteration-000004", "iteration-000006"]
    assert results.run_directory is not None
    assert load_checkpoint(results.run_directory / "checkpoints" / "iteration-000004")["score"] == 7.0


def test_checkpoints_do_not_change_training(tmp_path: Path) -> None:
    tables = [
        train(tmp_path, **options).policies["default"].state_dict()["table"]
        for options in ({}, {"checkpoint": ph.CheckpointPlan(every=1)})
    ]
    assert np.array_equal(tables[0], tables[1])


def test_checkpoints_without_a_run_directory_are_refused() -> None:
    with pytest.raises(ph.errors.ConfigError) as caught:
        ph.train(
            "q-learning",
            env=LeverEnv,
            num_iterations=1,
            run_dir=None,
            checkpoint=ph.CheckpointPlan(every=1),
        )
    assert str(caught.value) == (
        "The run is to write checkpoints, but run_dir is None: there is no place for them. Give a folder, or "
        "leave checkpoint out."
    )


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"every": 0}, "checkpoint.every = 0. Expected an integer that is at least 1."),
        ({"every": 1, "keep_last": 0}, "checkpoint.keep_last = 0. Expected an integer that is at least 1."),
        ({"every": 1, "keep_best": -1}, "checkpoint.keep_best = -1. Expected an integer that is at least 0."),
    ],
)
def test_numbers_that_make_no_sense_are_refused(settings: dict[str, int], message: str) -> None:
    with pytest.raises(ph.errors.ConfigError) as caught:
        ph.CheckpointPlan(**settings)
    assert str(caught.value) == message


def test_a_state_that_cannot_be_saved_is_refused_before_the_first_iteration(tmp_path: Path) -> None:
    class Secretive(QLearningTrainer):
        def state_dict(self) -> dict[str, Any]:
            return {"optimizer": object}

        def update(self, *_: Any) -> dict[str, float]:
            raise AssertionError

    with pytest.raises(ph.errors.CheckpointError, match=r"^state\.training\.trainers\.default\.optimizer is"):
        ph.train(
            Secretive,
            env=LeverEnv,
            num_iterations=1,
            run_dir=tmp_path,
            checkpoint=ph.CheckpointPlan(every=1),
        )


class EndlessLeverEnv(ph.PhantomEnv):
    def __init__(self) -> None:
        super().__init__(None, ph.Network([LeverAgent("A")]))


def test_of_an_episode_that_is_too_long_the_weights_are_saved_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("phantom_core.rollouts.env_copy.MAX_HISTORY", 50)
    results = ph.train(
        "q-learning",
        env=EndlessLeverEnv,
        trainer_config={"steps_per_iteration": 20},
        num_iterations=5,
        checkpoint=ph.CheckpointPlan(every=1, keep_last=9),
        seed=1,
        run_dir=tmp_path,
    )
    assert results.problems == ()
    assert results.run_directory is not None
    saved = sorted((results.run_directory / "checkpoints").iterdir())
    assert [path.name for path in saved] == [f"iteration-{number:06}" for number in range(1, 6)]
    newest = ph.load_policies(saved[-1])["default"].state_dict()["table"]
    assert np.array_equal(newest, results.policies["default"].state_dict()["table"])
    (message,) = caplog.messages
    assert message == (
        "Checkpoints have policies and trainers from now on, but no episodes: those begin anew when a run "
        "goes on. Episode 0 of copy 0 of EndlessLeverEnv has gone on for 60 steps, and only the actions of "
        "50 are kept to play it again. Give the env a time limit, save after an episode ended, or "
        "let the env save its episodes (saves_episodes)."
    )


class FakeClock:
    """Shows a time that goes on by a second whenever it is looked at."""

    def __init__(self, seconds: float) -> None:
        self.now, self.seconds = 0.0, seconds

    def monotonic(self) -> float:
        self.now += self.seconds
        return self.now


@pytest.mark.parametrize(
    ("seconds", "most", "expected"),
    [
        (0.1, 0.1, []),  # a short run
        (2.0, 0.1, [30, 40, 50, 60, 70, 80, 90, 100]),  # after 60 seconds, then every tenth
        (2.0, 0.04, [30, 48, 71, 94]),  # each costs 2 seconds: it comes when all have cost at most 4 %
        (2.0, 0.0, [30]),  # nobody knows before the first what one costs
    ],
)
def test_a_long_run_without_a_plan_is_saved_from_time_to_time(
    seconds: float, most: float, expected: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[int] = []

    class Noted(ph.Hooks):
        def on_checkpoint(self, event: ph.CheckpointSaved) -> None:
            written.append(event.iteration + 1)

    monkeypatch.setattr(checkpointer, "time", FakeClock(seconds))
    monkeypatch.setattr(checkpointer, "MOST_TIME", most)
    results = train(tmp_path, num_iterations=100, hooks=[Noted()])
    assert results.run_directory is not None
    saved = [path.name for path in (results.run_directory / "checkpoints").glob("*")]
    assert written[:-1] == expected  # the last are the final policies
    assert saved == ["iteration-000100"]  # the last one is written at the end, to be resumed from
