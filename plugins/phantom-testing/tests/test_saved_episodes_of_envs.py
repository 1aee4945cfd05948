"""The doctor moves an episode of an env that says that it saves its episodes, and sees what was forgotten."""

from collections.abc import Mapping
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

import phantom_core as ph
from phantom_testing import diagnose

NUM_STEPS = 8


class Saver(ph.StrategicAgent):
    """Has an account, and counts what it did."""

    observation_space = gym.spaces.Box(-1000.0, 1000.0, (2,), np.float32)
    action_space = gym.spaces.Discrete(3)

    def reset(self) -> None:
        self.saved, self.steps = self.random.random(), 0

    def decode_action(self, ctx: ph.Context, action: Any) -> None:
        self.saved += int(action) * self.random.random()
        self.steps += 1

    def encode_observation(self, ctx: ph.Context) -> Any:
        return np.array([self.saved, self.steps], np.float32)

    def compute_reward(self, ctx: ph.Context) -> float:
        return float(self.saved)


class Bank(ph.PhantomEnv):
    """Saves its episodes, and nothing is wrong with it."""

    saves_episodes = True
    kept: tuple[str, ...] = ("saved", "steps")

    def __init__(self) -> None:
        super().__init__(NUM_STEPS, ph.Network([Saver("A"), Saver("B")]))

    def state_dict(self) -> dict[str, Any]:
        agents: Mapping[Any, Any] = self.agents
        return {i: {name: getattr(agent, name, 0) for name in self.kept} for i, agent in agents.items()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        for agent_id, own in state.items():
            vars(self[agent_id]).update(own)


class ForgetsSteps(Bank):
    kept = ("saved",)


class Refuses(Bank):
    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        if any(0 < own["steps"] < NUM_STEPS for own in state.values()):
            raise KeyError("steps")


REFUSED_LINE = Refuses.load_state_dict.__code__.co_firstlineno + 2


class Unsavable(Bank):
    def state_dict(self) -> dict[str, Any]:
        return {"savers": {1}} if 0 < self.current_step < NUM_STEPS else {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        assert not state


def found_in(env: type[Any]) -> list[str]:
    return [f"{finding.severity} {finding.check}: {finding}" for finding in diagnose(env).findings]


def test_an_env_that_saves_all_is_well() -> None:
    assert found_in(Bank) == []


def test_what_a_state_lacks_is_found() -> None:
    (found,) = diagnose(ForgetsSteps).findings
    assert (found.check, found.agent_id, found.step) == ("incomplete-episode-state", "A", 5)
    assert found.message == (
        "an episode that goes on in a new env, from where state_dict() says that it stands, goes on "
        "differently in what it observes: array([1.570698857307434, 1.0], float32) instead of "
        "array([1.570698857307434, 5.0], float32). Let state_dict() return, and load_state_dict() restore, "
        "everything that changes in an episode, or do not set saves_episodes."
    )


@pytest.mark.parametrize(
    ("env", "sentence"),
    [
        (
            Refuses,
            (
                "load_state_dict() of a new env raised KeyError: 'steps' (test_saved_episodes_of_envs.py, "
                f"line {REFUSED_LINE}, in load_state_dict) in step 4 of an episode. Let it take what "
                "state_dict() returned."
            ),
        ),
        (
            Unsavable,
            (
                "what state_dict() returned cannot be saved: state.env.savers is {1} (set). Expected NumPy "
                "arrays and JSON values in dicts with str keys."
            ),
        ),
    ],
)
def test_an_episode_that_cannot_be_moved_is_found(env: type[Any], sentence: str) -> None:
    assert found_in(env) == [f"error unrestorable-state: {sentence}"]
