"""The settings of a component as text: fields, types, defaults, and the strings below the fields."""

from __future__ import annotations

import dataclasses
import inspect
import textwrap
import typing
from typing import Any

import click

from phantom_core.component_config import own_parameters, type_text
from phantom_core.installed.registry import Component


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
    for field in dataclasses.fields(config_class):
        if not field.init:
            continue
        lines.append(f"  {field.name}: {type_text(hints[field.name])}{_default(field)}")
        lines += textwrap.wrap(
            documents.get(field.name, ""), 90, initial_indent="      ", subsequent_indent="      "
        )
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
