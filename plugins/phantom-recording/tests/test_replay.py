"""A replay rebuilds the state of a step, or says where the world differs from what was recorded."""

from pathlib import Path
from types import ModuleType
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

import phantom_core as ph
from phantom_recording import Recorder, read_recording, replay


def record(env: ph.PhantomEnv, path: Path, actions: Any, num_steps: int, seed: int = 5) -> None:
    with Recorder(path) as recorder:
        env.recorder = recorder
        env.reset(seed=seed)
        for _ in range(num_steps):
            env.step(actions)


def test_a_replay_has_the_state_of_the_step(supply_chain: ModuleType, tmp_path: Path) -> None:
    config = {"customers_per_shop": 3}
    env = supply_chain.SupplyChainEnv(**config)
    states = []
    with Recorder(tmp_path / "x", env_config=config) as recorder:
        env.recorder = recorder
        for seed in (1, 2):
            env.reset(seed=seed)
            states = [(env["SHOP"].stock, env["CUST1"].random.getstate())]
            for step in range(20):
                env.step({"SHOP": np.array([step * 1.7], np.float32)})
                states.append((env["SHOP"].stock, env["CUST1"].random.getstate()))
    for step in (0, 1, 13, 20):
        world: Any = replay(tmp_path / "x", episode=1, step=step, env=supply_chain.SupplyChainEnv)
        assert (world["SHOP"].stock, world["CUST1"].random.getstate()) == states[step]
        assert (world.current_step, world.episode_seed, world.recorder) == (step, 2, None)
    assert replay(tmp_path / "x", 1, env=supply_chain.SupplyChainEnv).current_step == 20


def test_a_replay_can_be_played_on(supply_chain: ModuleType, tmp_path: Path) -> None:
    order = {"SHOP": np.array([9.0], np.float32)}
    env = supply_chain.SupplyChainEnv()
    record(env, tmp_path / "x", order, 10)
    world = replay(tmp_path / "x", step=10, env=supply_chain.SupplyChainEnv)
    for _ in range(5):
        one, other = env.step(order), world.step(order)
        assert one.rewards == other.rewards
        assert np.array_equal(one.observations["SHOP"], other.observations["SHOP"])


def test_odd_actions_and_ids_are_played_again(odd_market: Any, bid: dict[Any, Any], tmp_path: Path) -> None:
    env = odd_market()
    record(env, tmp_path / "x", bid, 4)
    (episode,) = read_recording(tmp_path / "x")
    world: Any = replay(episode, env=odd_market)
    assert np.array_equal(world["buyer", 1].prices, env["buyer", 1].prices)
    assert world["buyer", 1].turns == 4


def test_the_class_is_found_by_the_recorded_reference(
    guess_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(guess_folder)
    import guess_world  # type: ignore[import-not-found]  # written by the fixture

    with Recorder(tmp_path / "x", env_config={"num_agents": 2}) as recorder:
        env = guess_world.GuessEnv(2)
        env.recorder = recorder
        env.reset(seed=1)
        env.step({"G1": 0, "G2": 2})
    world: Any = replay(tmp_path / "x")
    assert (type(world), world.current_step, world["G1"].number) == (
        guess_world.GuessEnv,
        1,
        env["G1"].number,
    )


class Moody(ph.StrategicAgent):
    """Is paid what the class says."""

    observation_space = action_space = gym.spaces.Discrete(9)
    pay = 1.0

    def decode_action(self, ctx: ph.Context, action: Any) -> None:
        """Do nothing."""

    def encode_observation(self, ctx: ph.Context) -> int:
        return 1

    def compute_reward(self, ctx: ph.Context) -> float:
        return self.pay if ctx.env_view.current_step == 3 else 0.0


def moody_env(*names: str) -> ph.PhantomEnv:
    return ph.PhantomEnv(9, ph.Network([Moody(name) for name in names]))


def test_a_world_that_differs_is_told_with_step_and_agent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record(moody_env("A", "B"), tmp_path / "x", {"A": 1}, 5)
    replay(tmp_path / "x", env=lambda: moody_env("A", "B"))
    monkeypatch.setattr(Moody, "pay", 2.5)
    assert replay(tmp_path / "x", step=2, env=moody_env("A", "B")).current_step == 2
    with pytest.raises(ph.errors.RecordingError) as caught:
        replay(tmp_path / "x", env=moody_env("A", "B"))
    assert str(caught.value) == (
        "The replay differs at step 3, agent 'A': rewards are 2.5, but 1.0 was recorded. The env changed, or "
        "something in it does not follow from its seed: phantom doctor finds what."
    )


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"episode": 1}, "The recording {path} has no episode 1. Episodes are numbered from 0."),
        ({"episode": -1}, "The recording {path} has no episode -1. Episodes are numbered from 0."),
        ({"step": 6}, "The episode has no step 6: it has 5 steps."),
        (
            {"env": moody_env("A", "C")},
            (
                "The env has other agents than the recorded PhantomEnv: 'A', 'C' instead of 'A', 'B'. Give "
                "env_config to the Recorder, or env to replay."
            ),
        ),
    ],
)
def test_what_cannot_be_replayed_is_refused(arguments: dict[str, Any], error: str, tmp_path: Path) -> None:
    record(moody_env("A", "B"), tmp_path / "x", {"A": 1}, 5)
    with pytest.raises(ph.errors.RecordingError) as caught:
        replay(tmp_path / "x", **{"env": moody_env("A", "B"), **arguments})
    assert str(caught.value) == error.format(path=tmp_path / "x")


