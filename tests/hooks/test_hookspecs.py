"""The list of hooks, and the order in which they fire."""

import inspect
from typing import Any

import gymnasium as gym
import pluggy
import pytest

import phantom_core as ph
from phantom_core.hooks.hookspecs import HOOK_NAMES, LIFE_CYCLE_HOOKS, REGISTRATION_HOOKS


class CoinAgent(ph.StrategicAgent):
    observation_space = action_space = gym.spaces.Discrete(2)

    def encode_observation(self, ctx: ph.Context) -> int:
        return 0

    def decode_action(self, ctx: ph.Context, action: Any) -> ph.MessageList:
        return []

    def compute_reward(self, ctx: ph.Context) -> float:
        return 1.0


class CoinEnv(ph.PhantomEnv):
    def __init__(self) -> None:
        super().__init__(num_steps=2, network=ph.Network([CoinAgent("A")]))


class LazyTrainer(ph.Trainer):
    policy_class = ph.RandomPolicy

    def collect_plan(self) -> ph.CollectPlan:
        return ph.CollectPlan(episodes=1)

    def update(self, policy_id: str, policy: Any, batch: ph.Batch, rng: Any) -> dict[str, float]:
        if policy_id == "broken":
            raise ZeroDivisionError
        return {}


def recorder() -> tuple[list[str], ph.Hooks]:
    """Return a log, and hooks that write down the name of every hook that fires."""
    log: list[str] = []

    def method(name: str) -> Any:
        def implementation(self: ph.Hooks, event: Any) -> bool | None:  # noqa: ARG001
            log.append(name)
            return True if name in ("should_evaluate", "should_checkpoint") else None

        return implementation

    return log, type("Recorder", (ph.Hooks,), {name: method(name) for name in LIFE_CYCLE_HOOKS})()


@pytest.mark.parametrize("hook", HOOK_NAMES)
def test_every_hook_says_when_it_is_called_and_takes_at_most_an_event(hook: str) -> None:
    declared = getattr(ph.Hooks, hook)
    assert declared.__doc__.startswith("Called ")
    expected = ["self"] if hook in REGISTRATION_HOOKS else ["self", "event"]
    assert list(inspect.signature(declared).parameters) == expected


def test_state_is_no_hook() -> None:
    assert "state_dict" not in HOOK_NAMES
    assert ph.Hooks().state_dict() == {}
    ph.Hooks().load_state_dict({})


def test_the_marker_is_pluggys_own() -> None:
    assert isinstance(ph.hookimpl, pluggy.HookimplMarker)
    assert ph.hookimpl.project_name == "phantom_core"


def test_hooks_fire_in_the_order_in_which_they_are_listed(tmp_path: Any) -> None:
    """A new hook fails this until it has its place here."""
    log, hooks = recorder()
    plan = ph.EvaluationPlan(episodes=1, every=1)
    ph.train(LazyTrainer, env=CoinEnv, num_iterations=1, evaluation=plan, hooks=[hooks], run_dir=tmp_path)
    expected = [hook for hook in LIFE_CYCLE_HOOKS if hook != "on_exception"]
    assert list(dict.fromkeys(log)) == expected  # the final policies are written after the last iteration


def test_of_a_run_that_fails_every_plugin_learns_before_the_end(tmp_path: Any) -> None:
    log, hooks = recorder()
    with pytest.raises(ZeroDivisionError):
        ph.train(
            LazyTrainer,
            env=CoinEnv,
            policies={"broken": ["A"]},
            num_iterations=1,
            hooks=[hooks],
            run_dir=tmp_path,
        )
    assert log == [
        "on_train_start",
        "on_iteration_start",
        "on_episode_end",
        "on_checkpoint",
        "on_exception",
        "on_train_end",
    ]


def test_every_hook_is_either_of_a_registration_or_of_the_life_cycle() -> None:
    assert REGISTRATION_HOOKS + LIFE_CYCLE_HOOKS == HOOK_NAMES
