"""The parts of the reference that the code knows: options, hooks, events, settings.

They stand in the pages between `<!-- generated: NAME -->` and `<!-- end -->`. `make docs` writes them
anew, and so does `python docs/site/reference_blocks.py`; a test compares them with the code.
"""

import dataclasses
import inspect
import re
import sys
import tomllib
import typing
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import click
from markup import attributes, sentence, table

import phantom_core as ph
from phantom_core.cli.lazy_group import LazyGroup
from phantom_core.cli.main import phantom
from phantom_core.component_config import config_class_of, field_documents, type_text
from phantom_core.hooks.hookspecs import LIFE_CYCLE_HOOKS
from phantom_core.importing import import_object
from phantom_testing.scaffold import plugin_files

ROOT: Final = Path(__file__).resolve().parents[2]
BLOCK: Final = re.compile(r"(<!-- generated: (.+?) -->\n).*?(<!-- end -->)", re.DOTALL)
GROUP: Final = "phantom_core."
KINDS: Final = ("trainers", "policies", "metrics", "loggers", "hooks", "envs", "plugins", "kinds")
"""The kinds in the order of the page; those that a distribution of ours declares come last."""
COMMANDS: Final = "commands"
"""They are on the page of the command line, with their options."""
_MODULE: Final = re.compile(r"phantom_core[.]([a-z_]+[.])*")
EVERYWHERE: Final = {"--verbose", "--help"}


def main() -> None:
    """Write every generated part of every page anew."""
    blocks = generated_blocks()
    for page in sorted((ROOT / "docs").rglob("*.md")):
        old = page.read_text(encoding="utf-8")
        new = with_blocks(old, blocks)
        if new != old:
            page.write_text(new, encoding="utf-8")


def with_blocks(text: str, blocks: dict[str, str]) -> str:
    """Return a page with its generated parts as they should be."""
    return BLOCK.sub(lambda found: f"{found[1]}\n{blocks[found[2]]}\n\n{found[3]}", text)


def generated_blocks() -> dict[str, str]:
    """Return every generated part by its name."""
    blocks = {name: options(command) for name, command in commands().items()}
    blocks |= {"hooks": hooks(), "events": events(), "components": components()}
    return blocks | dict(plugins_to_begin_with())


def plugins_to_begin_with() -> Iterator[tuple[str, str]]:
    """Yield name and text of what matters in what `phantom plugins new KIND my-KIND` writes."""
    for kind in ("trainer", "policy", "metric", "logger"):
        for path, text in plugin_files(kind, f"my-{kind}").items():
            fence = {".py": "python scaffold", ".toml": "toml"}.get(Path(path).suffix)
            if fence and Path(path).name not in ("__init__.py", "example.toml"):
                yield f"my-{kind} {path}", f"```{fence}\n{text}```"


def commands() -> dict[str, click.Command]:
    """Return every command of this repository that does something, by its path: `phantom plugins list`."""
    added = {
        f"phantom {name.replace('.', ' ')}": distribution
        for (kind, name), (distribution, _) in component_targets().items()
        if kind == COMMANDS
    }
    return dict(_commands(phantom, "phantom", added))


