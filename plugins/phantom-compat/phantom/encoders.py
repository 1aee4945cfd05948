"""From what an agent sees to its observation."""

from collections.abc import Iterable
from typing import Any, Generic, TypeVar

import phantom_core as ph

Observation = TypeVar("Observation")


class Encoder(ph.encoders.Encoder, Generic[Observation]):
    """Encodes what the agents that it is given to see."""

    def chain(self, others: "Encoder[Any] | Iterable[Any]") -> "ChainedEncoder":  # type: ignore[override]  # names of this package
        """Join this encoder with one or more others."""
        return ChainedEncoder([self, others])

    def __repr__(self) -> str:
        return repr(self.observation_space)

    def __str__(self) -> str:
        return str(self.observation_space)


class EmptyEncoder(ph.encoders.EmptyEncoder, Encoder[Any]):
    """One zero."""


class Constant(ph.encoders.ConstantEncoder, Encoder[Any]):
    """The same array in every step."""


class ChainedEncoder(ph.encoders.ChainedEncoder, Encoder[Any]):
    """Several encoders; the observation is the tuple of theirs."""

    def chain(self, others: Encoder[Any] | Iterable[Any]) -> "ChainedEncoder":  # type: ignore[override]  # likewise
        """Join these encoders with one or more others."""
        return ChainedEncoder([self.encoders, others])


class DictEncoder(ph.encoders.DictEncoder, Encoder[Any]):
    """Several encoders by name; the observation is the dict of theirs."""
