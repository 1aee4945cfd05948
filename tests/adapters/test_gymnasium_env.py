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


class Odd(gym.Env[Any, Any]):
    """Returns what NumPy makes of things; its observations are composed."""

    observation_space = gym.spaces.Dict(
        place=gym.spaces.Tuple([gym.spaces.Discrete(3), gym.spaces.Box(0.0, 1.0, (2,))]),
        action_mask=gym.spaces.MultiBinary(2),
    )
    action_space = gym.spaces.Discrete(2)
    metadata = {"render_modes": ["ansi"]}  # noqa: RUF012  as Gymnasium wants it

    def __init__(self, render_mode: str | None = None, reward: Any = 1) -> None:
        self.render_mode, self.reward = render_mode, reward

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        return self.observation_space.sample(), {"seed": seed}

    def step(self, action: Any) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
        return self.observation_space.sample(), self.reward, np.bool_(action), np.bool_(0), {}

    def render(self) -> Any:
        return "a picture"


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


@pytest.mark.parametrize("reward", [2, np.float32(2), np.int64(2), np.array(2.0), np.array([2.0])])
def test_rewards_and_flags_become_plain_numbers_and_bools(reward: Any) -> None:
    env = ph.GymnasiumEnv(Odd(reward=reward))
    env.reset(1)
    result = env.step({"agent": 1})
    assert (result.rewards, type(result.rewards["agent"])) == ({"agent": 2.0}, float)
    assert result.terminations == {"agent": True, "__all__": True}
    assert {type(flag) for flag in result.terminations.values()} == {bool}


def test_composed_observations_are_passed_on_and_collected() -> None:
    env = ph.GymnasiumEnv(Odd)
    policy = ph.ConstantPolicy(Odd.observation_space, Odd.action_space, action=0)
    collector = ph.Collector([env], {"one": policy}, {"agent": "one"}, seed=1, learning=["one"])
    (trajectory,) = collector.collect(ph.CollectPlan(steps=3))["one"].trajectories
    assert [Odd.observation_space.contains(seen) for seen in trajectory.observations] == [True] * 3


def test_a_class_or_function_may_make_the_env() -> None:
    env = ph.GymnasiumEnv(Odd, render_mode="ansi")
    assert isinstance(env.gym_env, Odd)
    assert (env.render_mode, env.render()) == ("ansi", "a picture")


def test_the_render_mode_is_passed_to_make() -> None:
    env = ph.GymnasiumEnv("FrozenLake-v1", render_mode="ansi")
    env.reset(1)
    assert env.render_mode == "ansi"
    assert "FFFH" in env.render()


def test_an_id_may_name_the_module_that_registers_it(
    guess_folder: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake = "gymnasium.envs.toy_text.frozen_lake:FrozenLakeEnv"
    (guess_folder / "lakes.py").write_text(
        f"import gymnasium\n\ngymnasium.register('lakes/Lake-v0', entry_point='{lake}')\n"
    )
    monkeypatch.syspath_prepend(guess_folder)
    assert ph.GymnasiumEnv("lakes:lakes/Lake-v0").observation_spaces["agent"].n == 16  # type: ignore[attr-defined]
    gym.registry.pop("lakes/Lake-v0")


def test_seeds_are_passed_on_modulo_two_to_the_31() -> None:
    env = ph.GymnasiumEnv(Odd)
    seeds = [env.reset(seed)[1]["agent"]["seed"] for seed in (7, 2**31 + 7, 2**63 - 1, None)]
    assert seeds == [7, 7, 2**31 - 1, None]


def test_an_env_that_cannot_be_seeded_is_refused() -> None:
    class Unseeded(Counter):
        def reset(self) -> tuple[int, dict[str, Any]]:  # type: ignore[override]  that is the defect
            return 0, {}

    with pytest.raises(ph.errors.ConfigError) as caught:
        ph.GymnasiumEnv(gym.wrappers.TimeLimit(Unseeded(), 3))
    assert str(caught.value) == (
        "Unseeded.reset() takes no seed, so its episodes could not be repeated. Write reset(self, *, "
        "seed=None, options=None), call super().reset(seed=seed) in it, and draw from self.np_random."
    )


def test_what_makes_no_env_is_refused() -> None:
    with pytest.raises(ph.errors.ConfigError) as caught:
        ph.GymnasiumEnv(dict)  # type: ignore[arg-type]  that is the defect
    assert str(caught.value) == (
        "GymnasiumEnv got dict, which makes a dict. Expected a gymnasium.Env, what makes one, or the id of a "
        "registered one."
    )
    with pytest.raises(ph.errors.ConfigError) as caught:
        ph.GymnasiumEnv(Odd, wheels=4)
    assert str(caught.value) == (
        "GymnasiumEnv could not make Odd: TypeError: Odd.__init__() got an unexpected keyword argument "
        "'wheels'."
    )


class Rising(Counter):
    """Pays more in each episode, and says itself what it keeps."""

    level = 0

    def reset(self, **given: Any) -> tuple[int, dict[str, Any]]:
        self.level += 1
        return super().reset(**given)

    def step(self, action: int) -> tuple[int, Any, bool, bool, dict[str, Any]]:
        seen, _, *rest = super().step(action)
        return seen, float(self.level), *rest  # type: ignore[return-value]  # the rest are three

    def state_dict(self) -> dict[str, Any]:
        return {"level": self.level}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.level = state["level"]


def test_what_the_env_itself_carries_over_is_saved_and_given_back() -> None:
    def make() -> tuple[ph.Collector, list[float]]:
        earned: list[float] = []
        env = ph.GymnasiumEnv(lambda: gym.wrappers.TimeLimit(Rising(), 2))
        policy = ph.RandomPolicy(env.observation_spaces["agent"], env.action_spaces["agent"])
        return (
            ph.Collector(
                [env],
                {"p": policy},
                {"agent": "p"},
                seed=1,
                on_episode=lambda episode: earned.append(episode.episode_returns["agent"]),
            ),
            earned,
        )

    (first, _), (second, earned) = make(), make()
    first.collect(ph.CollectPlan(steps=5))
    second.load_state_dict(first.state_dict())
    second.collect(ph.CollectPlan(steps=5))
    assert earned == [6.0, 8.0, 10.0], "the third episode goes on, then the fourth and the fifth are played"
