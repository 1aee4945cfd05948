"""The list of hooks, and the order in which they fire."""

import inspect
from typing import Any

import gymnasium as gym
import pytest

import phantom_core as ph
from phantom_core.hooks.hookspecs import HOOK_NAMES, LIFE_CYCLE_HOOKS, REGISTRATION_HOOKS, HookSpecs


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
        def implementation(_self: ph.Hooks, _event: Any, /) -> None:
            log.append(name)

        return implementation

    return log, type("Recorder", (ph.Hooks,), {name: method(name) for name in LIFE_CYCLE_HOOKS})()


def test_the_base_class_and_the_specs_have_the_same_hooks_in_the_same_order() -> None:
    methods = [name for name, value in vars(ph.Hooks).items() if inspect.isfunction(value) and name[0] != "_"]
    assert methods == list(HOOK_NAMES) == [name for name in vars(HookSpecs) if name[0] != "_"]


@pytest.mark.parametrize("hook", HOOK_NAMES)
def test_a_hook_is_declared_alike_in_the_base_class_and_the_specs(hook: str) -> None:
    spec, base = getattr(HookSpecs, hook), getattr(ph.Hooks, hook)
    assert inspect.signature(spec) == inspect.signature(base)
    assert spec.__doc__.startswith("Called ")
    assert base.__doc__


def test_hooks_fire_in_the_order_in_which_they_are_listed(tmp_path: Any) -> None:
    """A new hook fails this until it has its place here."""
    log, hooks = recorder()
    plan = ph.EvaluationPlan(episodes=1, every=1)
    ph.train(LazyTrainer, env=CoinEnv, num_iterations=1, evaluation=plan, hooks=[hooks], run_dir=tmp_path)
    assert log == [hook for hook in LIFE_CYCLE_HOOKS if hook != "on_exception"]


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


@pytest.mark.parametrize("option", ["tryfirst", "trylast", "wrapper", "hookwrapper", "specname"])
def test_options_of_pluggy_are_refused(option: str) -> None:
    with pytest.raises(TypeError) as caught:
        ph.hookimpl(**{option: True})
    assert str(caught.value) == (
        f"hookimpl got {option}. The order of hooks is by plugin name; move yours with before=('name',) or "
        "after=('name',)."
    )
