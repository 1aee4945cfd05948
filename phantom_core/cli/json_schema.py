"""The settings of a component as a JSON schema, for editors and other programs."""

from __future__ import annotations

import dataclasses
import typing
from typing import Any, Final

import msgspec

from phantom_core.component_config import config_class_of, field_documents
from phantom_core.installed.registry import Component

_DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"


def json_schema(component: Component) -> dict[str, Any]:
    """Import a component and return the schema of its settings.

    A setting whose type no file can hold, such as a function, has no `type`.
    """
    config_class = config_class_of(component.load())
    schema: dict[str, Any] = {
        "$schema": _DIALECT,
        "title": f"{component.kind} {component.name}",
        "type": "object",
        "properties": {},
        "required": [],
        "additionalProperties": False,
    }
    if config_class is None:
        return schema
    documents, hints = field_documents(config_class), typing.get_type_hints(config_class)
    for field in dataclasses.fields(config_class):
        if field.init:
            described, definitions = _type(hints[field.name])
            schema["properties"][field.name] = described | _rest(field, documents.get(field.name, ""))
            if definitions:
                schema.setdefault("$defs", {}).update(definitions)
            if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
                schema["required"].append(field.name)
    return schema


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
