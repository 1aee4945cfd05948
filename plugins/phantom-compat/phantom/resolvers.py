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
        super().__init__(enable_tracking)
        self.round_limit = round_limit
        self.shuffle_batches = shuffle_batches
        self.messages: defaultdict[AgentID, list[Message[Any]]] = defaultdict(list)

    def __init_subclass__(cls, **kwargs: object) -> None:
        """Ask `handle_push` for every message where a subclass overrides it."""
        super().__init_subclass__(**kwargs)
        if "handle_push" in vars(cls) and "push" not in vars(cls):
            cls.push = Resolver.push  # type: ignore[method-assign]  # the long way

    def push(self, message: Any) -> None:
        """Put a message into its receiver's batch of the next round."""
        if self.enable_tracking or logger.is_on:
            super().push(message)
        else:
            self.messages[message.receiver_id].append(message)

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
        rounds, send_all = 0, network.send_all
        is_plain = not (self.shuffle_batches or logger.is_on or network.may_lose_messages)
        while self.messages and rounds != self.round_limit:
            rounds += 1
            if logger.is_on:
                logger.log_resolver_round(rounds - 1, self.round_limit)
            batches, self.messages = self.messages, defaultdict(list)
            for receiver_id, batch in batches.items():
                ctx = contexts.get(receiver_id)
                if ctx is None:
                    continue
                handlers = ctx.agent.direct_handlers
                if handlers is None or not is_plain or network.version != network.resolved_version:
                    answers = self._deliver(network, ctx, batch)
                    if answers:
                        send_all(receiver_id, answers)
                    continue
                for message in batch:  # the same as handle_batch, without the calls
                    handler = handlers.get(message.payload.__class__)
                    if handler is None:
                        answers = ctx.agent.handle_message(ctx, message)
                    else:
                        answers = handler(ctx.agent, ctx, message)
                    if answers:
                        send_all(receiver_id, answers)
        if self.messages:
            self._give_up(rounds)

    def _deliver(self, network: "Network", ctx: Context, batch: list[Message[Any]]) -> Any:
        """Hand over what can be delivered, shuffled if that is wanted; return the answers."""
        if network.may_lose_messages or network.version != network.resolved_version:
            batch = [m for m in batch if network.has_edge(m.sender_id, m.receiver_id)]
        if self.shuffle_batches:
            np.random.shuffle(batch)  # type: ignore[arg-type]  # it shuffles lists too
        return ctx.agent.handle_batch(ctx, batch)

    def _give_up(self, rounds: int) -> None:
        left = sum(len(batch) for batch in self.messages.values())
        self.messages.clear()
        raise RuntimeError(
            f"{left} message(s) still in queue after {rounds} rounds (round_limit={self.round_limit})."
        )
