"""Who exists: `Agent` handles messages; `StrategicAgent` also observes, acts and is rewarded."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, ClassVar, TypeAlias, TypeVar

import gymnasium as gym

import phantom_core as ph
from phantom.context import Context
from phantom.decoders import Decoder
from phantom.encoders import Encoder
from phantom.message import Message
from phantom.reward_functions import RewardFunction
from phantom.supertype import Supertype
from phantom.telemetry import logger
from phantom.types import AgentID

Action = TypeVar("Action")
Observation = TypeVar("Observation")
MessageList: TypeAlias = list[tuple[AgentID, Any]]
Handler: TypeAlias = Callable[[Any, Any, Any], Iterable[tuple[AgentID, Any]] | None]
HandlerT = TypeVar("HandlerT", bound=Callable[..., Any])


def msg_handler(message_type: type) -> Callable[[HandlerT], HandlerT]:
    """Make a method the handler of messages with payloads of exactly this class."""

    def decorate(method: HandlerT) -> HandlerT:
        method._message_type = message_type  # type: ignore[attr-defined]  # the mark, the outermost one counts
        return method

    return decorate


def _handlers_of(cls: type) -> dict[type, tuple[Handler, ...]]:
    """Return the handlers by payload class, in alphabetical order of their names."""
    table: dict[type, tuple[Handler, ...]] = {}
    for name in dir(cls):
        method = getattr(cls, name)
        if hasattr(method, "_message_type") and callable(method):
            table[method._message_type] = (*table.get(method._message_type, ()), method)
    return table


class Agent(ph.Agent):
    """A member of the world. Subclasses may have an inner class `Supertype`."""

    _handlers_by_payload: ClassVar[dict[type, tuple[Handler, ...]]] = {}

    def __init_subclass__(cls, **kwargs: object) -> None:
        """Collect the handlers of the class once."""
        super().__init_subclass__(**kwargs)
        cls._handlers_by_payload = table = _handlers_of(cls)
        cls.direct_handlers = None
        if cls.handle_batch is Agent.handle_batch and cls.handle_message is Agent.handle_message:
            cls.direct_handlers = {kind: found[0] for kind, found in table.items() if len(found) == 1}

    def __init__(self, agent_id: AgentID, supertype: Supertype | None = None) -> None:
        super().__init__(agent_id)
        self.supertype: Any = supertype
        del self.type  # there is none before the first reset

    def begin_episode(self, episode_seed: int, values: Any = None) -> None:
        """Leave the attributes alone: programs draw from NumPy's global generator, or from their own."""

    def reset(self) -> None:
        """Called at the start of each episode: draw `type` from the supertype, if there is one.

        Raises:
            Exception: if there is none, and the class `Supertype` cannot be made without arguments.
        """
        if self.supertype is not None:
            self.type = self.supertype.sample()
        elif hasattr(type(self), "Supertype"):
            try:
                self.type = type(self).Supertype().sample()  # type: ignore[attr-defined]  # asked above
            except TypeError as error:
                raise Exception(  # noqa: TRY002  programs expect a plain Exception
                    f"Agent {self.id!r} has no supertype, and {type(self).__name__}.Supertype() needs "
                    f"arguments: {error}. Give the agent a supertype, or each field a default."
                ) from error

    def handle_batch(self, ctx: Context, batch: Sequence[Message[Any]]) -> MessageList:  # type: ignore[override]  # its contexts
        """Handle the messages of one round, one after the other; return all answers."""
        if logger.is_on:
            for message in batch:
                logger.log_msg_recv(message)
        responses: MessageList = []
        for message in batch:
            answers = self.handle_message(ctx, message)
            if answers is not None:
                responses += answers
        return responses

    def handle_message(self, ctx: Context, message: Message[Any]) -> MessageList:  # type: ignore[override]  # likewise
        """Handle one message with every method decorated for exactly its payload class.

        Raises:
            ValueError: if there is none.
        """
        handlers = self._handlers_by_payload.get(type(message.payload))
        if handlers is None:
            raise ValueError(
                f"Agent {self.id!r} has no handler for {type(message.payload).__name__} "
                f"(from {message.sender_id!r} to {message.receiver_id!r}). Write a method decorated with "
                f"@msg_handler({type(message.payload).__name__})."
            )
        return [pair for handler in handlers for pair in handler(self, ctx, message) or ()]

    def generate_messages(self, ctx: Context) -> MessageList:  # type: ignore[override]  # likewise
        """Called when the agent has no action: return messages to send."""
        return []

    def __repr__(self) -> str:
        return f"[{type(self).__name__} {self.id}]"


class StrategicAgent(Agent, ph.StrategicAgent):
    """An agent that acts through a policy; encoder, decoder and reward function stand for its methods."""

    def __init__(
        self,
        agent_id: AgentID,
        observation_encoder: Encoder[Any] | None = None,
        action_decoder: Decoder[Any] | None = None,
        reward_function: RewardFunction | None = None,
        supertype: Supertype | None = None,
    ) -> None:
        Agent.__init__(self, agent_id, supertype)
        self.observation_encoder: Any = observation_encoder
        self.action_decoder: Any = action_decoder
        self.reward_function: Any = reward_function
        if action_decoder is not None:
            self.action_space: gym.Space[Any] | None = action_decoder.action_space
        if observation_encoder is not None:
            self.observation_space: gym.Space[Any] | None = observation_encoder.observation_space

    def begin_episode(self, episode_seed: int, values: Any = None) -> None:
        """Start encoder, decoder and reward function anew, also where `reset` is overridden."""
        for part in (self.observation_encoder, self.action_decoder, self.reward_function):
            if part is not None:
                part.reset()

    def encode_observation(self, ctx: Context) -> Any:  # type: ignore[override]  # likewise
        """Return what the encoder makes of the context; None: no observation in this step."""
        if self.observation_encoder is None:
            raise self._lacks("encode_observation", "observation_encoder")
        return self.observation_encoder.encode(ctx)

    def decode_action(self, ctx: Context, action: Any) -> MessageList | None:  # type: ignore[override]  # likewise
        """Return the messages that the decoder makes of the action."""
        if self.action_decoder is None:
            raise self._lacks("decode_action", "action_decoder")
        messages: MessageList | None = self.action_decoder.decode(ctx, action)
        return messages

    def compute_reward(self, ctx: Context) -> float:  # type: ignore[override]  # likewise
        """Return what the reward function makes of the context."""
        if self.reward_function is None:
            raise self._lacks("compute_reward", "reward_function")
        reward: float = self.reward_function.reward(ctx)
        return reward

    def _lacks(self, method: str, argument: str) -> NotImplementedError:
        return NotImplementedError(
            f"Agent {self.id!r} has neither {method}() nor {argument}. Override the one in "
            f"{type(self).__name__}, or pass the other."
        )
