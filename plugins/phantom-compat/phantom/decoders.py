"""From an action to the messages that it sends."""

from collections.abc import Iterable
from typing import Any, Generic, TypeVar

import phantom_core as ph
from phantom.types import AgentID

Action = TypeVar("Action")
Messages = list[tuple[AgentID, Any]]


class Decoder(ph.decoders.Decoder, Generic[Action]):
    """Decodes the actions of the agents that it is given to."""

    def chain(self, others: "Decoder[Any] | Iterable[Any]") -> "ChainedDecoder":  # type: ignore[override]  # names of this package
        """Join this decoder with one or more others."""
        return ChainedDecoder([self, others])

    def __repr__(self) -> str:
        return repr(self.action_space)

    def __str__(self) -> str:
        return str(self.action_space)


class EmptyDecoder(ph.decoders.EmptyDecoder, Decoder[Any]):
    """Sends nothing."""


class ChainedDecoder(ph.decoders.ChainedDecoder, Decoder[Any]):
    """Several decoders, each for one part of a tuple; parts without a decoder are left out."""

    def decode(self, ctx: Any, action: tuple[Any, ...]) -> Messages:
        """Return the messages of all parts, in order."""
        parts = zip(self.decoders, action, strict=False)
        return [pair for decoder, part in parts for pair in decoder.decode(ctx, part) or ()]

    def chain(self, others: Decoder[Any] | Iterable[Any]) -> "ChainedDecoder":  # type: ignore[override]  # likewise
        """Join these decoders with one or more others."""
        return ChainedDecoder([self.decoders, others])


class DictDecoder(ph.decoders.DictDecoder, Decoder[Any]):
    """Several decoders by name, each for the part of a dict that has its name."""

    def decode(self, ctx: Any, action: dict[str, Any]) -> Messages:
        """Return the messages of all parts, in the order of the decoders."""
        decoders = self.decoders.items()
        return [pair for name, decoder in decoders for pair in decoder.decode(ctx, action[name]) or ()]