def _commands(group: click.Group, path: str, added: dict[str, str]) -> Iterator[tuple[str, click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        place, offered = f"{path} {name}", name
        if isinstance(group, LazyGroup) and name not in group.places:
            is_group = any(other.startswith(f"{place} ") for other in added)
            if place not in added and not is_group:
                continue  # of another distribution that is installed
            offered = name if is_group else f"{added[place]}:{name}"
        command = group.get_command(context, offered)
        if isinstance(command, click.Group):
            yield from _commands(command, place, added)
        elif command is not None:
            yield place, command


def options(command: click.Command) -> str:
    """Return the options of a command, but not those that every command has."""
    found = [param for param in command.params if isinstance(param, click.Option)]
    rows = [
        (f"`{_written(option)}`", sentence(re.sub(r"\s*\[default: (.*)\]", r" Default: \1", _help(option))))
        for option in found
        if EVERYWHERE.isdisjoint(option.opts)
    ]
    return table(("option", "meaning"), rows) if rows else "It has no options of its own."


def _written(option: click.Option) -> str:
    names = ", ".join(option.opts)
    if option.is_flag:
        return names
    return f"{names} {option.metavar or (option.name or '').rstrip('s').upper()}"


def _help(option: click.Option) -> str:
    text = option.help or ""
    if isinstance(option.type, click.Choice):
        text += f" One of {', '.join(f'`{choice}`' for choice in option.type.choices)}"
    return f"{text} Default: {option.default}" if option.show_default and not option.is_flag else text


def hooks() -> str:
    """Return when each life-cycle hook is called, in the order in which they fire."""
    rows = []
    for name in LIFE_CYCLE_HOOKS:
        hook = getattr(ph.Hooks, name)
        event = inspect.signature(hook).parameters["event"].annotation
        when = sentence((inspect.getdoc(hook) or "").removeprefix("Called "))
        rows.append((f"`{name}`", when, f"[`{event}`](#{event.lower()})"))
    return table(("hook", "when it is called", "event"), rows)


def event_classes() -> list[type]:
    """Return the classes of the events, in the order in which they are first delivered."""
    annotated = [
        inspect.signature(getattr(ph.Hooks, name)).parameters["event"].annotation for name in LIFE_CYCLE_HOOKS
    ]
    return [getattr(ph, name) for name in dict.fromkeys(annotated)]


def events() -> str:
    """Return the fields of every event."""
    return "\n\n".join(f"### {cls.__name__}\n\n{_event(cls)}" for cls in event_classes())


def _event(cls: type) -> str:
    document = inspect.getdoc(cls) or ""
    told = attributes(document)
    rows = [
        (f"`{field.name}`", f"`{field.type}`", sentence(told.get(field.name, "")))
        for field in dataclasses.fields(cls)
    ]
    return f"{sentence(document.partition(chr(10) * 2)[0])}\n\n{table(('field', 'type', 'meaning'), rows)}"


def component_targets() -> dict[tuple[str, str], tuple[str, str]]:
    """Return distribution and place of every component of this repository, by kind and name."""
    found = {}
    for path in [ROOT / "pyproject.toml", *sorted(ROOT.glob("plugins/*/pyproject.toml"))]:
        project = tomllib.loads(path.read_text(encoding="utf-8"))["project"]
        for group, lines in project.get("entry-points", {}).items():
            if group.startswith(GROUP):
                for name, place in lines.items():
                    found[group.removeprefix(GROUP), name] = (project["name"], place)
    return dict(sorted(found.items(), key=lambda item: (_place_on_page(item[0][0]), item[0])))


def _place_on_page(kind: str) -> int:
    return KINDS.index(kind) if kind in KINDS else len(KINDS)


def components() -> str:
    """Return the settings of every component of this repository, kind by kind."""
    parts, last = [], ""
    for (kind, name), (distribution, place) in component_targets().items():
        if kind == COMMANDS:
            continue
        if kind != last:
            parts.append(f"## {kind.capitalize()}")
            last = kind
        parts.append(f"### `{name}`\n\n{_component(kind, distribution, place)}")
    return "\n\n".join(parts)


def _component(kind: str, distribution: str, place: str) -> str:
    with torch_or_a_stand_in():
        target: Any = import_object(place)
        config_class = config_class_of(target) if inspect.isclass(target) else None
        rows = settings(config_class) if config_class else []
    summary = sentence((inspect.getdoc(target) or "").partition("\n\n")[0])
    nothing = {
        "envs": "It takes what `env_config` says.",
        "kinds": f"Components of this kind derive from `{place}`.",
    }.get(kind, "It takes no settings.")
    told = table(("setting", "type", "default", "meaning"), rows) if rows else nothing
    return f"{summary} From `{distribution}`.\n\n{told}"


@contextmanager
def torch_or_a_stand_in() -> Iterator[None]:
    """Let modules that use torch be imported without it, and forget them again: settings need no torch."""
    if find_spec("torch") is not None:
        yield
        return
    before = set(sys.modules)
    sys.modules["torch"] = ModuleType("torch")
    try:
        yield
    finally:
        for name in set(sys.modules) - before:
            if "torch" in name.rpartition(".")[2]:
                del sys.modules[name]


def settings(config_class: type) -> list[tuple[str, str, str, str]]:
    """Return name, type, default and meaning of each setting."""
    documents, hints = field_documents(config_class), typing.get_type_hints(config_class)
    return [
        (
            f"`{field.name}`",
            f"`{_MODULE.sub('', type_text(hints[field.name]))}`",
            _default(field),
            sentence(documents.get(field.name, "")),
        )
        for field in dataclasses.fields(config_class)
        if field.init
    ]


def _default(field: dataclasses.Field[Any]) -> str:
    if field.default is not dataclasses.MISSING:
        return f"`{field.default!r}`"
    return "made anew" if field.default_factory is not dataclasses.MISSING else "needed"


if __name__ == "__main__":
    main()
