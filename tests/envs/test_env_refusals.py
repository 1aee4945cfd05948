"""What an env refuses, and that it says so in full."""

from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

import phantom_core as ph


class Player(ph.StrategicAgent):
    """Observes the step and earns 1."""

    observation_space: gym.Space[Any] | None = gym.spaces.Discrete(100)
    action_space: Any = gym.spaces.Discrete(2)

    def decode_action(self, ctx: ph.Context, action: Any) -> None:
        """Send nothing."""

    def encode_observation(self, ctx: ph.Context) -> Any:
        return ctx.env_view.current_step

    def compute_reward(self, ctx: ph.Context) -> float:
        return 1.0


class Crowd(ph.Agent):
    """A plain agent."""


class OneTurn:
    """Plays one turn and then the next, or ends the episode."""

    def __init__(self, next_turn: ph.Turn | None) -> None:
        self.next_turn = next_turn

    def first(self, env: ph.PhantomEnv) -> ph.Turn:
        return ph.Turn("first")

    def advance(self, env: ph.PhantomEnv, turn: ph.Turn) -> ph.Turn | None:
        env.resolve_network()
        return self.next_turn


def make_env(*agents: ph.Agent, num_steps: int | None = None, **kwargs: Any) -> ph.PhantomEnv:
    return ph.PhantomEnv(num_steps, ph.Network(agents), **kwargs)


def message_of(error: type[Exception], call: Callable[[], object]) -> str:
    with pytest.raises(error) as caught:
        call()
    return str(caught.value)


@pytest.mark.parametrize(
    ("num_steps", "shown"),
    [(0, "0"), (-1, "-1"), (2.5, "2.5"), (float("nan"), "nan"), ("3", "'3'"), (True, "True")],
)
def test_a_time_limit_is_a_positive_integer(num_steps: Any, shown: str) -> None:
    assert message_of(ph.errors.ConfigError, lambda: ph.PhantomEnv(num_steps)) == (
        f"PhantomEnv got num_steps={shown}. Expected a positive integer, or None for no limit."
    )


@pytest.mark.parametrize(
    ("seed", "shown"),
    [
        (-1, "-1"),
        (2**63, "9223372036854775808"),
        (1.0, "1.0"),
        (float("nan"), "nan"),
        ("1", "'1'"),
        (True, "True"),
        (np.int64(-1), "np.int64(-1)"),
    ],
)
def test_a_seed_is_an_integer_that_fits_into_a_toml_file(seed: Any, shown: str) -> None:
    env = make_env(Player("A"))
    assert message_of(ph.errors.ConfigError, lambda: env.reset(seed)) == (
        f"reset got seed={shown}. Expected an integer from 0 to 2**63 - 1, or None."
    )


def test_a_refused_seed_leaves_the_episode_as_it_was() -> None:
    env = make_env(Player("A"))
    env.reset(1)
    env.step({})
    with pytest.raises(ph.errors.ConfigError):
        env.reset(-1)
    assert (env.episode_seed, env.current_step) == (1, 1)
    assert env.step({}).observations == {"A": 2}


@pytest.mark.parametrize("seed", [0, 2**63 - 1, np.int64(7), np.uint8(7)])
def test_the_seed_of_the_episode_is_the_one_given(seed: Any) -> None:
    env = make_env(Player("A"))
    env.reset(seed)
    assert env.episode_seed == seed
    assert type(env.episode_seed) is int


def test_no_step_comes_before_the_first_reset() -> None:
    env = make_env(Player("A"))
    assert message_of(ph.errors.EpisodeError, lambda: env.step({})) == (
        "PhantomEnv was stepped before its first reset. Call env.reset()."
    )


@pytest.mark.parametrize(
    ("num_steps", "next_turn"),
    [(1, ph.Turn("next")), (None, None)],
    ids=["by the time limit", "by the turn order"],
)
def test_no_step_comes_after_the_end(num_steps: int | None, next_turn: ph.Turn | None) -> None:
    env = make_env(Player("A"), num_steps=num_steps, turn_order=OneTurn(next_turn))
    env.reset(1)
    env.step({})
    assert message_of(ph.errors.EpisodeError, lambda: env.step({})) == (
        "PhantomEnv was stepped after its episode ended at step 1. Call env.reset()."
    )


