"""The plugins of docs/examples/plugins that are written in PyTorch pass the conformance kit, and learn."""

import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import pytest

import phantom_core as ph
from phantom_testing import PolicyConformance, TrainerConformance

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("installed_plugins", "one_thread")]
torch = pytest.importorskip("torch", reason="run make check-integrations", exc_type=ImportError)


@pytest.fixture
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


class TestDQN(TrainerConformance):
    name = "torch-dqn"
    config: ClassVar = {
        "hidden": 16,
        "steps": 8,
        "rounds": 4,
        "warm_up": 16,  # over before the kit saves and loads, at the third update
        "gradient_steps": 4,
        "exploration": 0.5,
    }
    learning_iterations = 40


class TestRecurrentActorCritic(TrainerConformance):
    name = "recurrent-actor-critic"
    config: ClassVar = {"lr": 0.03, "hidden": 16}


class TestThePolicyOfDQN(PolicyConformance):
    name = "q-network"


class TestThePolicyWithAGRU(PolicyConformance):
    name = "gru"


class Balanced(ph.Hooks):
    """Stops a run with the first evaluation in which the pole hardly ever falls."""

    mean_return = 0.0

    def on_evaluation_end(self, event: ph.EvaluationEnd) -> None:
        self.mean_return = event.mean_return

    def should_stop(self, event: ph.IterationEnd) -> str | None:
        return "the pole is balanced" if self.mean_return >= 490 else None


@pytest.mark.timeout(900)
def test_dqn_learns_to_balance_a_pole(tmp_path: Path) -> None:
    results = ph.train(
        "torch-dqn",
        env=ph.GymnasiumEnv,
        env_config={"env": "CartPole-v1"},
        total_steps=50_000,
        evaluation=ph.EvaluationPlan(episodes=20, every=1),
        checkpoint=ph.CheckpointPlan(every=1, keep_last=1, keep_best=1),
        hooks=[Balanced()],
        seed=1,
        run_dir=tmp_path,
    )
    assert results.run_directory is not None
    best, *_ = sorted((results.run_directory / "checkpoints").iterdir())
    evaluation = ph.evaluate(
        ph.GymnasiumEnv("CartPole-v1"),
        ph.load_policies(best),
        results.policy_by_agent,
        num_episodes=100,
        seed=5,
    )
    assert evaluation.mean_return >= 475


@pytest.mark.timeout(300)
def test_a_recurrent_actor_critic_answers_in_step_ten_what_it_saw_in_the_first() -> None:
    results = ph.train(
        "recurrent-actor-critic",
        env=importlib.import_module("memory_game").MemoryEnv,
        num_iterations=150,
        evaluation=ph.EvaluationPlan(episodes=200),
        seed=1,
        run_dir=None,
    )
    assert results.evaluation is not None
    assert results.evaluation.mean_return >= 0.95
