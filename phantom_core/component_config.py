"""Settings of components: checking them and building config dataclasses."""

from __future__ import annotations

import ast
import contextlib
import dataclasses
import inspect
import linecache
import re
import textwrap
import types
import typing
from collections.abc import Iterable, Mapping
from itertools import pairwise, takewhile
from typing import Any

import msgspec

from phantom_core.errors import ConfigError, did_you_mean, listing, without_stop
from phantom_core.secrets import Secrets, masked
from phantom_core.types import AgentID


def is_whole(value: object, least: int = 1) -> bool:
    """Return whether a value is an integer that is at least `least`; a bool is none."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def config_class_of(component: type) -> type | None:
    """Return the dataclass of a component's settings; None if it declares none.

    That is `component.config_class`, or the component itself if it is a dataclass.
    """
    declared = getattr(component, "config_class", None)
    if declared is not None:
        return declared if isinstance(declared, type) else None
    return component if dataclasses.is_dataclass(component) else None


def own_parameters(component: type) -> dict[str, inspect.Parameter]:
    """Return the settings of a component without a `config_class`: the parameters of its own `__init__`.

    An `__init__` inherited from phantom_core has no settings.
    """
    init = component.__init__  # type: ignore[misc]  # read from the class, to see who defines it
    if not inspect.isfunction(init) or init.__module__.startswith("phantom_core."):
        return {}
    parameters = list(inspect.signature(init).parameters.values())[1:]
    return {p.name: p for p in parameters if p.kind is not p.POSITIONAL_ONLY}


def check_parameters(component: type, settings: Mapping[str, Any], name: str) -> None:
    """Raise ConfigError if a setting of a component's own `__init__` is unknown or missing."""
    parameters = own_parameters(component)
    named = {k: p for k, p in parameters.items() if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)}
    takes_any = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    unknown = [key for key in settings if key not in named and not takes_any]
    if unknown and not named:
        raise ConfigError(f"{name} takes no settings, but got: {listing(settings)}. Leave them out.")
    if unknown:
        raise ConfigError(_no_setting(unknown[0], named, name))
    for key, parameter in named.items():
        if parameter.default is parameter.empty and key not in settings:
            raise ConfigError(f"{name} needs a value for {key!r}. Give it one.")


def make_config(component: type, settings: Mapping[str, Any], path: str = "") -> Any:
    """Build and check the settings of a component; None if it has no `config_class`.

    `path` is the name of the settings in messages, such as `trainer.q-learning`. Raises ConfigError if a
    field is unknown or missing, or a value has the wrong type.
    """
    config_class = getattr(component, "config_class", None)
    name = path or component.__name__
    if config_class is None:
        if settings:
            raise ConfigError(f"{name} takes no settings, but got: {listing(settings)}. Leave them out.")
        return None
    check_config_class(component, config_class)
    return build(config_class, settings, name)


def build(config_class: type, settings: Mapping[str, Any], name: str, separator: str = ".") -> Any:
    """Check settings with `checked_fields` and build the dataclass from them."""
    values = checked_fields(config_class, settings, name, separator)
    try:
        return config_class(**values)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"{name}: {Secrets.of(settings).hide(without_stop(error))}.") from error


def settable_fields(config_class: type) -> dict[str, dataclasses.Field[Any]]:
    """Return the fields of a dataclass that can be set, by their key in a file."""
    named = {f.metadata.get("name", f.name): f for f in dataclasses.fields(config_class) if f.init}
    return {key: field for key, field in named.items() if key is not None}


def checked_fields(
    config_class: type, settings: Mapping[str, Any], name: str, separator: str = "."
) -> dict[str, Any]:
    """Check settings by key, and return them by field name.

    The metadata of a field may have its key in a file as `name`, such as a Python keyword, or None if it
    cannot be set there; and its type in a file as `file`. Messages name a field by `name`, `separator` and
    its key. Raises ConfigError if a field is unknown or missing, or a value has the wrong type.
    """
    fields = settable_fields(config_class)
    hints = typing.get_type_hints(config_class)
    types = {key: field.metadata.get("file", hints[field.name]) for key, field in fields.items()}
    for key in settings:
        if key not in fields:
            raise ConfigError(_no_setting(key, fields, name))
    for key, field in fields.items():
        missing = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        if missing and key not in settings:
            of_type = "" if types[key] is Any else f" ({type_text(types[key])})"
            raise ConfigError(f"{name} needs a value for {key!r}{of_type}. Give it one.")
    return {
        fields[key].name: convert(value, types[key], f"{name}{separator}{key}")
        for key, value in settings.items()
    }


def convert(value: Any, target: Any, path: str) -> Any:
    """Check a value against a type and convert it, such as 1 to 1.0 for a float; or raise ConfigError.

    Values of types that a file cannot hold, such as functions, are returned unchanged.
    """
    is_numpy_scalar = type(value).__module__ == "numpy" and getattr(value, "shape", None) == ()
    plain = value.item() if is_numpy_scalar else value
    if target is AgentID:
        plain = id_from_file(plain)
    try:
        return msgspec.convert(plain, target)
    except msgspec.ValidationError:
        where, part, expected = _innermost(path, plain, target)
    except UnicodeEncodeError:
        raise ConfigError(f"{path} = {value!r} is wrong: it holds what is no text of Unicode.") from None
    except TypeError:  # a type that a file cannot hold
        return value
    raise ConfigError(f"{where} = {masked(part, where)!r} is wrong: {_reason(part, expected)}")


