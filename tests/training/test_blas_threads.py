"""A run uses one BLAS thread, unless the user says otherwise, and leaves the number as it was."""

import json
from pathlib import Path

import gymnasium as gym
import pytest
import threadpoolctl

import phantom_core as ph

VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def threads() -> list[int]:
    return [lib["num_threads"] for lib in threadpoolctl.threadpool_info() if lib["user_api"] == "blas"]


class Looker(ph.StrategicAgent):
    observation_space = action_space = gym.spaces.Discrete(2)

    def encode_observation(self, ctx: ph.Context) -> int:
        return 0

    def decode_action(self, ctx: ph.Context, action: int) -> None:
        """Do nothing."""

    def compute_reward(self, ctx: ph.Context) -> float:
        return 0.0


class LookerEnv(ph.PhantomEnv):
    def __init__(self) -> None:
        super().__init__(num_steps=1, network=ph.Network([Looker("A")]))


class Idle(ph.Trainer):
    """Notes how many threads there are while it trains."""

    policy_class = ph.RandomPolicy
    found: list[int]

    def training_step(self, *args: object) -> None:  # type: ignore[override]  # it looks at none
        type(self).found = threads()


@pytest.fixture
def no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in VARIABLES:
        monkeypatch.delenv(variable, raising=False)


def train(run_dir: Path | None = None) -> ph.TrainingResults:
    policies = {"a": ph.PolicySpec(agents=["A"], train=True)}
    return ph.train(Idle, env=LookerEnv, policies=policies, num_iterations=1, seed=1, run_dir=run_dir)


@pytest.mark.usefixtures("no_variables")
def test_a_run_uses_one_thread_and_gives_the_others_back() -> None:
    with threadpoolctl.threadpool_limits(3, user_api="blas"):
        before = threads()
        train()
        assert set(Idle.found) == {1}
        assert threads() == before


@pytest.mark.usefixtures("no_variables")
def test_an_environment_variable_counts_for_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    with threadpoolctl.threadpool_limits(3, user_api="blas"):
        before = threads()
        train()
        assert Idle.found == before


@pytest.mark.usefixtures("no_variables")
def test_the_run_records_the_number_of_threads(tmp_path: Path) -> None:
    with threadpoolctl.threadpool_limits(3, user_api="blas"):
        results = train(tmp_path)
    assert results.run_directory is not None
    facts = json.loads((results.run_directory / "run.json").read_text())
    assert set(facts["blas_threads"].values()) == {1}
