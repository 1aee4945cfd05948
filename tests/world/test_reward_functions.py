"""Rewards as objects, and the objects that a strategic agent is put together from."""

from typing import Any

import gymnasium as gym
import numpy as np
import pytest

import phantom_core as ph


class Half(ph.reward_functions.RewardFunction):
    num_resets = 0

    def reward(self, ctx: ph.Context) -> float:
        return 0.5

    def reset(self) -> None:
        self.num_resets += 1


class Step(ph.encoders.Encoder):
    """Encodes how often it encoded in this episode."""

    observation_space = gym.spaces.Discrete(100)
    count = 0

    def encode(self, ctx: ph.Context) -> int:
        self.count += 1
        return self.count

    def reset(self) -> None:
        self.count = 0


class Nothing(ph.decoders.Decoder):
    action_space = gym.spaces.Discrete(2)

    def decode(self, ctx: ph.Context, action: Any) -> None:
        """Send nothing."""


CTX: Any = None


def test_a_chain_of_rewards_is_their_sum() -> None:
    half = Half()
    three, minus_one = ph.reward_functions.ConstantReward(3.0), ph.reward_functions.ConstantReward(-1.0)
    assert three.chain([half, [minus_one]]).reward(CTX) == 2.5
    assert half.chain(half).chain(half).reward(CTX) == 1.5
    half.chain(half).reset()
    assert half.num_resets == 2
    assert ph.reward_functions.ConstantReward().reward(CTX) == 0.0


def test_an_agent_is_put_together_from_its_parts() -> None:
    encoder, decoder, reward = Step(), Nothing(), Half()
    agent = ph.StrategicAgent("A", encoder, decoder, reward)
    assert agent.observation_space is Step.observation_space
    assert agent.action_space is Nothing.action_space
    env = ph.PhantomEnv(2, ph.Network([agent]))
    assert env.reset(1)[0] == {"A": 1}
    result = env.step({"A": 1})
    assert (result.observations, result.rewards) == ({"A": 2}, {"A": 0.5})


def test_parts_are_reset_at_each_episode_even_if_the_agent_forgets_super() -> None:
    class Forgetful(ph.StrategicAgent):
        def reset(self) -> None:
            """Do nothing, and call no super."""

    reward = Half()
    env = ph.PhantomEnv(2, ph.Network([Forgetful("A", Step(), Nothing(), reward)]))
    for episode in (1, 2):
        assert env.reset(1)[0] == {"A": 1}
        assert reward.num_resets == episode
        env.step({})


def test_an_overridden_method_counts_for_more_than_an_object() -> None:
    class Own(ph.StrategicAgent):
        observation_space = action_space = gym.spaces.Discrete(7)

        def encode_observation(self, ctx: ph.Context) -> int:
            return 6

        def decode_action(self, ctx: ph.Context, action: Any) -> None:
            """Send nothing."""

        def compute_reward(self, ctx: ph.Context) -> float:
            return 6.0

    agent = Own("A", Step(), Nothing(), Half())
    assert (agent.encode_observation(CTX), agent.compute_reward(CTX)) == (6, 6.0)
    assert agent.observation_space == agent.action_space == gym.spaces.Discrete(7)


def test_an_object_counts_for_more_than_an_attribute_of_the_class_but_not_than_a_property() -> None:
    class Attribute(ph.StrategicAgent):
        observation_space = gym.spaces.Discrete(7)

    class Property(ph.StrategicAgent):
        @property
        def observation_space(self) -> gym.Space[Any]:  # type: ignore[override]
            return gym.spaces.Box(0, 1, (1,), np.float32)

    assert Attribute("A", Step()).observation_space is Step.observation_space
    assert Property("A", Step()).observation_space == gym.spaces.Box(0, 1, (1,), np.float32)
    assert Attribute.observation_space == gym.spaces.Discrete(7)


def test_an_agent_asks_for_a_space_once() -> None:
    class Costly(Step):
        num_spaces = 0

        @property
        def observation_space(self) -> gym.Space[Any]:  # type: ignore[override]
            self.num_spaces += 1
            return gym.spaces.Discrete(100)

    encoder = Costly()
    agent = ph.StrategicAgent("A", encoder, Nothing(), Half())
    env = ph.PhantomEnv(2, ph.Network([agent]))
    for _ in range(3):
        assert env.observation_spaces == {"A": gym.spaces.Discrete(100)}
    assert encoder.num_spaces == 1


def test_a_part_of_the_wrong_kind_is_refused() -> None:
    with pytest.raises(ph.errors.ConfigError) as caught:
        ph.StrategicAgent("A", action_decoder=Half())  # type: ignore[arg-type]
    assert str(caught.value).startswith("StrategicAgent 'A' got action_decoder=<")
    assert str(caught.value).endswith(">. Expected an object of Decoder.")
