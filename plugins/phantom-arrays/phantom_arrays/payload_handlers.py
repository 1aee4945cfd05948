"""`handler`: which method of a population handles which payload class."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import phantom_core as ph
from phantom_arrays.message_batch import Sent

HandlerT = TypeVar("HandlerT", bound=Callable[..., Sent])

_HANDLED = "__phantom_arrays_handled__"


def handler(payload_class: type) -> Callable[[HandlerT], HandlerT]:
    """Decorate a method of a population as the handler of messages of a payload class.

    The method gets `messages`: all of that class that reach the population along one link in one round, in
    all copies. It returns what is sent, such as `messages.reply(...)`, or None. A method that overrides a
    handler replaces it, with or without the decorator.

    Raises:
        phantom_core.errors.ConfigError: if `payload_class` is not a class.
    """
    if not isinstance(payload_class, type):
        raise ph.errors.ConfigError(
            f"handler got {payload_class!r}. Expected the class of the payloads: @pa.handler(Order)."
        )

    def decorate(method: HandlerT) -> HandlerT:
        setattr(method, _HANDLED, payload_class)
        return method

    return decorate


def handlers_of(cls: type) -> dict[type, str]:
    """Return the name of the handler by payload class; raise `ConfigError` if there are two for one."""
    handled: dict[str, type] = {}
    for ancestor in reversed(cls.__mro__):
        for name, value in vars(ancestor).items():
            if callable(value) and hasattr(value, _HANDLED):
                handled[name] = getattr(value, _HANDLED)
    found: dict[type, str] = {}
    for name, payload_class in handled.items():
        if found.setdefault(payload_class, name) != name:
            raise ph.errors.ConfigError(
                f"{cls.__name__} has two handlers of {payload_class.__name__}: {found[payload_class]}() and "
                f"{name}(). Leave one."
            )
    return found