def id_from_file(value: Any) -> Any:
    """Return an agent id as a file holds it, where a list stands for a tuple.

    >>> id_from_file(["buyers", 3])
    ('buyers', 3)
    """
    return tuple(map(id_from_file, value)) if isinstance(value, list) else value


def type_text(annotation: Any) -> str:
    """Return a type as it is written in documentation.

    >>> type_text(int | None), type_text(list[str]), type_text(typing.Literal["a", "b"])
    ('int | None', 'list[str]', "'a' | 'b'")
    """
    if typing.get_origin(annotation) is typing.Literal:
        return " | ".join(map(repr, typing.get_args(annotation)))
    if isinstance(annotation, type) and not typing.get_args(annotation):
        return "None" if annotation is type(None) else annotation.__name__
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        return " | ".join(map(type_text, typing.get_args(annotation)))
    return str(annotation).replace("typing.", "").replace("collections.abc.", "")


def field_documents(config_class: type) -> dict[str, str]:
    """Return the string below each field of a dataclass, including inherited fields."""
    found: dict[str, str] = {}
    for cls in reversed(config_class.__mro__):
        if not dataclasses.is_dataclass(cls):
            continue
        try:
            tree = _parsed(cls)
        except (OSError, TypeError, SyntaxError):
            continue  # defined in an interactive session, without source code
        body = tree.body[0].body if isinstance(tree.body[0], ast.ClassDef) else []
        for statement, below in pairwise(body):
            if (
                isinstance(statement, ast.AnnAssign)
                and isinstance(statement.target, ast.Name)
                and isinstance(below, ast.Expr)
            ):
                text = ast.literal_eval(below.value) if isinstance(below.value, ast.Constant) else None
                if isinstance(text, str):
                    found[statement.target.id] = " ".join(text.split())
    return found


def _parsed(cls: type) -> ast.Module:
    """Parse the code of a class.

    `inspect.getsource` parses its whole file for that, which takes several times as long and counts at the
    start of every program; it is asked where a line of the file does not tell which class is meant.
    """
    file = inspect.getsourcefile(cls) or ""
    linecache.checkcache(file)
    lines = linecache.getlines(file)
    starts = [n for n, line in enumerate(lines) if re.match(rf" *class {cls.__name__}\b", line)]
    if len(starts) == 1:
        first, *rest = lines[starts[0] :]
        margin = len(first) - len(first.lstrip())
        below = takewhile(lambda line: line[: margin + 1].isspace() or line.lstrip()[:1] in ("#", ""), rest)
        with contextlib.suppress(SyntaxError):  # a text reaches further to the left
            return ast.parse(textwrap.dedent("".join([first, *below])))
    return ast.parse(textwrap.dedent(inspect.getsource(cls)))


def _no_setting(key: str, known: Iterable[str], name: str) -> str:
    settings = list(known)
    names = ", ".join(settings) or "none"
    return f"{name} has no setting {key!r}.{did_you_mean(key, settings)} Its settings: {names}."


def _innermost(path: str, value: Any, target: Any) -> tuple[str, Any, Any]:
    """Return path, value and expected type of the innermost wrong element of a list or table."""
    options = [t for t in _options(target) if type(value) is typing.get_origin(t)]
    parts: Iterable[tuple[str, Any]] = ()
    if len(options) == 1 and isinstance(value, dict):
        parts = ((f"{path}.{key}", part) for key, part in value.items())
    elif len(options) == 1 and isinstance(value, list):
        parts = ((f"{path}[{index}]", part) for index, part in enumerate(value))
    inner = typing.get_args(options[0])[-1] if options else Any
    for where, part in parts:
        try:
            msgspec.convert(part, inner)
        except msgspec.ValidationError:
            return _innermost(where, part, inner)
    return path, value, target


def _options(target: Any) -> tuple[Any, ...]:
    is_union = typing.get_origin(target) in (typing.Union, types.UnionType)
    return typing.get_args(target) if is_union else (target,)


def _reason(value: Any, expected: Any) -> str:
    """Return what was expected; None, which leaves the setting out, is not mentioned."""
    options = [option for option in _options(expected) if option is not type(None)]
    if len(options) == 1 and typing.get_origin(options[0]) is typing.Literal:
        allowed = typing.get_args(options[0])
        return f"expected one of {listing(allowed)}.{did_you_mean(value, allowed)}"
    try:
        msgspec.convert(value, expected)
    except msgspec.ValidationError as error:
        text = str(error).partition(" - at ")[0].replace("`", "").replace(" | null", "")
        text = text.replace("got null", "got none")
        for word, better in (("array", "a list"), ("object", "a table")):
            text = re.sub(rf"\b{word}\b", better, text)
        return f"{text[0].lower()}{text[1:]}."
    return f"expected {type_text(expected)}."


def check_config_class(component: type, config_class: object) -> None:
    """Raise ConfigError if a `config_class` is not a frozen dataclass."""
    params = getattr(config_class, "__dataclass_params__", None)
    if not isinstance(config_class, type) or params is None or not params.frozen:
        expected = "Expected a frozen dataclass: decorate it with @dataclass(frozen=True)."
        raise ConfigError(f"{component.__name__}.config_class is {config_class!r}. {expected}")
