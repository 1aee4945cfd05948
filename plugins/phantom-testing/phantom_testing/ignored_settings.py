"""Other values that a setting could have: what a check tries, to see whether the setting matters."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any, Literal, get_args, get_origin, get_type_hints


def ignored_settings(
    config_class: type,
    given: Mapping[str, Any],
    effect: Callable[[Mapping[str, Any]], str | None],
    *,
    idle: Collection[str] = (),
) -> list[str]:
    """Return the settings of which no other value changes anything.

    A setting without effect of its own is tried again together with each switch turned: some settings count
    only then.

    Args:
        config_class: a frozen dataclass.
        given: what it is built with.
        effect: a text of what comes out with settings, equal for equal outcomes; None: they are refused.
        idle: settings that need not change anything, and are not tried: that would take the longest.
    """
    defaults = {
        field.name: field.default
        for field in dataclasses.fields(config_class)
        if field.init and field.default is not dataclasses.MISSING
    }
    hints = get_type_hints(config_class)
    values = {**defaults, **given}
    switches = {name: not value for name, value in values.items() if isinstance(value, bool)}
    plain = effect(given)
    found = []
    for name, value in values.items():
        if name in idle:
            continue
        others = list(_others(value, hints.get(name)))
        outcomes = (effect({**given, name: other}) for other in others)
        tried = [outcome == plain for outcome in _until_another(outcomes, plain)]
        if not tried or not all(tried):
            continue
        if not any(
            _matters_with({**given, switch: turned}, name, others, effect)
            for switch, turned in switches.items()
            if switch != name
        ):
            found.append(name)
    return found


def _matters_with(
    given: Mapping[str, Any], name: str, others: list[Any], effect: Callable[[Mapping[str, Any]], str | None]
) -> bool:
    plain = effect(given)
    outcomes = (effect({**given, name: other}) for other in others)
    return plain is not None and any(outcome != plain for outcome in outcomes if outcome is not None)


def _until_another(outcomes: Iterator[str | None], plain: str | None) -> Iterator[str]:
    """Yield outcomes that are not None, up to the first that is another one."""
    for outcome in outcomes:
        if outcome is not None:
            yield outcome
            if outcome != plain:
                return


def _others(value: Any, hint: Any) -> Iterator[Any]:
    """Yield other values of the same kind, moderate ones first."""
    kinds = [hint, *get_args(hint)]
    if isinstance(value, bool):
        yield not value
    elif isinstance(value, int) or (value is None and int in kinds):
        numbers = (1, 2) if value is None else (value // 2, value + 1, 2 * value, 1, 0)
        yield from (other for other in dict.fromkeys(numbers) if other != value)
    elif isinstance(value, float) or (value is None and float in kinds):
        candidates = (
            (0.1, 1e-3, 10.0) if value is None else (value / 2, value / 10, 0.0, 0.5, 1.0, 10 * value)
        )
        yield from (other for other in dict.fromkeys(candidates) if other != value)
    elif isinstance(value, (list, tuple)) and value and isinstance(value[0], int):
        yield type(value)([2 * value[0], *value[1:]])
    elif isinstance(value, str):
        for kind in kinds:
            if get_origin(kind) is Literal or kind is hint:
                yield from (other for other in get_args(kind) if isinstance(other, str) and other != value)
