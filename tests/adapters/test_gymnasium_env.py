"""Any single-agent Gymnasium env is an env with one agent."""

from typing import Any

import gymnasium as gym
import numpy as np
import pytest

import phantom_core as ph


class Counter(gym.Env[int, int]):
    """Counts its steps; terminates at 3; the reward is the action; its info tells what reset got."""

    observation_space = gym.spaces.Discrete(10)
    action_space = gym.spaces.Discrete(3)
    is_closed = False

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[int, dict[str, Any]]:
        super().reset(seed=seed)
        self.count = 0
        return 0, {"seed": seed, "options": options}

    def step(self, action: int) -> tuple[int, Any, bool, bool, dict[str, Any]]:
        self.count += 1
        return self.count, np.float32(action), self.count == 3, False, {"count": self.count}

    def close(self) -> None:
        self.is_closed = True


def test_the_one_agent_has_the_spaces_of_the_env() -> None:
    counter = Counter()
    env = ph.GymnasiumEnv(counter, agent_id="PLAYER")
    assert env.gym_env is counter
    assert env.strategic_agent_ids == list(env.agents) == ["PLAYER"]
    assert env.observation_spaces == {"PLAYER": Counter.observation_space}
    assert env.action_spaces == {"PLAYER": Counter.action_space}
    assert env.acting_agent_ids is None
    agent = env.agents["PLAYER"]
    assert isinstance(agent, ph.StrategicAgent)
    assert agent.observation_space is Counter.observation_space
    assert agent.action_space is Counter.action_space


def test_all_that_the_env_returns_is_passed_on() -> None:
    env = ph.GymnasiumEnv(Counter())
    assert env.reset(7, {"a": 1}) == ({"agent": 0}, {"agent": {"seed": 7, "options": {"a": 1}}})
    assert env.reset() == ({"agent": 0}, {"agent": {"seed": None, "options": None}})
    assert env.step({"agent": 2}) == ph.StepResult(
        observations={"agent": 1},
        rewards={"agent": 2.0},
        terminations={"agent": False, "__all__": False},
        truncations={"agent": False, "__all__": False},
        infos={"agent": {"count": 1}},
    )
    env.step({"agent": 2})
    last = env.step({"agent": 0})
    assert last.terminations == {"agent": True, "__all__": True}
    assert last.truncations == {"agent": False, "__all__": False}
    assert type(last.rewards["agent"]) is float


def test_time_limit_wrappers_truncate() -> None:
    env = ph.GymnasiumEnv(gym.wrappers.TimeLimit(Counter(), 2))
    env.reset(1)
    env.step({"agent": 0})
    last = env.step({"agent": 0})
    assert last.terminations == {"agent": False, "__all__": False}
    assert last.truncations == {"agent": True, "__all__": True}


def test_an_env_can_be_made_from_its_registered_name() -> None:
    env = ph.GymnasiumEnv("FrozenLake-v1", is_slippery=False, max_episode_steps=5)
    assert env.gym_env.spec is not None
    assert env.gym_env.spec.max_episode_steps == 5
    env.reset(1)
    assert [env.step({"agent": 2}).observations["agent"] for _ in range(3)] == [1, 2, 3]


def test_the_same_seed_and_actions_play_the_same_episode() -> None:
    def observations() -> list[float]:
        env = ph.GymnasiumEnv("CartPole-v1")
        first, _ = env.reset(3)
        rest = [env.step({"agent": step % 2}).observations["agent"] for step in range(8)]
        return np.array([first["agent"], *rest]).ravel().tolist()

    assert observations() == observations()


def test_closing_closes_the_env() -> None:
    counter = Counter()
    ph.GymnasiumEnv(counter).close()
    assert counter.is_closed


@pytest.mark.parametrize(
    ("name", "kwargs", "reason"),
    [
        ("FrozenLakes-v1", {}, "Environment `FrozenLakes` doesn't exist. Did you mean: `FrozenLake`?"),
        ("no_such_module:Env-v0", {}, "No module named 'no_such_module'"),
        ("CartPole-v1", {"wheels": 4}, "got an unexpected keyword argument 'wheels'"),
    ],
)
def test_an_env_that_cannot_be_made_is_an_error_that_says_why(
    name: str, kwargs: dict[str, Any], reason: str
) -> None:
    with pytest.raises(ph.errors.ConfigError) as caught:
        ph.GymnasiumEnv(name, **kwargs)
    assert str(caught.value).startswith(f"Gymnasium could not make {name!r}: ")
    assert reason in str(caught.value)  # the words are Gymnasium's


def test_arguments_of_make_beside_an_env_that_is_made_already_are_refused() -> None:
    with pytest.raises(ph.errors.ConfigError) as caught:
        ph.GymnasiumEnv(Counter(), max_episode_steps=5)
    assert str(caught.value) == (
        "GymnasiumEnv got max_episode_steps beside an env that is made already. Pass the id of an env "
        "instead, or set it where you make the env."
    )


def test_a_step_needs_the_action_of_the_agent() -> None:
    env = ph.GymnasiumEnv(Counter())
    env.reset(1)
    with pytest.raises(ph.errors.EnvError) as caught:
        env.step({"someone": 1})
    assert str(caught.value) == (
        "There is no action for 'agent', the one agent of this env. The actions are for: 'someone'."
    )


def test_the_reserved_id_is_refused() -> None:
    with pytest.raises(ph.errors.ConfigError) as caught:
        ph.GymnasiumEnv(Counter(), agent_id="__all__")
    assert str(caught.value) == (
        "An agent may not be named '__all__': that key stands for the whole env. Choose another id."
    )
