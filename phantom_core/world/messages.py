"""What agents send: `Message`, and `msg_payload`, which says who may send and receive a payload."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Generic, TypeAlias, TypeVar, cast, dataclass_transform, overload

from phantom_core.errors import ConfigError
from phantom_core.types import AgentID

PayloadT = TypeVar("PayloadT")
ClassT = TypeVar("ClassT", bound=type)

AgentType: TypeAlias = type | str
"""An agent class, or the name of one (for classes that are defined later)."""


@dataclass(slots=True)
class Message(Generic[PayloadT]):
    """One message on its way from one agent to another. Do not change it after it was sent.

    Attributes:
        sender_id: the agent that sent it.
        receiver_id: the agent that it is for.
        payload: its content, an instance of a class decorated with `msg_payload`.
    """

    sender_id: AgentID
    receiver_id: AgentID
    payload: PayloadT


@dataclass(frozen=True, slots=True)
class PayloadRule:
    """Who may send and who may receive a payload class. None means everybody."""

    senders: tuple[AgentType, ...] | None
    receivers: tuple[AgentType, ...] | None


_RULE = "__phantom_payload_rule__"


@overload
def msg_payload(sender_type: ClassT, /) -> ClassT: ...


@overload
def msg_payload(
    sender_type: str | Iterable[AgentType] | type | None = None,
    receiver_type: AgentType | Iterable[AgentType] | None = None,
) -> Callable[[ClassT], ClassT]: ...


@dataclass_transform()
def msg_payload(
    sender_type: AgentType | Iterable[AgentType] | None = None,
    receiver_type: AgentType | Iterable[AgentType] | None = None,
) -> type | Callable[[ClassT], ClassT]:
    """Make a class the content of messages: a slotted dataclass with a rule on who may send it.

    Subclasses of an allowed agent class are allowed too. A name stands for an agent class
    anywhere in the inheritance of the agent. Do not change a payload after it was sent.

    Args:
        sender_type: agent class, its name, or several of them; None: everybody may send it.
        receiver_type: likewise for the receiver.

    Raises:
        ConfigError: if a type is neither a class nor a name.

    >>> @msg_payload(sender_type="ShopAgent", receiver_type="FactoryAgent")
    ... class StockRequest:
    ...     size: int
    >>> StockRequest(5)
    StockRequest(size=5)
    """
    if isinstance(sender_type, type) and receiver_type is None and not _is_agent(sender_type):
        return _make_payload(sender_type, PayloadRule(None, None))  # written without brackets
    rule = PayloadRule(_types(sender_type, "sender_type"), _types(receiver_type, "receiver_type"))

    def decorate(cls: ClassT) -> ClassT:
        return _make_payload(cls, rule)

    return decorate


def payload_rule(payload_class: type) -> PayloadRule | None:
    """Return the rule of a payload class, or None if it was not decorated with `msg_payload`."""
    rule = getattr(payload_class, _RULE, None)
    return rule if isinstance(rule, PayloadRule) else None


def is_allowed(agent_class: type, allowed: tuple[AgentType, ...] | None) -> bool:
    """Tell whether an agent of this class is one of the allowed types."""
    if allowed is None:
        return True
    names = {ancestor.__name__ for ancestor in agent_class.__mro__}
    return any(kind in names if isinstance(kind, str) else issubclass(agent_class, kind) for kind in allowed)


def _make_payload(cls: ClassT, rule: PayloadRule) -> ClassT:
    if "__dataclass_fields__" not in vars(cls):  # is_dataclass would also be true of a subclass of one
        cls = cast("ClassT", dataclass(slots=True)(cls))
    setattr(cls, _RULE, rule)
    return cls


def _is_agent(cls: type) -> bool:
    return any(ancestor.__name__ == "Agent" for ancestor in cls.__mro__)


def _types(given: AgentType | Iterable[AgentType] | None, argument: str) -> tuple[AgentType, ...] | None:
    if given is None:
        return None
    kinds = (given,) if isinstance(given, (type, str)) else tuple(given)
    for kind in kinds:
        if not isinstance(kind, (type, str)):
            msg = (
                f"msg_payload got {argument}={kind!r}. Expected an agent class, the name of one, "
                "or a list of those."
            )
            raise ConfigError(msg)
    return kinds
