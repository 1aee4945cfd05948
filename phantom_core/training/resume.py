"""`resume`: goes on with a run that was interrupted, killed or has ended, from one of its checkpoints."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, Final

from phantom_core.errors import ConfigError, RunDirectoryError, did_you_mean, without_stop
from phantom_core.secrets import masked
from phantom_core.training.components import Components
from phantom_core.training.logged_values import flattened
from phantom_core.training.metrics_file import METRICS_FILE, read_rows
from phantom_core.training.resume_point import ResumePoint
from phantom_core.training.run_directory import CONFIG_FILE
from phantom_core.training.run_file import FILE, RunFile
from phantom_core.training.run_record import DEFAULT
from phantom_core.training.run_settings import RunSettings, check_is_complete, secrets_in
from phantom_core.training.run_state import TrainingResults
from phantom_core.training.train import execute_run
from phantom_core.trust import unsigned, untrusted

_FIXED: Final = ("trainer", "trainer.name", "seed", "name", "run_dir")
"""Settings that make a run what it is."""

_KEYS: Final = {one.name: one.metadata.get("name", one.name) for one in fields(RunSettings)}
"""Keys in a run file, by the name of the parameter."""


def resume(
    run: str | Path,
    *,
    num_iterations: int | None = None,
    total_steps: int | None = None,
    checkpoint: str | Path | None = None,
    trust: bool = False,
    **changes: Any,
) -> TrainingResults:
    """Go on with a run from its newest checkpoint, in its run directory.

    What follows is bit for bit what would have followed if the run had not been cut: weights, logged values
    and files, but for times. That holds for trainers whose `state_dict` is complete, with the same versions,
    plugins, number of BLAS threads and settings; what differs is named in a warning and in `run.json`.

    Args:
        run: the run directory.
        num_iterations: the number of iterations in all; None for that of the run.
        total_steps: the number of env steps in all, in place of `num_iterations`.
        checkpoint: the folder of an earlier checkpoint of the run. What the run wrote after it is replaced.
        trust: whether to import whatever the run names, though it was not written here.
        **changes: parameters of `ph.train` that are to be others, or that `config.toml` could not hold, such
            as `env` or `hooks`.

    Returns:
        The policies, history, status and run directory.

    Raises:
        RunDirectoryError: if it is no run directory, is still running, or has nothing to go on from.
        CheckpointError: if the checkpoint cannot be read, or does not fit.
        ConfigError: if a setting is wrong or missing.
        TrustError: if the run was not written here, and names code that is of no installed plugin.
    """
    for name in changes:
        if name not in _KEYS:
            raise ConfigError(
                f"A run was to be resumed with {name}=…, which is no setting.{did_you_mean(name, _KEYS)} "
                "Give what ph.train takes."
            )
        _check_may_change(name)
    lengths = {"num_iterations": num_iterations, "total_steps": total_steps}
    given = {name: value for name, value in lengths.items() if value is not None}
    if given:
        changes |= dict.fromkeys(lengths) | given
    point = ResumePoint.read(run, checkpoint)
    run_file = RunFile.read(point.directory.path / CONFIG_FILE)
    results, _, _ = execute_resumed(point, run_file, changes, trust=trust)
    return results


def execute_resumed(
    point: ResumePoint, run_file: RunFile, changes: Mapping[str, Any], *, trust: bool
) -> tuple[TrainingResults, RunSettings, Components]:
    """Go on with a run whose settings are those of a run file, with changes by the name of the parameter.

    Return its results, and the settings and components that it had.
    """
    before, has_name = flattened(RunFile.read(run_file.path).table), "name" in run_file.table
    for name in changes:
        for lost in [n for n in run_file.not_in_file if re.match(rf"{_KEYS[name]}\b", n)]:
            del run_file.not_in_file[lost]
    lacking = check_is_complete(run_file.not_in_file, str(run_file.path))
    with (
        _alone(point),
        unsigned(unless=point.is_trusted),
        untrusted(f"The run {point.directory.path}", unless=trust or point.is_trusted),
        secrets_in(run_file.table).hidden(),
    ):
        settings = run_file.settings()
        settings = replace(settings, **{"name": settings.name if has_name else None, **changes})
        _check_is_unfinished(point, settings)
        after = flattened(masked(settings.to_table(run_file.folder)[0]))
        names = dict.fromkeys([*before, *after])  # an empty list is one whose parts a file cannot hold
        differing = [name for name in names if (before.get(name) or None) != (after.get(name) or None)]
        for name in differing:
            _check_may_change(name)
        differences = [
            f"{name}: {_shown(before, name)} → {_shown(after, name)}"
            for name in differing
            if name != "workers"  # whose number makes no difference
        ]
        components = Components(run_file.plugin_settings(), folder=run_file.folder, start="the run file")
        results = execute_run(
            settings,
            components,
            folder=run_file.folder,
            origins=_origins(point.facts, run_file),
            resumed=replace(point, changes=[*_what_is_missing(point, lacking), *differences]),
        )
    return results, settings, components


def _shown(settings: Mapping[str, Any], name: str) -> str:
    return repr(settings[name]) if name in settings else DEFAULT


@contextmanager
def _alone(point: ResumePoint) -> Iterator[None]:
    """Raise if another process resumes the run, or has done so since the checkpoint was read."""
    with point.directory.locked():
        if point.directory.read_run() != point.facts:
            raise RunDirectoryError(
                f"The run {point.directory.path} was resumed by another process meanwhile. Look at it with "
                "phantom runs show, or resume it again."
            )
        yield


def _what_is_missing(point: ResumePoint, lacking: str) -> Iterator[str]:
    """Yield what the run had and has no more: objects that followed it, and what it logged."""
    if lacking:
        yield without_stop(lacking)
    try:
        for _ in read_rows(point.directory.path / METRICS_FILE):
            pass
    except RunDirectoryError as error:
        yield without_stop(error)


def _origins(facts: Mapping[str, Any], run_file: RunFile) -> dict[str, str]:
    """Return where settings came from: those that were not changed, from where they came when it began."""
    old = facts.get("origins", {})
    return {
        name: old.get(name, origin) if origin == FILE else origin for name, origin in run_file.origins.items()
    }


def _check_may_change(name: str) -> None:
    if name in _FIXED:
        raise ConfigError(
            f"A run was to be resumed with another {name}, which makes a run what it is. Leave it as it was, "
            "or begin a new run with it: phantom train, or ph.train."
        )


def _check_is_unfinished(point: ResumePoint, settings: RunSettings) -> None:
    """Raise if the run has made all that it is to make, and said so."""
    if point.facts.get("status") != "completed":
        return
    done, wanted, option = point.iterations, settings.num_iterations, "--iterations"
    if wanted is None:
        done, wanted, option = point.state["env_steps"], settings.total_steps, "--total-steps"
    if wanted is not None and done >= wanted:
        what = "iterations" if option == "--iterations" else "env steps"
        raise RunDirectoryError(
            f"The run {point.directory.path} is complete: it has made its {done:,} {what}. To go on, say how "
            f"many it is to make in all: {option} {2 * done}"
        )
