"""`load_model` finds an env and its policies: by class, name, reference, run file or run directory."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

import phantom_core as ph

MODEL = """
import gymnasium as gym
import phantom_core as ph

class Shop(ph.StrategicAgent):
    observation_space = gym.spaces.Discrete(2)
    action_space = gym.spaces.Discrete(2)
    def decode_action(self, ctx, action):
        self.action = action
    def encode_observation(self, ctx):
        return 0
    def compute_reward(self, ctx):
        return float(self.action)

class Market(ph.PhantomEnv):
    def __init__(self, num_shops=1):
        super().__init__(num_steps=3, network=ph.Network([Shop(f"S{i}") for i in range(num_shops)]))
"""
FILE = """
env = "./models_market.py:Market"
env_config = {num_shops = 2}

[policies.fixed]
class = "./models_market.py:Shop"
policy = "random"
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "models_market.py").write_text(MODEL, encoding="utf-8")
    (tmp_path / "market.toml").write_text(FILE, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.usefixtures("folder")
def test_a_reference_makes_the_env_and_can_be_pickled() -> None:
    model = ph.load_model("./models_market.py:Market").with_config({"num_shops": 4})
    assert len(pickle.loads(pickle.dumps(model.make_env))().agents) == 4  # noqa: S301  our own
    assert model.policies == {}


def test_a_run_file_needs_no_trainer_and_has_its_settings_and_policies(folder: Path) -> None:
    model = ph.load_model(folder / "market.toml")
    env = model.make_env()
    made = ph.make_policies(env, model.policies)
    assert made.policy_by_agent == {"S0": "fixed", "S1": "fixed"}
    assert type(made.policies["fixed"]) is ph.RandomPolicy


def test_a_run_gives_its_policies_also_to_more_agents_of_their_class(folder: Path) -> None:
    run = ph.train(
        "q-learning",
        env="./models_market.py:Market",
        policies={"shop": ["S0"]},
        num_iterations=2,
        seed=1,
        run_dir=folder / "run",
    ).run_directory
    assert run is not None
    model = ph.load_model(run)
    env = model.with_config({"num_shops": 3}).make_env()
    made = ph.make_policies(env, model.policies)
    assert made.policy_by_agent == {"S0": "shop", "S1": "shop", "S2": "shop"}
    assert made.policies["shop"].compute_action(0) == ph.load_policies(run)["shop"].compute_action(0)


@pytest.mark.usefixtures("folder")
def test_a_file_of_python_needs_the_name_of_a_class() -> None:
    with pytest.raises(ph.errors.ConfigError) as caught:
        ph.load_model("models_market.py")
    assert str(caught.value) == (
        "env is 'models_market.py'. Name the class in it: 'models_market.py:Market'."
    )
