"""What a network tells whoever follows its messages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, TypeAlias

from phantom_core.types import AgentID
from phantom_core.world.messages import Message

Batches: TypeAlias = Sequence[tuple[AgentID, Sequence[Message[Any]]]]
"""The messages of one round: pairs of a receiver's id and what it gets."""


class RoundWatch(Protocol):
    """Follows the messages of a network."""

    def on_round(self, batches: Batches) -> None:
        """Called before the messages of a round are delivered."""
