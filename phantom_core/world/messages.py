"""`Message`, and `msg_payload`, which declares who may send and receive a payload class."""

from __future__ import annotations

import dataclasses
import enum
import types
import typing
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeAlias, TypeVar, cast, dataclass_transform, overload

import msgspec

from phantom_core.errors import ConfigError
from phantom_core.types import AgentID

PayloadT = TypeVar("PayloadT")
ClassT = TypeVar("ClassT", bound=type)

AgentType: TypeAlias = type | str
"""An agent class, or its name (for classes that are defined later)."""

MessageList: TypeAlias = Sequence[tuple[AgentID, Any]]
"""The messages that an agent sends: pairs of a receiver's id and a payload."""


class Message(msgspec.Struct, Generic[PayloadT], frozen=True, array_like=True):
    """An immutable message from one agent to another.

    Attributes:
        sender_id: the id of the sender.
        receiver_id: the id of the receiver.
        payload: the content, an instance of a class decorated with `msg_payload`.
    """

    sender_id: AgentID
    receiver_id: AgentID
    payload: PayloadT


@dataclass(frozen=True, slots=True)
class PayloadRule:
    """Which agent types may send and receive a payload class; None for all types."""

    senders: tuple[AgentType, ...] | None
    receivers: tuple[AgentType, ...] | None


_RULE = "__phantom_payload_rule__"
_ATOMS: Final = (int, bool, float, str, bytes, types.NoneType)


@overload
def msg_payload(sender_type: ClassT, /) -> ClassT: ...


@overload
def msg_payload(
    sender_type: str | Iterable[AgentType] | type | None = None,
    receiver_type: AgentType | Iterable[AgentType] | None = None,
) -> Callable[[ClassT], ClassT]: ...


@dataclass_transform(frozen_default=True, field_specifiers=(dataclasses.field,))
def msg_payload(
    sender_type: AgentType | Iterable[AgentType] | None = None,
    receiver_type: AgentType | Iterable[AgentType] | None = None,
) -> type | Callable[[ClassT], ClassT]:
    """Declare a class as a message payload, and which agent types may send and receive it.

    Fields are written as in a dataclass, with types and defaults. The class becomes a frozen
    `msgspec.Struct`, which takes a third of the time of a frozen dataclass. A class that is already a
    dataclass, or defines `__init__`, is not converted. Subclasses of an allowed agent class are allowed
    too. A name matches any class in the MRO of the agent.

    Args:
        sender_type: an agent class, its name, or several of them. None to allow any sender.
        receiver_type: the same for the receiver.

    Raises:
        ConfigError: if a type is neither a class nor a name, or a payload derived from another payload
            uses `dataclasses.field`.

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
    """Return the rule of a payload class, or None if it is not decorated with `msg_payload`."""
    rule = getattr(payload_class, _RULE, None)
    return rule if isinstance(rule, PayloadRule) else None


def is_allowed(agent_class: type, allowed: tuple[AgentType, ...] | None) -> bool:
    """Return whether an agent class is one of the allowed types."""
    if allowed is None:
        return True
    names = {ancestor.__name__ for ancestor in agent_class.__mro__}
    return any(kind in names if isinstance(kind, str) else issubclass(agent_class, kind) for kind in allowed)


def _make_payload(cls: ClassT, rule: PayloadRule) -> ClassT:
    if issubclass(cls, msgspec.Struct):  # a subclass of a payload is already a struct
        _check_defaults(cls)
        if not (cls.__struct_config__.gc or _holds_only_atoms(cls)):
            cls = _derived(cls, gc=True)
    elif "__dataclass_fields__" not in vars(cls) and "__init__" not in vars(cls):
        cls = _as_struct(cls)
    setattr(cls, _RULE, rule)
    return cls


def _as_struct(cls: ClassT) -> ClassT:
    """Return the class as a frozen struct with the same fields, methods and bases."""
    namespace = {key: value for key, value in vars(cls).items() if key not in ("__dict__", "__weakref__")}
    for name, value in namespace.items():
        if isinstance(value, dataclasses.Field):
            namespace[name] = _struct_field(value)
    bases = (*(base for base in cls.__bases__ if base is not object), msgspec.Struct)
    settings = {
        "frozen": True,
        "tag": True,  # the tag identifies the class in recordings
        "tag_field": "class",
        "array_like": True,
        # Payloads that cannot be part of a cycle are not tracked: garbage collection takes a sixth of a
        # large step.
        "gc": len(bases) > 1 or not _holds_only_atoms(cls),
    }
    return cast("ClassT", types.new_class(cls.__name__, bases, settings, lambda ns: ns.update(namespace)))


def _derived(cls: ClassT, **settings: Any) -> ClassT:
    """Return a subclass of the struct with other settings and the same name."""
    named = {name: getattr(cls, name) for name in ("__module__", "__qualname__", "__doc__")}
    return cast("ClassT", types.new_class(cls.__name__, (cls,), settings, lambda ns: ns.update(named)))


def _holds_only_atoms(cls: type) -> bool:
    """Return whether no field can hold an object that refers back to the payload."""
    try:
        hints = typing.get_type_hints(cls)
    except (NameError, TypeError):  # a string annotation with a local name
        return False
    return all(map(_is_atom, hints.values()))


def _is_atom(hint: Any) -> bool:
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        return all(map(_is_atom, typing.get_args(hint)))
    return hint in _ATOMS or (isinstance(hint, type) and issubclass(hint, enum.Enum))


def _check_defaults(cls: type[msgspec.Struct]) -> None:
    if any(isinstance(default, dataclasses.Field) for default in cls.__struct_defaults__):
        raise ConfigError(
            f"The payload {cls.__name__} is derived from another payload and uses dataclasses.field(). "
            "Use msgspec.field() there: its default and default_factory are the same."
        )


def _struct_field(field: dataclasses.Field[Any]) -> Any:
    if field.default_factory is not dataclasses.MISSING:
        return msgspec.field(default_factory=field.default_factory)
    return msgspec.field() if field.default is dataclasses.MISSING else msgspec.field(default=field.default)


def _is_agent(cls: type) -> bool:
    return any(ancestor.__name__ == "Agent" for ancestor in cls.__mro__)


def _types(given: AgentType | Iterable[AgentType] | None, argument: str) -> tuple[AgentType, ...] | None:
    if given is None:
        return None
    kinds = (given,) if isinstance(given, (type, str)) else tuple(given)
    for kind in kinds:
        if not isinstance(kind, (type, str)):
            expected = "Expected an agent class, the name of one, or a list of those."
            raise ConfigError(f"msg_payload got {argument}={kind!r}. {expected}")
    return kinds
