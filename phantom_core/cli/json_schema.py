"""The settings of a component as a JSON schema, for editors and other programs."""

from __future__ import annotations

import dataclasses
import inspect
import typing
from typing import Any, Final

import msgspec

from phantom_core.component_config import own_parameters
from phantom_core.installed.registry import Component

_DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"


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
    for field in dataclasses.fields(config_class):
        if field.init:
            described, definitions = _type(hints[field.name])
            schema["properties"][field.name] = described | _rest(field, documents.get(field.name, ""))
            if definitions:
                schema.setdefault("$defs", {}).update(definitions)
            if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
                schema["required"].append(field.name)
    return schema


def _of_parameter(target: type, parameter: inspect.Parameter) -> dict[str, Any]:
    try:
        hints = typing.get_type_hints(target.__init__)  # type: ignore[misc]  # of the class itself
    except Exception:  # an annotation that cannot be evaluated
        hints = {}
    described, _ = _type(hints[parameter.name]) if parameter.name in hints else ({}, {})
    try:
        default = (
            {}
            if parameter.default is parameter.empty
            else {"default": msgspec.to_builtins(parameter.default)}
        )
    except (TypeError, NotImplementedError):
        default = {}
    return described | default


def _type(hint: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    try:
        (described,), definitions = msgspec.json.schema_components([hint], ref_template="#/$defs/{name}")
    except (TypeError, NotImplementedError):
        return {}, {}
    return described, definitions


def _rest(field: dataclasses.Field[Any], document: str) -> dict[str, Any]:
    rest = {"description": document} if document else {}
    if field.default is not dataclasses.MISSING:
        try:
            return rest | {"default": msgspec.to_builtins(field.default)}
        except (TypeError, NotImplementedError):
            return rest
    return rest
