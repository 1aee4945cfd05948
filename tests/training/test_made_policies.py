"""`make_policies` makes policies for an env as a run does, and says what is missing."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import pytest

import phantom_core as ph


class Shop(ph.StrategicAgent):
    observation_space = gym.spaces.Discrete(2)
    action_space = gym.spaces.Discrete(2)

    def decode_action(self, ctx: ph.Context, action: Any) -> None:
        pass

    def encode_observation(self, ctx: ph.Context) -> int:
        return 0

    def compute_reward(self, ctx: ph.Context) -> float:
        return 1.0


def market() -> ph.PhantomEnv:
    return ph.PhantomEnv(num_steps=2, network=ph.Network([Shop("A"), Shop("B"), ph.Agent("C")]))


def test_policies_are_made_from_names_classes_and_instances() -> None:
    instance = ph.ConstantPolicy(Shop.observation_space, Shop.action_space, action=1)
    made = ph.make_policies(market(), {"one": ("random", ["A"]), "two": (instance, ["B"])})
    assert made.policy_by_agent == {"A": "one", "B": "two"}
    assert type(made.policies["one"]) is ph.RandomPolicy
    assert made.policies["two"] is instance
    assert made.specs["one"].agents == ["A"]


def test_a_policy_that_is_left_to_a_trainer_is_refused() -> None:
    with pytest.raises(ph.errors.PolicyMappingError) as caught:
        ph.make_policies(market(), {"all": Shop})
    assert str(caught.value) == (
        "There is no policy in 'all', and no trainer whose policy could be taken. Give one with the agents: "
        "('random', agents), (MyPolicy, agents) or (policy, agents)."
    )


def test_an_agent_without_a_policy_is_named() -> None:
    with pytest.raises(ph.errors.PolicyMappingError) as caught:
        ph.make_policies(market(), {"one": ("random", ["A"])})
    assert str(caught.value).startswith("There is no policy for 'B'.")
