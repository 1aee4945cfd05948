"""Decoders convert an action to the messages to send. They can be combined in a chain or by name."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Any, TypeAlias

import gymnasium as gym
import numpy as np

from phantom_core.errors import EnvError, listing
from phantom_core.types import Action, AgentID
from phantom_core.world.agents import Context
from phantom_core.world.messages import MessageList
from phantom_core.world.parts import flattened, named_parts

__all__ = ["ChainedDecoder", "Decoder", "DictDecoder", "EmptyDecoder"]


class Decoder(ABC):
    """Converts the action of an agent to the messages that it sends.

    Pass it to a `StrategicAgent` as `action_decoder`; several agents may share one. Subclasses set
    `action_space`, as a class attribute or a `cached_property`, and override `decode`.
    """

    @property
    @abstractmethod
    def action_space(self) -> gym.Space[Any]:
        """The action space; an agent reads it once, when it is created."""

    @abstractmethod
    def decode(self, ctx: Context, action: Action) -> MessageList | None:
        """Convert an element of the action space to messages to send; None for no messages."""

    def chain(self, others: Decoders) -> ChainedDecoder:
        """Return a decoder of tuples: for this decoder, followed by the others."""
        return ChainedDecoder([self, others])

    def reset(self) -> None:
        """Called at the start of each episode, before the agent resets: clear the state."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.action_space})"


Decoders: TypeAlias = "Decoder | Iterable[Decoders]"
"""A decoder, or a nested collection of decoders."""


class EmptyDecoder(Decoder):
    """Sends no messages; its actions are empty float32 arrays [0]."""

    @cached_property
    def action_space(self) -> gym.spaces.Box:
        """A `Box` of shape (0,)."""
        return gym.spaces.Box(-np.inf, np.inf, (0,), np.float32)

    def decode(self, ctx: Context, action: Action) -> MessageList:
        """Return no messages."""
        return []


class ChainedDecoder(Decoder):
    """Decodes a tuple of sub-actions, one per decoder; the messages of all decoders are sent, in order.

    Attributes:
        decoders: the decoders, in order. A chain inside the given collection counts as one decoder.
    """

    def __init__(self, decoders: Decoders) -> None:
        """Flatten the decoders; raise ConfigError if an element is not a decoder."""
        self.decoders: list[Decoder] = flattened(decoders, Decoder, type(self).__name__)

    @cached_property
    def action_space(self) -> gym.spaces.Tuple[Any]:
        """The spaces of the decoders, in order."""
        return gym.spaces.Tuple([decoder.action_space for decoder in self.decoders])

    def decode(self, ctx: Context, action: Action) -> MessageList:
        """Return all messages; raise EnvError if the numbers of sub-actions and decoders differ."""
        if len(action) != len(self.decoders):
            raise EnvError(
                f"The action of {ctx.agent.id!r} is {action!r}, which has {len(action)} sub-actions. "
                f"Expected one for each of its {len(self.decoders)} chained decoders: an element of "
                f"{self.action_space}."
            )
        messages: list[tuple[AgentID, Any]] = []
        for decoder, sub_action in zip(self.decoders, action, strict=True):
            messages += decoder.decode(ctx, sub_action) or ()
        return messages

    def chain(self, others: Decoders) -> ChainedDecoder:
        """Return a chain of these decoders, followed by the others."""
        return ChainedDecoder([self.decoders, others])

    def reset(self) -> None:
        """Reset every decoder."""
        for decoder in self.decoders:
            decoder.reset()


class DictDecoder(Decoder):
    """Decodes a dict of sub-actions, one per decoder; the messages of all decoders are sent.

    Attributes:
        decoders: decoder by name; messages come in the order of this dict.
    """

    def __init__(self, decoders: Mapping[str, Decoder]) -> None:
        """Copy the named decoders; raise ConfigError if they are no mapping from names to decoders."""
        self.decoders: dict[str, Decoder] = named_parts(decoders, Decoder, type(self).__name__)

    @cached_property
    def action_space(self) -> gym.spaces.Dict:
        """The space of each decoder by its name."""
        return gym.spaces.Dict({name: part.action_space for name, part in self.decoders.items()})

    def decode(self, ctx: Context, action: Action) -> MessageList:
        """Return all messages; raise EnvError if a sub-action is missing, or has no decoder."""
        if action.keys() != self.decoders.keys():
            raise EnvError(
                f"The action of {ctx.agent.id!r} has sub-actions for {listing(action)}. Expected one for "
                f"each of: {listing(self.decoders)}."
            )
        messages: list[tuple[AgentID, Any]] = []
        for name, decoder in self.decoders.items():
            messages += decoder.decode(ctx, action[name]) or ()
        return messages

    def reset(self) -> None:
        """Reset every decoder."""
        for decoder in self.decoders.values():
            decoder.reset()
