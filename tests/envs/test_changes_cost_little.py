"""A step in which one agent or connection changes costs less than two static steps: calls are counted."""

import sys
from collections.abc import Callable
from typing import Any

import gymnasium as gym
import pytest

import phantom_core as ph


class Worker(ph.StrategicAgent):
    """Does nothing."""

    observation_space = action_space = gym.spaces.Discrete(2)

    def decode_action(self, ctx: ph.Context, action: int) -> None:
        """Do nothing."""

    def encode_observation(self, ctx: ph.Context) -> int:
        return 0

    def compute_reward(self, ctx: ph.Context) -> float:
        return 1.0


class Plant(ph.PhantomEnv):
    """Five hundred workers; something changes in each step."""

    def __init__(self, change: Callable[[ph.Network, bool], object]) -> None:
        self.change, self.is_odd = change, False
        super().__init__(100, ph.Network([Worker(f"W{number}") for number in range(500)]))

    def pre_message_resolution(self) -> None:
        super().pre_message_resolution()
        self.is_odd = not self.is_odd
        self.change(self.network, self.is_odd)


CHANGES: dict[str, Callable[[ph.Network, bool], object]] = {
    "an agent": lambda network, is_odd: (
        network.add_agent(ph.Agent("NEW")) if is_odd else network.remove_agent("NEW")
    ),
    "a strategic agent": lambda network, is_odd: (
        network.add_agent(Worker("NEW")) if is_odd else network.remove_agent("NEW")
    ),
    "a connection": lambda network, is_odd: (
        network.add_connection("W1", "W2") if is_odd else network.remove_connection("W1", "W2")
    ),
}


def calls_in_four_steps(change: Callable[[ph.Network, bool], object]) -> int:
    """Return how many functions of Python and C four steps call, after two others."""
    env = Plant(change)
    env.reset(seed=1)
    count = 0

    def note(_frame: Any, event: str, _argument: Any) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    for step in range(6):
        actions = dict.fromkeys(env.strategic_agent_ids, 0)
        before = sys.getprofile()
        if step > 1:
            sys.setprofile(note)
        try:
            env.step(actions)
        finally:
            sys.setprofile(before)
    return count


@pytest.mark.parametrize("what", CHANGES)
def test_one_change_in_each_step_costs_less_than_two_static_steps(what: str) -> None:
    static = calls_in_four_steps(lambda _network, _is_odd: None)
    assert calls_in_four_steps(CHANGES[what]) < 2 * static
