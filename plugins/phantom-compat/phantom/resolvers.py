"""In what order messages are delivered and answered."""

from abc import abstractmethod
from collections import defaultdict
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

import phantom_core as ph
from phantom.context import Context
from phantom.message import Message
from phantom.telemetry import logger
from phantom.types import AgentID

if TYPE_CHECKING:
    from phantom.network import Network


class Resolver(ph.Resolver):
    """Takes the messages that agents send (`handle_push`) and delivers them (`resolve`)."""

    def __init__(self, enable_tracking: bool = False) -> None:
        super().__init__(enable_tracking=enable_tracking)
        self._sent: list[Message[Any]] = []

    @property
    def tracked_messages(self) -> list[Any]:
        """The messages sent since tracking began or was cleared: the list itself."""
        return self._sent

    def clear_tracked_messages(self) -> None:
        """Forget the tracked messages."""
        self._sent.clear()

    def push(self, message: Any) -> None:
        """Take a message that was sent."""
        if self.enable_tracking:
            self._sent.append(message)
        if logger.is_on:
            logger.log_msg_send(message)
        self.handle_push(message)

    @abstractmethod
    def handle_push(self, message: Message[Any]) -> None:
        """Keep a message until `resolve`."""

    @abstractmethod
    def resolve(self, network: "Network", contexts: Mapping[AgentID, Context]) -> None:  # type: ignore[override]  # the predecessor's classes
        """Deliver the messages to the agents that have a context; send answers with `network.send`."""

    @abstractmethod
    def reset(self) -> None:
        """Drop the messages that were not delivered; tracked ones stay."""


class BatchResolver(Resolver):
    """Delivers in rounds: all messages of a round, one receiver's batch after the other.

    Attributes:
        messages: the messages of the next round, by receiver.
        round_limit: the most rounds in a step; None: no limit.
        shuffle_batches: whether each batch is shuffled by NumPy's global generator.
    """

    def __init__(
        self,
        enable_tracking: bool = False,
        round_limit: int | None = None,
        shuffle_batches: bool = False,
    ) -> None:
        self.messages: defaultdict[AgentID, list[Message[Any]]] = defaultdict(list)
        super().__init__(enable_tracking)
        self.enable_tracking = enable_tracking
        self.round_limit = round_limit
        self.shuffle_batches = shuffle_batches

    @property
    def enable_tracking(self) -> bool:
        """Whether every message that is sent is kept in `tracked_messages`."""
        return self._is_tracking

    @enable_tracking.setter
    def enable_tracking(self, enable: bool) -> None:
        self._is_tracking = enable
        is_seen = enable or type(self).handle_push is not _HANDLE_PUSH
        self._open_inboxes = self._push_each if is_seen else self.messages

    @property
    def inboxes(self) -> Any:
        """Where the network puts messages: into `messages`, unless each has to go through `push`."""
        return self._push_each if logger.is_on else self._open_inboxes

    @inboxes.setter
    def inboxes(self, push_each: Any) -> None:
        """Take what the core made to call `push` for each message."""
        self._push_each = push_each

    def handle_push(self, message: Message[Any]) -> None:
        """Put a message into its receiver's batch of the next round."""
        self.messages[message.receiver_id].append(message)

    def reset(self) -> None:
        """Drop the messages that were not delivered."""
        self.messages.clear()

    def resolve(self, network: "Network", contexts: Mapping[AgentID, Context]) -> None:  # type: ignore[override]  # likewise
        """Deliver round after round until nobody answers.

        Raises:
            RuntimeError: if messages are left after the last allowed round.
        """
        messages, rounds, limit = self.messages, 0, self.round_limit
        own: object = network.contexts
        is_usual = contexts is network.everybody or contexts is own
        is_plain = is_usual and not (self.shuffle_batches or network.is_special or logger.is_on)
        while messages and rounds != limit:
            if is_plain and network.version == network.resolved_version:
                batches = list(messages.items())
                messages.clear()
                network.deliver(batches)  # type: ignore[arg-type]  # messages of this package
            else:
                self._play_round(network, contexts, rounds)
            rounds += 1
        if messages:
            left = sum(len(batch) for batch in messages.values())
            messages.clear()
            raise RuntimeError(
                f"{left} message(s) still in queue after {rounds} rounds (round_limit={self.round_limit})."
            )

    def _play_round(self, network: "Network", contexts: Mapping[AgentID, Context], index: int) -> None:
        """Deliver one round where something is filtered, shuffled or logged."""
        if logger.is_on:
            logger.log_resolver_round(index, self.round_limit)
        batches = list(self.messages.items())
        self.messages.clear()
        for receiver_id, batch in batches:
            if receiver_id in contexts:
                network.send_all(receiver_id, self._deliver(network, contexts[receiver_id], batch))

    def _deliver(self, network: "Network", ctx: Context, batch: list[Message[Any]]) -> Any:
        """Hand over what can be delivered, shuffled if that is wanted; return the answers."""
        if network.is_special or network.version != network.resolved_version:
            batch = [m for m in batch if network.has_edge(m.sender_id, m.receiver_id)]
        if self.shuffle_batches:
            np.random.shuffle(batch)  # type: ignore[arg-type]  # it shuffles lists too
        return ctx.agent.handle_batch(ctx, batch)


_HANDLE_PUSH = BatchResolver.handle_push
