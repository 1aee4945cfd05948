"""What an entry point leads to, and whether that is what its group promises."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import phantom_core as ph


def qualified_name(entry: ph.tools.EntryStatus) -> str:
    """Return `distribution:name`."""
    return f"{entry.distribution}:{entry.name}"


def misfit(kind: str, name: str, target: str) -> str:
    """Import what an entry point leads to; return why it is not what its kind promises, as sentences.

    Args:
        kind: the kind of component, `"plugin"` or `"kind"`.
        name: its name, as `distribution:name`.
        target: where it is imported from.

    Returns:
        An empty string if all is well.
    """
    if kind == "plugin":
        return offered_by(name)[0]
    if kind == "kind":
        return base_class_problem(target)
    try:
        ph.find(kind, name).load()
    except ph.PhantomError as error:
        return str(error)
    return ""


def base_class_problem(target: str) -> str:
    """Return why the target of a declared kind is no base class; an empty string if it is one."""
    try:
        base = ph.tools.import_object(target)
    except (Exception, SystemExit) as error:  # whatever a stranger's module raises
        return f"{ph.tools.error_text(error)}."
    if isinstance(base, type):
        return ""
    return f"Its target {target!r} is {base!r}. Expected the base class of the components of its kind."


def offered_by(name: str) -> tuple[str, list[ph.Component]]:
    """Let an installed plugin object take part, as in a run.

    Args:
        name: the plugin object, as `distribution:name`.

    Returns:
        Why it takes no part, as sentences, empty if it does; and the components that it offers.
    """
    with _warnings() as warnings:
        try:
            components = ph.components()
        except ph.PhantomError as error:  # plugins are strict
            return str(error), []
    about = [sentence for sentence in warnings if sentence.startswith(f"Plugin {name!r}")]
    return " ".join(about), [component for component in components if component.distribution == name]


@contextmanager
def _warnings() -> Iterator[list[str]]:
    """Collect what the core reports of installed plugins in the block, instead of logging it."""
    log, collected = logging.getLogger("phantom_core"), _Collected()
    log.addHandler(collected)
    before, log.propagate = log.propagate, False
    try:
        yield collected.sentences
    finally:
        log.propagate = before
        log.removeHandler(collected)


class _Collected(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.sentences: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.sentences.append(record.getMessage())
