"""What `self.run` tells a trainer before anything was collected."""

from collections.abc import Mapping
from typing import Any

import gymnasium as gym
import pytest

import phantom_core as ph
from phantom_testing import IdentityEnv


class StatefulEnv(IdentityEnv):
    state_space = gym.spaces.MultiDiscrete([6, 4])

    def state(self) -> Any:
        return self.state_space.sample()


class Asking(ph.Trainer):
    """Asks for the state space in `setup`."""

    policy_class = ph.RandomPolicy
    found: Any = "nothing"

    def setup(self, policy_id: str, policy: Any, rng: Any) -> None:
        Asking.found = self.run.state_space

    def collect_plan(self) -> ph.CollectPlan:
        return ph.CollectPlan(steps=5)

    def update(self, policy_id: str, policy: Any, batch: ph.Batch, rng: Any) -> Mapping[str, float]:
        return {}


class AskingAlone(Asking):
    """A simple trainer."""

    update = ph.Trainer.update

    def training_step(self, *arguments: Any) -> None:
        self.log_rewards({})


@pytest.mark.parametrize("trainer", [Asking, AskingAlone])
@pytest.mark.parametrize("env", [StatefulEnv, IdentityEnv])
def test_a_trainer_knows_the_state_space_when_it_makes_its_buffers(trainer: Any, env: Any) -> None:
    Asking.found = "nothing"
    ph.train(trainer, env=env, num_iterations=1, policies_to_train=["default"], seed=1, run_dir=None)
    assert Asking.found is getattr(env, "state_space", None)
