"""A run with a recurrent policy: trained, saved, loaded, evaluated and recorded."""

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import phantom_core as ph
from phantom_recording import read_recording, replay

WORLD = '''
"""Each agent is told a number in the first step only, and is paid for saying it in the others."""

import gymnasium as gym
import numpy as np

import phantom_core as ph


class Teller(ph.StrategicAgent):
    observation_space = gym.spaces.Discrete(4)  # 3: nothing is told
    action_space = gym.spaces.Discrete(3)

    def reset(self):
        self.number, self.age, self.is_right = self.random.randrange(3), 0, False

    def decode_action(self, ctx, action):
        self.is_right = self.age > 0 and action == self.number
        self.age += 1

    def encode_observation(self, ctx):
        return 3 if self.age else self.number

    def compute_reward(self, ctx):
        return float(self.is_right)


class TellEnv(ph.PhantomEnv):
    def __init__(self):
        super().__init__(num_steps=5, network=ph.Network([Teller("T1"), Teller("T2")]))


class Recall(ph.RecurrentPolicy):
    """Says what a table has for the number that it was told."""

    def __init__(self, observation_space, action_space, first=0):
        super().__init__(observation_space, action_space)
        self.table = np.full(3, first)

    def initial_state(self):
        return {"told": (np.int64(3),)}

    def compute_actions(self, observations, state):
        (told,) = state["told"]
        told = np.where(told == 3, observations, told)
        return self.table[told].tolist(), {"told": (told,)}

    def state_dict(self):
        return {"table": self.table.copy()}

    def load_state_dict(self, state):
        self.table = state["table"].copy()


class RecallTrainer(ph.Trainer):
    """Learns to say what was told."""

    policy_class = Recall

    def collect_plan(self):
        return ph.CollectPlan(steps=7, copies=2)

    def update(self, policy_id, policy, batch, rng):
        (told,) = batch.initial_states["told"]
        assert told.shape == (len(batch.trajectories),)
        for trajectory, before in zip(batch.trajectories, told, strict=True):
            assert (before == 3) == (trajectory.steps[0] == 0)
            number = trajectory.observations[0] if before == 3 else before
            policy.table[number] = number
        return {"known": float((policy.table == np.arange(3)).sum())}
'''

RUN_FILE = """
env = "./tell_world.py:TellEnv"
trainer = "./tell_world.py:RecallTrainer"
iterations = 12
seed = 1

[policies.tellers]
agents = ["T1"]

[policies.others]
policy = "./tell_world.py:Recall"
agents = ["T2"]
config = {first = 2}

[checkpoint]
every = 4

[evaluate]
episodes = 6
"""


@pytest.fixture
def run(phantom: Callable[..., Any], guess_folder: Path) -> Path:
    (guess_folder / "tell_world.py").write_text(WORLD)
    (guess_folder / "tell.toml").write_text(RUN_FILE)
    outcome = phantom("train", "tell.toml")
    assert outcome.code == 0, outcome.err
    return Path(outcome.out.splitlines()[0].removeprefix("run directory: "))


def test_what_was_trained_is_evaluated_from_the_run(run: Path, phantom: Callable[..., Any]) -> None:
    outcome = phantom("evaluate", run)
    assert outcome.out.splitlines()[0] == "T1: mean 4.0 ± 0.0, from 4.0 to 4.0, 6 episodes"
    policies = ph.load_policies(run)
    assert {i: policy.state_dict()["table"].tolist() for i, policy in policies.items()} == {
        "tellers": [0, 1, 2],
        "others": [2, 2, 2],
    }
    assert all(isinstance(policy, ph.RecurrentPolicy) for policy in policies.values())


def test_a_checkpoint_of_it_is_evaluated(run: Path, phantom: Callable[..., Any]) -> None:
    checkpoint = min((run / "checkpoints").iterdir())
    assert phantom("evaluate", checkpoint).out.splitlines()[0].startswith("T1: mean ")
    policies = ph.load_policies(checkpoint)
    assert isinstance(policies["tellers"], ph.RecurrentPolicy)


def test_its_episodes_are_recorded(run: Path, phantom: Callable[..., Any]) -> None:
    assert phantom("record", run).code == 0
    episodes = list(read_recording(run / "episodes.jsonl"))
    assert [sum(step.rewards.get("T1", 0.0) for step in episode.steps) for episode in episodes] == [4.0] * 6
    world = replay(episodes[0])
    assert world.current_step == 5


def test_a_registered_recurrent_policy_plays_under_its_name(
    guess_folder: Path, fake_distribution: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_distribution("phantom-recall", {"phantom_core.policies": {"recall": "tell_world:Recall"}})
    (guess_folder / "tell_world.py").write_text(WORLD)
    monkeypatch.syspath_prepend(guess_folder)
    tell_world = importlib.import_module("tell_world")
    policies = {"tellers": ["T1"], "others": ("recall", ["T2"], {"first": 1})}
    results = ph.train(
        tell_world.RecallTrainer(), env=tell_world.TellEnv, policies=policies, num_iterations=3, seed=1
    )
    assert results.policies["others"].table.tolist() == [1, 1, 1]
    assert len(results.history) == 3
