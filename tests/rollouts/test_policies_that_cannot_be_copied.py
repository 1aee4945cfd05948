"""A policy that cannot be copied is refused before the run begins, if the run is to copy it."""

import sys
import threading
from typing import Any

import pytest

import phantom_core as ph
from phantom_testing import DyingAgentsEnv


class LockPolicy(ph.RandomPolicy):
    """Has an attribute that cannot be copied."""

    def __init__(self, *spaces: Any) -> None:
        super().__init__(*spaces)
        self.held: Any = self.make()

    def make(self) -> Any:
        return threading.Lock()


class FilePolicy(LockPolicy):
    def make(self) -> Any:
        return sys.__stdout__


class GeneratorPolicy(LockPolicy):
    def make(self) -> Any:
        return (number for number in range(3))


class SteppingTrainer(ph.Trainer):
    """Collects, and learns nothing."""

    policy_class = ph.RandomPolicy
    iterations_begun = 0

    def collect_plan(self) -> ph.CollectPlan:
        return ph.CollectPlan(steps=20)

    def begin_round(self, policy_id: ph.PolicyID, policy: ph.Policy) -> None:
        raise AssertionError

    def update(self, *_: Any) -> dict[str, float]:
        return {}


def sentence(policy_class: type, kind: str) -> str:
    return (
        f"Policy 'p' ({policy_class.__name__}) cannot be copied, but it is copied to be evaluated or trained "
        f"on: TypeError: cannot pickle {kind} object. Make locks, files and generators where they are used, "
        "or give the class a __deepcopy__()."
    )


CASES = [
    (LockPolicy, "'_thread.lock'"),
    (FilePolicy, "'_io.TextIOWrapper'"),
    (GeneratorPolicy, "'generator'"),
]


@pytest.mark.parametrize(("policy_class", "kind"), CASES)
def test_a_run_that_evaluates_says_so_before_its_first_iteration(policy_class: type, kind: str) -> None:
    with pytest.raises(ph.errors.ConfigError) as caught:
        ph.train(
            SteppingTrainer,
            env=DyingAgentsEnv,
            policies={"p": ph.PolicySpec(agents=ph.StrategicAgent, policy=policy_class, train=True)},
            num_iterations=1,
            evaluation=ph.EvaluationPlan(episodes=1),
            run_dir=None,
        )
    assert str(caught.value) == sentence(policy_class, kind)


def test_so_does_a_run_that_trains_on_with_a_given_policy() -> None:
    env = DyingAgentsEnv()
    first = env.strategic_agent_ids[0]
    policy = LockPolicy(env.observation_spaces[first], env.action_spaces[first])
    with pytest.raises(ph.errors.ConfigError) as caught:
        ph.train(
            SteppingTrainer,
            env=DyingAgentsEnv,
            policies={"p": ph.PolicySpec(agents=ph.StrategicAgent, policy=policy, train=True)},
            num_iterations=1,
            run_dir=None,
        )
    assert str(caught.value) == sentence(LockPolicy, "'_thread.lock'")


def test_an_evaluation_alone_says_so() -> None:
    env = DyingAgentsEnv()
    first = env.strategic_agent_ids[0]
    policy = LockPolicy(env.observation_spaces[first], env.action_spaces[first])
    with pytest.raises(ph.errors.ConfigError) as caught:
        ph.evaluate(env, {"p": policy}, dict.fromkeys(env.strategic_agent_ids, "p"), num_episodes=1, seed=1)
    assert str(caught.value) == sentence(LockPolicy, "'_thread.lock'")
