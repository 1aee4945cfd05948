"""Encoders convert the context of an agent to an observation. They can be combined in a chain or by name."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Any, TypeAlias

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from phantom_core.types import Observation
from phantom_core.world.agents import Context
from phantom_core.world.parts import flattened, named_parts

__all__ = ["ChainedEncoder", "ConstantEncoder", "DictEncoder", "EmptyEncoder", "Encoder"]


class Encoder(ABC):
    """Converts the context of an agent to an observation.

    Pass it to a `StrategicAgent` as `observation_encoder`; several agents may share one. Subclasses set
    `observation_space`, as a class attribute or a `cached_property`, and override `encode`.
    """

    @property
    @abstractmethod
    def observation_space(self) -> gym.Space[Any]:
        """The observation space; an agent reads it once, when it is created."""

    @abstractmethod
    def encode(self, ctx: Context) -> Observation:
        """Return an element of the observation space, or None for no observation in this step."""

    def chain(self, others: Encoders) -> ChainedEncoder:
        """Return an encoder of tuples: of this encoder, followed by the others."""
        return ChainedEncoder([self, others])

    def reset(self) -> None:
        """Called at the start of each episode, before the agent resets: clear the state."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.observation_space})"


Encoders: TypeAlias = "Encoder | Iterable[Encoders]"
"""An encoder, or a nested collection of encoders."""


class EmptyEncoder(Encoder):
    """Encodes every context as a float32 array [1] of zero, for agents that act without observations."""

    @cached_property
    def observation_space(self) -> gym.spaces.Box:
        """An unbounded `Box` of shape (1,)."""
        return gym.spaces.Box(-np.inf, np.inf, (1,), np.float32)

    def encode(self, ctx: Context) -> NDArray[np.float32]:
        """Return a zero."""
        return np.zeros(1, np.float32)


class ConstantEncoder(Encoder):
    """Encodes every context as the same float32 array."""

    def __init__(self, shape: tuple[int, ...], value: float = 0.0) -> None:
        self.shape = shape
        self.value = value

    @cached_property
    def observation_space(self) -> gym.spaces.Box:
        """An unbounded `Box` of the given shape."""
        return gym.spaces.Box(-np.inf, np.inf, self.shape, np.float32)

    def encode(self, ctx: Context) -> NDArray[np.float32]:
        """Return a new array filled with the value."""
        return np.full(self.shape, self.value, np.float32)


class ChainedEncoder(Encoder):
    """Encodes a context as a tuple of the observations of its encoders.

    Attributes:
        encoders: the encoders, in order. A chain inside the given collection counts as one encoder.
    """

    def __init__(self, encoders: Encoders) -> None:
        """Flatten the encoders; raise ConfigError if an element is not an encoder."""
        self.encoders: list[Encoder] = flattened(encoders, Encoder, type(self).__name__)

    @cached_property
    def observation_space(self) -> gym.spaces.Tuple[Any]:
        """The spaces of the encoders, in order."""
        return gym.spaces.Tuple([encoder.observation_space for encoder in self.encoders])

    def encode(self, ctx: Context) -> tuple[Observation, ...]:
        """Return the observation of each encoder."""
        return tuple([encoder.encode(ctx) for encoder in self.encoders])

    def chain(self, others: Encoders) -> ChainedEncoder:
        """Return a chain of these encoders, followed by the others."""
        return ChainedEncoder([self.encoders, others])

    def reset(self) -> None:
        """Reset every encoder."""
        for encoder in self.encoders:
            encoder.reset()


class DictEncoder(Encoder):
    """Encodes a context as a dict of the observations of its encoders, by name.

    Attributes:
        encoders: encoder by name.
    """

    def __init__(self, encoders: Mapping[str, Encoder]) -> None:
        """Copy the named encoders; raise ConfigError if they are no mapping from names to encoders."""
        self.encoders: dict[str, Encoder] = named_parts(encoders, Encoder, type(self).__name__)

    @cached_property
    def observation_space(self) -> gym.spaces.Dict:
        """The space of each encoder by its name."""
        return gym.spaces.Dict({name: part.observation_space for name, part in self.encoders.items()})

    def encode(self, ctx: Context) -> dict[str, Observation]:
        """Return the observation of each encoder by its name."""
        return {name: encoder.encode(ctx) for name, encoder in self.encoders.items()}

    def reset(self) -> None:
        """Reset every encoder."""
        for encoder in self.encoders.values():
            encoder.reset()
