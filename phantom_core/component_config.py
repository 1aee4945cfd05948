"""Settings of components: one frozen dataclass each, however they are given."""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Mapping
from typing import Any

import msgspec
import numpy as np

from phantom_core.errors import ConfigError, did_you_mean, listing


def config_class_of(component: type) -> type | None:
    """Return the dataclass that holds a component's settings; None if it declares none.

    That is `component.config_class`, or the component itself if it is a dataclass.
    """
    declared = getattr(component, "config_class", None)
    if declared is not None:
        return declared if isinstance(declared, type) else None
    return component if dataclasses.is_dataclass(component) else None


def make_config(component: type, settings: Mapping[str, Any], path: str = "") -> Any:
    """Build and check the settings of a component that has a `config_class`.

    Args:
        component: the class that is configured.
        settings: value by field name; fields that are missing take their defaults.
        path: where the settings were read, such as `trainer.q-learning`, for messages.

    Returns:
        An instance of the config class; None for a component without one.

    Raises:
        ConfigError: for an unknown field, a missing one, or a value of the wrong type.
    """
    config_class = getattr(component, "config_class", None)
    name = path or component.__name__
    if config_class is None:
        if settings:
            msg = f"{name} takes no settings, but got: {listing(settings)}. Leave them out."
            raise ConfigError(msg)
        return None
    check_config_class(component, config_class)
    return build(config_class, settings, name)


def build(config_class: type, settings: Mapping[str, Any], name: str, separator: str = ".") -> Any:
    """Check settings field by field and build the dataclass from them.

    Args:
        config_class: the dataclass.
        settings: value by field name.
        name: what the settings are called in messages, such as `trainer.q-learning`.
        separator: what stands between that name and the name of a field.

    Raises:
        ConfigError: for an unknown field, a missing one, or a value of the wrong type.
    """
    check_settings(config_class, settings, name)
    hints = typing.get_type_hints(config_class)
    values = {key: convert(value, hints[key], f"{name}{separator}{key}") for key, value in settings.items()}
    try:
        return config_class(**values)
    except (TypeError, ValueError) as error:
        msg = f"{name}: {error}"
        raise ConfigError(msg) from error


def check_settings(config_class: type, settings: Mapping[str, Any], name: str) -> None:
    """Refuse fields that the config class does not have, and name those that are missing.

    Raises:
        ConfigError: for an unknown or a missing field.
    """
    fields = {field.name: field for field in dataclasses.fields(config_class) if field.init}
    for key in settings:
        if key not in fields:
            msg = (
                f"{name} has no setting {key!r}.{did_you_mean(key, fields)} Its settings: "
                f"{', '.join(fields) or 'none'}."
            )
            raise ConfigError(msg)
    for key, field in fields.items():
        missing = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        if missing and key not in settings:
            msg = f"{name} needs a value for {key!r} ({_type_name(field.type)}). Give it one."
            raise ConfigError(msg)


def convert(value: Any, target: Any, path: str) -> Any:
    """Check a value against a type and convert it, as 1 to 1.0 where a float is expected.

    Types that can only be given from Python, such as functions, are passed through.

    Raises:
        ConfigError: that names the path, the value and the type expected.
    """
    plain = value.item() if isinstance(value, np.generic) else value
    try:
        return msgspec.convert(plain, target)
    except msgspec.ValidationError as error:
        reason, _, where = str(error).partition(" - at ")
        inner = where.strip("`").removeprefix("$")
        msg = f"{path}{inner} = {plain!r} is wrong: {reason[0].lower()}{reason[1:]}. Change the value."
        raise ConfigError(msg) from None
    except TypeError:  # a type that no file can hold
        return value


def check_config_class(component: type, config_class: object) -> None:
    """Refuse a `config_class` that is not a frozen dataclass.

    Raises:
        ConfigError: that names the component.
    """
    params = getattr(config_class, "__dataclass_params__", None)
    if not isinstance(config_class, type) or params is None or not params.frozen:
        msg = (
            f"{component.__name__}.config_class is {config_class!r}. Expected a frozen dataclass: "
            "decorate it with @dataclass(frozen=True)."
        )
        raise ConfigError(msg)


def _type_name(annotation: object) -> str:
    return annotation if isinstance(annotation, str) else getattr(annotation, "__name__", str(annotation))
