"""`phantom plugins describe NAME`: the settings of a component, as text or as a JSON schema."""

from __future__ import annotations

import contextlib
import dataclasses
import inspect
import json
import textwrap
import typing
from typing import Any, Final

import click
import msgspec

from phantom_core.cli.lazy_group import VERBOSE
from phantom_core.component_config import own_parameters, settable_fields, type_text
from phantom_core.errors import UnknownNameError, did_you_mean
from phantom_core.hooks.plugin_manager import everything_offered
from phantom_core.installed.discovery import normalised
from phantom_core.installed.registry import Component, install_advice

_DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"


@click.command("describe")
@click.argument("name")
@click.option("--json-schema", "as_schema", is_flag=True, help="Print a JSON schema of the settings.")
@VERBOSE
def describe_command(name: str, *, as_schema: bool) -> None:
    """Show the settings of the component NAME, with types, defaults and explanations. Imports it."""
    registry = everything_offered()
    _, _, bare = name.rpartition(":")
    kinds = [c.kind for c in registry.components() if normalised(c.name) == normalised(bare)]
    if not kinds:
        for kind in registry.kinds:
            with contextlib.suppress(UnknownNameError):
                registry.find(kind, name)  # says so if it is disabled, or its entry point is wrong
        known = tuple(component.name for component in registry.components())
        advice = install_advice(bare) or " See: phantom plugins list"
        message = f"No component named {name!r}.{did_you_mean(name, known)}{advice}"
        raise UnknownNameError(message, kind="component", name=name, known=known)
    for kind in dict.fromkeys(kinds):
        component = registry.find(kind, name)
        click.echo(json.dumps(json_schema(component), indent=1) if as_schema else describe(component))


def describe(component: Component) -> str:
    """Import a component and describe it."""
    target = component.load()
    if component.kind == "command":
        context = click.Context(target, info_name=f"phantom {component.name.replace('.', ' ')}")
        heading = f"command {component.name}  ({component.provider}, {component.target})"
        return f"{heading}\n{target.get_help(context)}"
    place = f"{target.__module__}:{target.__qualname__}"
    lines = [f"{component.kind} {component.name}  ({component.provider}, {place})"]
    summary = (inspect.cleandoc(vars(target).get("__doc__") or "")).split("\n\n", maxsplit=1)[0]
    lines += [" ".join(summary.split()), ""] if summary else [""]
    config_class = component.config_class()
    if config_class is None:
        taken = [_parameter(p) for name, p in own_parameters(target).items() if not name.endswith("_space")]
        return "\n".join([*lines, *(taken or ["It takes no settings."])])
    documents, hints = component.setting_documents(), typing.get_type_hints(config_class)
    for key, field in settable_fields(config_class).items():
        lines.append(f"  {key}: {type_text(hints[field.name])}{_default(field)}")
        text, indent = documents.get(field.name, ""), " " * 6
        lines += textwrap.wrap(text, 90, initial_indent=indent, subsequent_indent=indent)
    return "\n".join(lines)


def _parameter(parameter: inspect.Parameter) -> str:
    text = str(parameter.replace(annotation=parameter.empty, default=parameter.empty))
    annotation = parameter.annotation
    if annotation is not parameter.empty:
        text += f": {annotation if isinstance(annotation, str) else type_text(annotation)}"
    if parameter.default is not parameter.empty:
        text += f" = {parameter.default!r}"
    return f"  {text}"


def _default(field: dataclasses.Field[Any]) -> str:
    if field.default is not dataclasses.MISSING:
        return f" = {field.default!r}"
    return " = (made anew)" if field.default_factory is not dataclasses.MISSING else "  (needed)"


def json_schema(component: Component) -> dict[str, Any]:
    """Import a component and return the schema of its settings.

    A setting whose type no file can hold, such as a function, has no `type`.
    """
    target = component.load()
    config_class = component.config_class()
    schema: dict[str, Any] = {
        "$schema": _DIALECT,
        "title": f"{component.kind} {component.name}",
        "type": "object",
        "properties": {},
        "required": [],
        "additionalProperties": False,
    }
    if config_class is None:
        for name, parameter in own_parameters(target).items() if isinstance(target, type) else ():
            if parameter.kind is parameter.VAR_KEYWORD:
                schema["additionalProperties"] = True
            elif parameter.kind is not parameter.VAR_POSITIONAL and not name.endswith("_space"):
                schema["properties"][name] = _of_parameter(target, parameter)
                if parameter.default is parameter.empty:
                    schema["required"].append(name)
        return schema
    documents, hints = component.setting_documents(), typing.get_type_hints(config_class)
    for key, field in settable_fields(config_class).items():
        described, definitions = _type(hints[field.name])
        if documents.get(field.name):
            described["description"] = documents[field.name]
        schema["properties"][key] = _with_default(described, field.default)
        if definitions:
            schema.setdefault("$defs", {}).update(definitions)
        if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            schema["required"].append(key)
    return schema


def _of_parameter(target: type, parameter: inspect.Parameter) -> dict[str, Any]:
    try:
        hints = typing.get_type_hints(target.__init__)  # type: ignore[misc]  # of the class itself
    except Exception:  # an annotation that cannot be evaluated
        hints = {}
    described, _ = _type(hints[parameter.name]) if parameter.name in hints else ({}, {})
    return _with_default(described, parameter.default)


def _type(hint: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    try:
        (described,), definitions = msgspec.json.schema_components([hint], ref_template="#/$defs/{name}")
    except (TypeError, NotImplementedError):
        return {}, {}
    return described, definitions


def _with_default(described: dict[str, Any], default: Any) -> dict[str, Any]:
    """Add the default, if there is one that JSON can hold."""
    if default is not dataclasses.MISSING and default is not inspect.Parameter.empty:
        with contextlib.suppress(TypeError, NotImplementedError):
            described["default"] = msgspec.to_builtins(default)
    return described
