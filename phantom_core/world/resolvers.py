"""In what order messages are delivered and answered: `Resolver` and `BatchResolver`."""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

from phantom_core.errors import ConfigError, ResolverError
from phantom_core.seeding import make_random
from phantom_core.types import AgentID
from phantom_core.world.context import Context
from phantom_core.world.messages import Message

if TYPE_CHECKING:
    from phantom_core.world.network import Network

MAX_ROUNDS = 1000
"""Rounds after which messages that still produce answers are taken for an endless exchange."""


class Inbox(Protocol):
    """Where the messages of one receiver are put."""

    def append(self, message: Any, /) -> None:
        """Take a message that was sent; the network has checked it."""


class Inboxes(Protocol):
    """The inboxes by receiver id."""

    def __getitem__(self, receiver_id: AgentID, /) -> Inbox:
        """Return the inbox of a receiver."""


class PushEach:
    """All inboxes of a resolver that wants to see each message: calls its `push`."""

    __slots__ = ("_resolver",)

    def __init__(self, resolver: Resolver) -> None:
        self._resolver = resolver

    def __getitem__(self, receiver_id: AgentID) -> PushEach:
        """Return the inbox of every receiver."""
        return self

    def append(self, message: Message[Any]) -> None:
        """Hand a message to the resolver."""
        self._resolver.push(message)


class Resolver(ABC):
    """Takes the messages that agents send, and delivers them when the step resolves.

    Attributes:
        undelivered: messages of this episode whose receiver had left it before they arrived.
        inboxes: where the network puts messages, with `inboxes[receiver_id].append(message)`; by default
            that calls `push`.
    """

    def __init__(self, *, enable_tracking: bool = False) -> None:
        self.undelivered = 0
        self.inboxes: Inboxes = PushEach(self)
        self._enable_tracking = enable_tracking
        self._tracked: list[Message[Any]] = []

    @property
    def enable_tracking(self) -> bool:
        """Whether every message that is sent is kept in `tracked_messages`."""
        return self._enable_tracking

    @enable_tracking.setter
    def enable_tracking(self, enable: bool) -> None:
        self._enable_tracking = enable

    @property
    def tracked_messages(self) -> list[Message[Any]]:
        """The messages sent since tracking began or was cleared, in order (a copy)."""
        return list(self._tracked)

    def clear_tracked_messages(self) -> None:
        """Forget the tracked messages."""
        self._tracked.clear()

    def begin_episode(self, episode_seed: int) -> None:
        """Called at the start of each episode, before the agents reset."""
        self.undelivered = 0
        self.reset()

    @abstractmethod
    def push(self, message: Message[Any]) -> None:
        """Take a message that was sent; the network has checked it."""

    @abstractmethod
    def resolve(self, network: Network, contexts: Mapping[AgentID, Context]) -> None:
        """Deliver all messages, and the answers to them, until none is left.

        Args:
            network: where answers are sent, with `network.send_all`.
            contexts: context by agent id, of the agents that are still in the episode. A message
                to any other agent is not delivered; count it in `undelivered`.
        """

    @abstractmethod
    def reset(self) -> None:
        """Drop the messages that were not delivered."""


class BatchResolver(Resolver):
    """Delivers in rounds: all messages of a round, one receiver's batch after the other.

    Receivers come in the order in which their first message was sent. Answers are delivered in the
    next round.
    """

    def __init__(
        self,
        *,
        enable_tracking: bool = False,
        round_limit: int | None = None,
        shuffle_batches: bool = False,
    ) -> None:
        """Set up the rounds.

        Args:
            enable_tracking: whether to keep every message in `tracked_messages`.
            round_limit: the most rounds in a step. More answers are an error. None: no limit, but
                after 1000 rounds the exchange is taken for endless, which is an error too.
            shuffle_batches: whether to shuffle each receiver's batch, from the episode's seed.

        Raises:
            ConfigError: if `round_limit` is not positive.
        """
        super().__init__(enable_tracking=enable_tracking)
        if round_limit is not None and round_limit < 1:
            msg = (
                f"BatchResolver got round_limit={round_limit}. Expected a positive number, or "
                "None for no limit."
            )
            raise ConfigError(msg)
        self.round_limit = round_limit
        self.shuffle_batches = shuffle_batches
        self._queue: defaultdict[AgentID, list[Message[Any]]] = defaultdict(list)
        self._open_queue()
        self._random = random.Random(0)  # noqa: S311  made anew in begin_episode

    def begin_episode(self, episode_seed: int) -> None:
        """Called at the start of each episode: seed the shuffling, drop old messages."""
        super().begin_episode(episode_seed)
        if self.shuffle_batches:
            self._random = make_random(episode_seed, "resolver")

    def push(self, message: Message[Any]) -> None:
        """Put the message into its receiver's batch of the next round."""
        if self.enable_tracking:
            self._tracked.append(message)
        self._queue[message.receiver_id].append(message)

    def resolve(self, network: Network, contexts: Mapping[AgentID, Context]) -> None:
        """Deliver round after round until nobody answers.

        Raises:
            ResolverError: if messages are left after the last allowed round.
        """
        queue, rounds = self._queue, 0
        limit = MAX_ROUNDS if self.round_limit is None else self.round_limit
        while queue:
            if rounds == limit:
                self._give_up(rounds)
            rounds += 1
            batches = list(queue.items())
            queue.clear()
            if self.shuffle_batches:
                for _, batch in batches:
                    self._random.shuffle(batch)
            self.undelivered += network.deliver(batches)

    def reset(self) -> None:
        """Drop the messages that were not delivered."""
        self._queue.clear()

    @property
    def enable_tracking(self) -> bool:
        """Whether every message that is sent is kept in `tracked_messages`."""
        return self._enable_tracking

    @enable_tracking.setter
    def enable_tracking(self, enable: bool) -> None:
        self._enable_tracking = enable
        self._open_queue()

    def _open_queue(self) -> None:
        """Let the network add to the queue itself, unless each message is to be seen by `push`."""
        is_pushed = self._enable_tracking or type(self).push is not BatchResolver.push
        self.inboxes = PushEach(self) if is_pushed else self._queue

    def _give_up(self, rounds: int) -> None:
        left = [message for batch in self._queue.values() for message in batch]
        self._queue.clear()
        first = left[0]
        named = f"{first.sender_id!r} → {first.receiver_id!r} {type(first.payload).__name__}"
        if self.round_limit is None:
            msg = (
                f"Agents were still answering one another after {rounds} rounds: {len(left)} messages are "
                f"undelivered, first: {named}. Stop replying in one of the two agents, or set a round_limit."
            )
        else:
            msg = (
                f"{len(left)} messages are still undelivered after {rounds} rounds "
                f"(round_limit={self.round_limit}), first: {named}. Raise round_limit or stop replying."
            )
        raise ResolverError(msg)


def check_resolver(resolver: object) -> None:
    """Refuse what is no resolver, or one that was not initialised.

    Raises:
        ConfigError: that says which.
    """
    if not isinstance(resolver, Resolver):
        raise ConfigError(
            f"The network got resolver={resolver!r}. Expected an object of a ph.Resolver, such as "
            "ph.BatchResolver()."
        )
    if not hasattr(resolver, "inboxes"):
        cls = type(resolver).__name__
        raise ConfigError(f"{cls} was not initialised. Call super().__init__() in {cls}.__init__.")
