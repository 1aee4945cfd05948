"""Mistakes in a trainer of one's own: the message names the class, the method and what it should return."""

from typing import Any

import gymnasium as gym
import numpy as np
import pytest

import phantom_core as ph


class CoinAgent(ph.StrategicAgent):
    observation_space = gym.spaces.Discrete(1)
    action_space = gym.spaces.Discrete(2)

    def decode_action(self, ctx: ph.Context, action: int) -> None:
        """Do nothing."""

    def encode_observation(self, ctx: ph.Context) -> int:
        return 0

    def compute_reward(self, ctx: ph.Context) -> float:
        return 1.0


class CoinEnv(ph.PhantomEnv):
    def __init__(self) -> None:
        super().__init__(2, ph.Network([CoinAgent("A"), CoinAgent("B")]))


class GivenPolicy(ph.Policy):
    """Samples what the test wants."""

    sampled: Any = ([0, 1], {})

    def compute_action(self, observation: Any) -> int:
        return 0

    def sample_actions(self, observations: Any, rng: ph.RowStreams) -> Any:
        return self.sampled


class GivenTrainer(ph.Trainer):
    """Returns what the test wants."""

    policy_class = GivenPolicy
    plan: Any = ph.CollectPlan(episodes=1)
    quantities: Any = {}  # noqa: RUF012  nobody changes it

    def collect_plan(self) -> Any:
        return self.plan

    def update(self, policy_id: Any, policy: Any, batch: Any, rng: Any) -> Any:
        return self.quantities


def train(**returned: Any) -> ph.TrainingResults:
    trainer_class = type("GivenTrainer", (GivenTrainer,), returned)
    return ph.train(trainer_class, env=CoinEnv, num_iterations=1, run_dir=None, seed=1)


@pytest.mark.parametrize(
    ("returned", "message"),
    [
        ({"plan": None}, (
            "GivenTrainer.collect_plan() returned None. Expected how much to collect, such as "
            "ph.CollectPlan(episodes=10).")),
        ({"quantities": None}, (
            "GivenTrainer.update() returned None. Expected a dict of numbers to log, such as {'loss': 0.5}, "
            "or {} for nothing.")),
        ({"quantities": {"loss": "low"}}, (
            "GivenTrainer.update() returned 'low' (str) as 'loss'. Expected a number, so that it can be "
            "logged.")),
        ({"quantities": {"losses": [1.0]}}, (
            "GivenTrainer.update() returned [1.0] (list) as 'losses'. Expected a number, so that it can be "
            "logged.")),
    ],
)  # fmt: skip
def test_what_a_trainer_should_have_returned_is_said(returned: dict[str, Any], message: str) -> None:
    with pytest.raises(ph.errors.ConfigError) as caught:
        train(**returned)
    assert str(caught.value) == message


@pytest.mark.parametrize("sampled", [[0, 1], None, ([0, 1],), (0, 1), ([0, 1], None)])
def test_sampled_actions_without_extras_are_told(sampled: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(GivenPolicy, "sampled", sampled)
    with pytest.raises(ph.errors.ConfigError) as caught:
        train()
    assert str(caught.value) == (
        f"GivenPolicy.sample_actions() of policy 'default' returned {sampled!r}. Expected a pair, (actions, "
        "extras): one action for each observation, and a dict, such as {}."
    )


def test_numbers_of_numpy_are_numbers() -> None:
    results = train(quantities={"loss": np.float32(0.5), "norm": np.array(2)})
    assert (results.history[0]["default/loss"], results.history[0]["default/norm"]) == (0.5, 2.0)
