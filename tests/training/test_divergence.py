"""A run whose learning is not finite any more ends as `diverged`, and keeps what was finite."""

import json
from collections.abc import Mapping
from itertools import chain, repeat
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

import phantom_core as ph
from phantom_core.training.checkpoint import what_is_not_finite

HUGE = 1e308


def paying_a_fortune(at: int) -> gym.Env[Any, Any]:
    """Return an env that pays 1 in each step but for one of its life and those after it."""
    rewards = chain(repeat(1.0, at - 1), repeat(HUGE))
    return gym.wrappers.TransformReward(gym.make("FrozenLake-v1"), lambda _: next(rewards))


class PoisonedTrainer(ph.Trainer):
    """Returns, or writes into its policy, something that is not finite in the fourth update."""

    policy_class: Any

    def __init__(self, value: float, where: str) -> None:
        super().__init__()
        self.value, self.where, self.updates = value, where, 0

    def collect_plan(self) -> ph.CollectPlan:
        return ph.CollectPlan(steps=5)

    def update(self, policy_id: Any, policy: Any, batch: Any, rng: Any) -> Mapping[str, float]:
        self.updates += 1
        is_poisoned = self.updates == 4
        if is_poisoned and self.where == "policy":
            policy.weights[1] = self.value
        return {"loss": self.value if is_poisoned and self.where == "update" else 0.5}


class WeightsPolicy(ph.Policy):
    def __init__(self, *spaces: Any, **config: Any) -> None:
        super().__init__(*spaces, **config)
        self.weights = np.zeros(3)

    def compute_action(self, observation: Any) -> int:
        return 0

    def state_dict(self) -> dict[str, Any]:
        return {"layers": {"weights": self.weights.copy()}, "steps": 3}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.weights = np.array(state["layers"]["weights"])


PoisonedTrainer.policy_class = WeightsPolicy


def train(trainer: Any, **options: Any) -> ph.TrainingResults:
    usual = {"env": ph.GymnasiumEnv, "env_config": {"env": "FrozenLake-v1"}, "seed": 1, "num_iterations": 8}
    return ph.train(trainer, **(usual | options))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_an_update_that_returns_no_finite_number_ends_the_run(value: float, tmp_path: Path) -> None:
    results = train(
        PoisonedTrainer(value, "update"),
        run_dir=tmp_path,
        checkpoint=ph.CheckpointPlan(every=1, keep_last=2),
        evaluation=ph.EvaluationPlan(episodes=1),
    )
    assert (results.status, results.iterations, results.evaluation) == ("diverged", 4, None)
    assert results.run_directory is not None
    newest = results.run_directory / "checkpoints" / "iteration-000003"
    assert results.stop_reasons == (
        f"default/loss is {value} after 4 iterations; the last finite checkpoint is {newest}",
    )
    assert sorted(path.name for path in newest.parent.iterdir()) == ["iteration-000002", newest.name]
    facts = json.loads((results.run_directory / "run.json").read_text())
    assert (facts["status"], facts["stop_reasons"]) == ("diverged", list(results.stop_reasons))


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("every", [1, 4, 100])
def test_policies_that_are_not_finite_are_not_saved(value: float, every: int, tmp_path: Path) -> None:
    results = train(
        PoisonedTrainer(value, "policy"),
        run_dir=tmp_path,
        checkpoint=ph.CheckpointPlan(every=every, keep_last=9),
        num_iterations=4,
    )
    assert results.status == "diverged"
    assert results.run_directory is not None
    folder = results.run_directory / "checkpoints"
    kept = f"the last finite checkpoint is {folder / 'iteration-000003'}"
    if every > 1:
        kept = "no checkpoint was written before"
    assert results.stop_reasons == (
        f"layers.weights of policy 'default' is not finite after 4 iterations; {kept}",
    )
    assert not (results.run_directory / "policies").exists()
    saved = sorted(folder.iterdir()) if folder.is_dir() else []
    assert len(saved) == (3 if every == 1 else 0)
    for checkpoint in saved:
        assert np.isfinite(ph.load_policies(checkpoint)["default"].state_dict()["layers"]["weights"]).all()


def test_a_run_without_a_directory_diverges_too() -> None:
    results = train(PoisonedTrainer(float("nan"), "policy"), run_dir=None, num_iterations=4)
    assert results.status == "diverged"


def test_what_was_never_finite_may_stay_so(tmp_path: Path) -> None:
    class Masked(WeightsPolicy):
        def __init__(self, *spaces: Any, **config: Any) -> None:
            super().__init__(*spaces, **config)
            self.weights = np.array([0.0, -np.inf, 0.0])

    class MaskedTrainer(PoisonedTrainer):
        policy_class = Masked

    results = train(MaskedTrainer(0.0, "nowhere"), run_dir=tmp_path)
    assert results.status == "completed"


@pytest.mark.parametrize(("at", "iterations"), [(100, 2), (391, 4)])
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_huge_reward_lets_a_table_diverge(at: int, iterations: int) -> None:
    results = ph.train(
        "q-learning",
        env=lambda: ph.GymnasiumEnv(lambda: paying_a_fortune(at)),
        trainer_config={"steps_per_iteration": 100},
        num_iterations=4,
        seed=1,
        run_dir=None,
    )
    assert results.status == "diverged"
    (reason,) = results.stop_reasons
    assert f" after {iterations} iterations; " in reason


def test_the_name_of_what_is_not_finite_is_found() -> None:
    assert what_is_not_finite({"a": [1.0, {"b": np.array([1.0, np.inf])}]}) == "a.b"
    assert what_is_not_finite({"a": np.float32("nan")}) == "a"
    assert what_is_not_finite({"a": np.array([1, 2]), "b": "nan", "c": (1.0, None)}) == ""


def test_policies_are_looked_at_every_second(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(10_000))
    monkeypatch.setattr("phantom_core.training.run_loop.time.monotonic", lambda: float(next(clock)))
    results = train(PoisonedTrainer(float("nan"), "policy"), run_dir=None, num_iterations=50)
    assert (results.status, results.iterations) == ("diverged", 4)


def test_a_run_that_diverged_says_so_when_it_is_evaluated(tmp_path: Path) -> None:
    results = train(PoisonedTrainer(float("nan"), "policy"), run_dir=tmp_path, num_iterations=4)
    assert results.run_directory is not None
    with pytest.raises(ph.errors.RunDirectoryError) as caught:
        ph.load_policies(results.run_directory)
    assert str(caught.value) == (
        f"The run {results.run_directory} has no final policies: it diverged: layers.weights of policy "
        "'default' is not finite after 4 iterations; no checkpoint was written before."
    )
