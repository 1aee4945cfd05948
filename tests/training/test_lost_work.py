"""What a run says before it wastes its user's time: state that is not saved, tables that nobody reads."""

import signal
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gymnasium as gym
import pytest

import phantom_core as ph
from phantom_core.rollouts import collect


class CoinAgent(ph.StrategicAgent):
    """Is paid its action."""

    observation_space = gym.spaces.Discrete(1)
    action_space = gym.spaces.Discrete(2)
    action = 0

    def decode_action(self, ctx: ph.Context, action: int) -> None:
        self.action = action

    def encode_observation(self, ctx: ph.Context) -> int:
        return 0

    def compute_reward(self, ctx: ph.Context) -> float:
        return float(self.action)


class CoinEnv(ph.PhantomEnv):
    def __init__(self, num_steps: int | None = 2) -> None:
        super().__init__(num_steps, ph.Network([CoinAgent("A")]))


class NotedPolicy(ph.Policy):
    """Has nowhere to keep what it learns."""

    def compute_action(self, observation: Any) -> int:
        return 0


class SavedPolicy(NotedPolicy):
    def state_dict(self) -> dict[str, Any]:
        return {}


class NotingTrainer(ph.Trainer):
    policy_class = NotedPolicy

    def collect_plan(self) -> ph.CollectPlan:
        return ph.CollectPlan(episodes=1)

    def update(self, policy_id: Any, policy: Any, batch: Any, rng: Any) -> Mapping[str, float]:
        return {}


class SavingTrainer(NotingTrainer):
    policy_class = SavedPolicy


def train(trainer: type[ph.Trainer] = SavingTrainer, **options: Any) -> ph.TrainingResults:
    return ph.train(trainer, **{"env": CoinEnv, "num_iterations": 1, "run_dir": None, "seed": 1, **options})


def test_a_trained_policy_without_a_state_is_told_before_it_learns(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    train(NotingTrainer, run_dir=tmp_path)
    assert caplog.messages == [
        (
            "Policy 'default' (NotedPolicy) is trained, but NotedPolicy has no state_dict() of its own: what "
            "it learns is not in the run directory, and phantom evaluate plays it untrained. Override "
            "state_dict() and load_state_dict()."
        )
    ]


def test_nothing_is_said_about_states_that_are_saved_or_need_not_be(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    train(NotingTrainer)  # it writes nothing at all
    train(SavingTrainer, run_dir=tmp_path)
    assert caplog.messages == []


def test_settings_of_a_logger_that_is_not_selected_are_told(caplog: pytest.LogCaptureFixture) -> None:
    settings = {"quantity": "rewards/group", "threshold": 0.0}
    results = train(hook_config={"early-stopping": settings}, logger_config={"jsonl": {}})
    assert results.status == "completed"
    assert caplog.messages == [
        (
            "The settings of the hook 'early-stopping' (hook.early-stopping) are not used: the run does not "
            "select it. Add it to hooks, or leave its settings out."
        )
    ]


def test_results_are_printed_without_their_history() -> None:
    results = train(evaluation=ph.EvaluationPlan(episodes=2))
    assert repr(results) == (
        "TrainingResults(iterations=1, env_steps=2, status='completed', stop_reasons=(), hook_failures=(), "
        "problems=(), run_directory=None)"
    )
    assert repr(results.evaluation) == "Evaluation(agent_ids=['A'])"


class EndlessEnv(CoinEnv):
    """Never ends; asks twice to be stopped at step 50."""

    def __init__(self) -> None:
        super().__init__(num_steps=None)

    def step(self, actions: Any) -> ph.StepResult:
        if self.current_step in {49, 50}:
            signal.raise_signal(signal.SIGTERM)
        return super().step(actions)


def test_an_episode_without_an_end_is_told_and_the_second_signal_breaks_it_off(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    assert threading.current_thread() is threading.main_thread()
    monkeypatch.setattr(collect, "LONG_EPISODE", 20)
    with pytest.raises(KeyboardInterrupt):
        train(env=EndlessEnv)
    assert caplog.messages == [
        (
            "SavingTrainer waits for whole episodes, and EndlessEnv has no time limit: num_steps is None. "
            "If an episode may never end, give the env num_steps, or use a trainer, or settings of it, that "
            "collects steps."
        ),
        (
            "An episode of EndlessEnv has gone on for 20 steps without an end, and the collection waits for "
            "it. Give the env a time limit, such as num_steps, or count steps instead: max_steps in an "
            "evaluation, steps_per_iteration with q-learning, ph.CollectPlan(steps=...) in a trainer of "
            "your own. Press Ctrl-C twice to stop."
        ),
        (
            "SIGTERM: the run ends when this iteration is finished. In 5 seconds, or at a second one, it "
            "ends at once, and what it learned is lost: it has no run directory."
        ),
    ]


class StepsTrainer(SavingTrainer):
    def collect_plan(self) -> ph.CollectPlan:
        return ph.CollectPlan(steps=10, copies=2)


def test_a_run_ends_with_the_first_iteration_that_reaches_total_steps(
    caplog: pytest.LogCaptureFixture,
) -> None:
    results = train(StepsTrainer, num_iterations=None, total_steps=11)
    assert (results.iterations, results.env_steps, caplog.messages) == (2, 20, [])


def test_total_steps_below_one_iteration_are_told(caplog: pytest.LogCaptureFixture) -> None:
    results = train(StepsTrainer, num_iterations=None, total_steps=9)
    assert (results.iterations, results.env_steps) == (1, 10)
    assert caplog.messages == [
        (
            "total_steps=9 is less than one collection of StepsTrainer, which makes 10 env steps, and a run "
            "ends after a whole one: so many are made. Give a multiple of 10, or let it collect less."
        )
    ]