def test_no_step_comes_after_a_step_that_raised() -> None:
    class Failing(Player):
        def compute_reward(self, ctx: ph.Context) -> float:
            return 1 / (2 - ctx.env_view.current_step)

    env = make_env(Failing("A"))
    env.reset(1)
    env.step({})
    with pytest.raises(ZeroDivisionError):
        env.step({})
    assert message_of(ph.errors.EpisodeError, lambda: env.step({})) == (
        "PhantomEnv was stepped after step 2 raised an error. Call env.reset()."
    )
    env.reset(1)
    assert env.step({}).rewards == {"A": 1.0}


def test_no_step_comes_after_a_reset_that_raised() -> None:
    class Failing(Player):
        def reset(self) -> None:
            if env.episode_seed == 2:
                raise ZeroDivisionError

    env = make_env(Failing("A"))
    env.reset(1)
    with pytest.raises(ZeroDivisionError):
        env.reset(2)
    assert message_of(ph.errors.EpisodeError, lambda: env.step({})) == (
        "PhantomEnv was stepped after a reset that raised an error. Call env.reset()."
    )


def test_an_action_for_an_unknown_agent_is_refused() -> None:
    env = make_env(Player("SHOP"), Crowd("CROWD"))
    env.reset(1)
    assert message_of(ph.errors.EnvError, lambda: env.step({"SHOPP": 1})) == (
        "There is an action for 'SHOPP', but no such agent. Did you mean 'SHOP'? Agents that act: 'SHOP'."
    )


def test_an_action_for_an_agent_that_never_acts_is_refused() -> None:
    env = make_env(Player("SHOP"), Crowd("CROWD"))
    env.reset(1)
    assert message_of(ph.errors.EnvError, lambda: env.step({"SHOP": 0, "CROWD": 1})) == (
        "There is an action for 'CROWD', but a Crowd does not act. Make it a StrategicAgent, or leave its "
        "action out."
    )


def test_a_missing_space_is_named() -> None:
    class Spaceless(Player):
        observation_space = None
        action_space = "Discrete(3)"

    env = make_env(Spaceless("A"))
    assert message_of(ph.errors.ConfigError, lambda: env.observation_spaces) == (
        "Spaceless 'A' has observation_space=None. Expected a gymnasium space: set observation_space in "
        "Spaceless, for example gymnasium.spaces.Discrete(3)."
    )
    assert message_of(ph.errors.ConfigError, lambda: env.action_spaces) == (
        "Spaceless 'A' has action_space='Discrete(3)'. Expected a gymnasium space: set action_space in "
        "Spaceless, for example gymnasium.spaces.Discrete(3)."
    )


@pytest.mark.parametrize("name", ["random", "rng"])
def test_the_generators_of_an_env_are_seeded_by_reset(name: str) -> None:
    env = make_env()
    assert message_of(ph.errors.EpisodeError, lambda: getattr(env, name)) == (
        "PhantomEnv was used before it was seeded. Call env.reset() first."
    )
    env.reset(1)
    assert getattr(env, name) is getattr(env, name)


@pytest.mark.parametrize(
    ("method", "part", "refuse"),
    [
        ("encode_observation", "observation_encoder", lambda agent, ctx: agent.encode_observation(ctx)),
        ("decode_action", "action_decoder", lambda agent, ctx: agent.decode_action(ctx, 0)),
        ("compute_reward", "reward_function", lambda agent, ctx: agent.compute_reward(ctx)),
    ],
)
def test_a_method_that_every_strategic_agent_needs_is_named(
    method: str, part: str, refuse: Callable[[ph.StrategicAgent, Any], object]
) -> None:
    class Lazy(ph.StrategicAgent):
        """Overrides nothing."""

    assert message_of(ph.errors.EnvError, lambda: refuse(Lazy("A"), None)) == (
        f"Lazy 'A' has no {method}(). Override it in Lazy, or give it {part}=."
    )
