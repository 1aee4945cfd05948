"""`StrategicAgent`: an agent that observes, acts through a policy and is rewarded."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any, TypeVar

import gymnasium as gym

from phantom_core.errors import ConfigError, EnvError
from phantom_core.types import Action, AgentID, Observation
from phantom_core.world.agents import Agent, Context
from phantom_core.world.decoders import Decoder
from phantom_core.world.encoders import Encoder
from phantom_core.world.messages import MessageList
from phantom_core.world.reward_functions import RewardFunction
from phantom_core.world.samplers import SampledValues
from phantom_core.world.supertypes import Supertype

PartT = TypeVar("PartT", Encoder, Decoder, RewardFunction)


class StrategicAgent(Agent):
    """An agent that observes, acts through a policy and is rewarded.

    Set `observation_space` and `action_space` (as attributes or properties) and override
    `encode_observation`, `decode_action` and `compute_reward`; or pass an encoder, a decoder and a
    reward function, which provide the spaces. An overridden method takes precedence over such an object.
    """

    observation_space: gym.Space[Any] | None = None
    action_space: gym.Space[Any] | None = None

    def __init__(
        self,
        agent_id: AgentID,
        observation_encoder: Encoder | None = None,
        action_decoder: Decoder | None = None,
        reward_function: RewardFunction | None = None,
        supertype: Supertype | Mapping[str, Any] | None = None,
    ) -> None:
        """Create an agent.

        Args:
            agent_id: any hashable except `"__all__"`; its `repr` seeds the agent's random generators.
            observation_encoder: encodes the observations, and provides the observation space.
            action_decoder: converts actions to messages, and provides the action space.
            reward_function: computes the rewards.
            supertype: the agent's parameters, or a dict of the fields of its inner class `Supertype`.
                None for that class with its defaults, if there is one.

        Raises:
            ConfigError: if the id is reserved or not hashable, or an argument has the wrong type.
        """
        super().__init__(agent_id, supertype)
        self.observation_encoder = self._part(observation_encoder, Encoder, "observation_encoder")
        self.action_decoder = self._part(action_decoder, Decoder, "action_decoder")
        self.reward_function = self._part(reward_function, RewardFunction, "reward_function")
        cls = type(self)
        if self.observation_encoder is not None and _is_inherited(cls, "encode_observation"):
            _set_space(self, "observation_space", self.observation_encoder)
        if self.action_decoder is not None and _is_inherited(cls, "decode_action"):
            _set_space(self, "action_space", self.action_decoder)

    def begin_episode(self, episode_seed: int, values: SampledValues | None = None) -> None:
        """Called before `reset`: as for any agent, and reset encoder, decoder and reward function."""
        super().begin_episode(episode_seed, values)
        for part in (self.observation_encoder, self.action_decoder, self.reward_function):
            if part is not None:
                part.reset()

    def encode_observation(self, ctx: Context) -> Observation | None:
        """Return an element of the observation space, or None for no observation in this step."""
        if self.observation_encoder is None:
            raise self._missing("encode_observation", "observation_encoder")
        return self.observation_encoder.encode(ctx)

    def decode_action(self, ctx: Context, action: Action) -> MessageList | None:
        """Convert an element of the action space to messages to send; None for no messages."""
        if self.action_decoder is None:
            raise self._missing("decode_action", "action_decoder")
        return self.action_decoder.decode(ctx, action)

    def compute_reward(self, ctx: Context) -> float:
        """Return the reward for the current step."""
        if self.reward_function is None:
            raise self._missing("compute_reward", "reward_function")
        return self.reward_function.reward(ctx)

    def is_terminated(self, ctx: Context) -> bool:
        """Return whether the agent has reached a terminal state."""
        return False

    def is_truncated(self, ctx: Context) -> bool:
        """Return whether the episode is cut off for this agent, for example by a time limit."""
        return False

    def collect_infos(self, ctx: Context) -> dict[str, Any]:
        """Return additional information that the policy does not see; called with each observation."""
        return {}

    def _missing(self, method: str, part: str) -> EnvError:
        cls = type(self).__name__
        return EnvError(f"{self._name} has no {method}(). Override it in {cls}, or give it {part}=.")

    def _part(self, given: PartT | None, kind: type, argument: str) -> PartT | None:
        if given is None or isinstance(given, kind):
            return given
        raise ConfigError(f"{self._name} got {argument}={given!r}. Expected an object of {kind.__name__}.")


def _is_inherited(cls: type, method: str) -> bool:
    return getattr(cls, method) is getattr(StrategicAgent, method)


def _set_space(agent: StrategicAgent, name: str, part: Any) -> None:
    """Set the agent's space to that of an encoder or decoder, unless the class defines a property for it."""
    if not isinstance(getattr(type(agent), name), (property, cached_property)):
        setattr(agent, name, getattr(part, name))
