"""What is wrong with installed plugins: read from metadata, then seen when they are imported elsewhere."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from packaging.utils import canonicalize_name

import phantom_core as ph
from phantom_testing.entry_objects import qualified_name
from phantom_testing.import_report import ImportReport, import_report
from phantom_testing.metadata_checks import check_metadata, in_use

Severity: TypeAlias = Literal["error", "warning", "note"]

SLOW_SECONDS: Final = 1.0
"""An import that takes longer is reported."""

_SIDE_EFFECTS: Final = {
    "threads": "leaves threads running",
    "signals": "changes the handlers of signals",
    "warning_filters": "changes warning filters",
    "environment": "changes environment variables",
    "global_random": "draws from global random generators",
}


@dataclass(frozen=True, slots=True)
class PluginFinding:
    """One thing that is wrong with what is installed.

    Attributes:
        check: what was looked at, such as `stale-entry-points`.
        severity: `"error"`: it does not work; `"warning"`: it will bite; `"note"`: it is good to know.
        where: the distribution or entry, and its place.
        what: what is wrong, as a sentence.
        advice: what to do, as a sentence.
    """

    check: str
    severity: Severity
    where: str
    what: str
    advice: str


@dataclass(frozen=True, slots=True)
class PluginDiagnosis:
    """What the doctor of plugins found.

    Attributes:
        findings: what is wrong, errors first.
        import_seconds: by `kind distribution:name`, how long its import took in a new process that had
            the core already.
    """

    findings: Sequence[PluginFinding]
    import_seconds: dict[str, float]


def diagnose_plugins(
    *,
    imports: bool = True,
    timeout: float = 30.0,
    announce: Callable[[str], None] | None = None,
) -> PluginDiagnosis:
    """Look at everything that is installed; each plugin is imported in a process of its own.

    Args:
        imports: whether to import anything.
        timeout: after so many seconds an import is given up.
        announce: called with the name of each plugin before it is imported.
    """
    statuses = ph.tools.plugin_statuses()
    findings = [PluginFinding(*finding) for finding in check_metadata(statuses)]
    seconds: dict[str, float] = {}
    ambient = [qualified_name(entry) for entry in in_use(statuses) if entry.kind == "plugin"]
    for entry in _importable(statuses) if imports else ():
        name = f"{entry.kind} {qualified_name(entry)}"
        if announce is not None:
            announce(name)
        asked = (entry.kind, qualified_name(entry))
        report = import_report(entry.target, timeout=timeout, disabled=ambient, entry=asked)
        seconds[name] = report.seconds
        findings += _judge(entry, name, report)
    order = ("error", "warning", "note")
    findings.sort(key=lambda finding: (order.index(finding.severity), finding.where, finding.check))
    return PluginDiagnosis(findings, seconds)


def _importable(statuses: Sequence[ph.tools.EntryStatus]) -> Iterator[ph.tools.EntryStatus]:
    """Yield what may be imported: not what is disabled, incompatible or known to be missing."""
    return (entry for entry in in_use(statuses) if entry.status in ("ok", "conflict"))


def _judge(entry: ph.tools.EntryStatus, where: str, report: ImportReport) -> Iterator[PluginFinding]:
    if report.error:
        missing = re.fullmatch(r"ModuleNotFoundError: No module named '([\w.]+)'", report.error)
        extra = "" if missing is None else _extra_with(entry, missing[1].split(".")[0])
        if extra:
            what, advice = (
                f"It needs the extra {extra!r}.",
                f"To use it: pip install '{entry.distribution}[{extra}]'",
            )
            yield PluginFinding("optional-dependency", "note", where, what, advice)
            return
        advice = f"Tell the authors of {entry.distribution}, or disable it: PHANTOM_DISABLED_PLUGINS."
        yield PluginFinding("import-fails", "error", where, f"It cannot be imported: {report.error}.", advice)
        return
    if report.misfit:
        advice = f"Tell the authors of {entry.distribution}, or disable it: PHANTOM_DISABLED_PLUGINS."
        yield PluginFinding("wrong-object", "error", where, report.misfit, advice)
    for attribute, effect in _SIDE_EFFECTS.items():
        names = getattr(report, attribute)
        if names:
            yield PluginFinding(
                "side-effect",
                "warning",
                where,
                f"Its import {effect}: {', '.join(map(str, names))}.",
                "Nothing should happen at import: move it to on_train_start, or into a method.",
            )
    if report.printed.strip():
        first = report.printed.strip().splitlines()[0]
        advice = "Remove the print, or log it."
        yield PluginFinding("prints", "warning", where, f"Its import prints {first!r}.", advice)
    if report.seconds > SLOW_SECONDS:
        what = f"Its import takes {report.seconds:.1f} seconds."
        advice = "Import what is large inside the functions that need it."
        yield PluginFinding("slow-import", "warning", where, what, advice)
    if report.heavy and entry.kind == "plugin":
        what = f"It is imported in every run, and imports {', '.join(report.heavy)}."
        advice = "Import it inside the hooks that need it, or register a logger, which only some runs name."
        yield PluginFinding("heavy-import", "warning", where, what, advice)


def _extra_with(entry: ph.tools.EntryStatus, module: str) -> str:
    """Return the extra of a distribution that brings a library along; empty if none does."""
    for line in entry.requires:
        name, extra = re.match(r"[\w.-]+", line), re.search(r"extra == [\"']([^\"']+)", line)
        if name is not None and extra is not None and canonicalize_name(name[0]) == canonicalize_name(module):
            return extra[1]
    return ""