def test_an_env_that_cannot_be_made_is_told(odd_market: Any, tmp_path: Path) -> None:
    class Needy(odd_market):  # type: ignore[misc]  # a class of a fixture
        def __init__(self, num_agents: int) -> None:
            super().__init__()

    record(Needy(1), tmp_path / "x", {}, 1)
    with pytest.raises(ph.errors.RecordingError) as caught:
        replay(tmp_path / "x")
    assert str(caught.value) == (
        "The class Needy cannot be imported by name. Say how to make the env: replay(…, env=…)."
    )
    with pytest.raises(ph.errors.RecordingError) as caught:
        replay(tmp_path / "x", env=Needy)
    assert str(caught.value).startswith("Needy cannot be made with the recorded env_config {}: ")
    assert str(caught.value).endswith(
        ". Give env_config to the Recorder, or say how to make the env: replay(…, env=…)."
    )


def test_an_action_that_was_written_as_text_cannot_be_played(tmp_path: Path) -> None:
    record(moody_env("A", "B"), tmp_path / "x", {"A": 1 + 2j}, 1)
    with pytest.raises(ph.errors.RecordingError) as caught:
        replay(tmp_path / "x", env=moody_env("A", "B"))
    assert str(caught.value) == (
        "The action {'complex': '(1+2j)'} was recorded as text, so it cannot be played again. Actions are "
        "numbers, strings, arrays, and lists, tuples or dicts of those."
    )


class Shop(ph.StrategicAgent):
    observation_space = action_space = gym.spaces.Discrete(2)

    def decode_action(self, ctx: ph.Context, action: int) -> None:
        """Do nothing."""

    def encode_observation(self, ctx: ph.Context) -> int:
        return 0

    def compute_reward(self, ctx: ph.Context) -> float:
        return 1.0


class SecretMarket(ph.PhantomEnv):
    def __init__(self, api_key: str, uri: str) -> None:
        super().__init__(2, ph.Network([Shop("A")]))
        self.given = (api_key, uri)


def test_secrets_are_recorded_as_masks_and_refused(tmp_path: Path) -> None:
    config = {"api_key": "sesame-1", "uri": "http://bob:sesame-2@host"}
    env = SecretMarket(**config)
    with Recorder(tmp_path / "x", env_config=config) as recorder:
        env.recorder = recorder
        env.reset(seed=5)
    assert b"sesame" not in (tmp_path / "x").read_bytes()
    (episode,) = read_recording(tmp_path / "x")
    assert episode.env_config == {"api_key": "***masked***", "uri": "http://bob:***@host"}
    with pytest.raises(ph.errors.RecordingError) as caught:
        replay(episode, env=SecretMarket)
    assert str(caught.value) == (
        "SecretMarket cannot be made again: env_config.api_key, env_config.uri were masked as secrets. Make "
        "it yourself: replay(…, env=SecretMarket(…))."
    )
    assert replay(episode, env=SecretMarket(**config)).current_step == 0


def test_a_setting_from_the_environment_is_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MARKET_KEY", "sesame")
    config = ph.secrets.read_environment({"api_key": "env:MARKET_KEY", "uri": ""}, "env_config")
    env = SecretMarket(**config)
    with Recorder(tmp_path / "x", env_config=config) as recorder:
        env.recorder = recorder
        env.reset(seed=5)
    assert b"sesame" not in (tmp_path / "x").read_bytes()
    world: Any = replay(tmp_path / "x", env=SecretMarket)
    assert world.given == ("sesame", "")
