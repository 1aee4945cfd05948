"""`RunRecord`: writes `config.toml` and `run.json`, which describe a run and the code that it used."""

from __future__ import annotations

import hashlib
import inspect
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, Final

from phantom_core.errors import PhantomError, RunDirectoryError, error_text
from phantom_core.hooks.dispatch import Dispatcher
from phantom_core.hooks.hookspecs import LIFE_CYCLE_HOOKS
from phantom_core.importing import find_module, top_package
from phantom_core.installed import discovery
from phantom_core.installed.discovery import InstalledEntry
from phantom_core.policies.policy import PolicyByCopy
from phantom_core.processes import blas_threads, one_blas_thread
from phantom_core.training.checkpoint import encode_id, encode_mapping
from phantom_core.training.components import Components
from phantom_core.training.directory_watch import DirectoryWatch
from phantom_core.training.logged_values import flattened
from phantom_core.training.process_mark import mark_of_this_process
from phantom_core.training.resume_point import ResumePoint
from phantom_core.training.run_json import FORMAT
from phantom_core.training.run_state import RunFacts, RunState, TrainingResults

DEFAULT: Final = "default"
"""The origin of a setting that was not given."""

NOT_IN_FILE: Final = "not_in_file"
"""The table of `config.toml` that lists the settings TOML cannot hold."""


class RunRecord:
    """Writes the record of one run."""

    def __init__(
        self,
        watch: DirectoryWatch,
        config: Mapping[str, Any],  # plain values, masked
        origins: Mapping[str, str],  # where they came from, by dotted name: else by argument
        facts: RunFacts,
        state: RunState,
        dispatcher: Dispatcher,
        components: Components,
        resumed: ResumePoint | None = None,
        notes: list[str] | None = None,  # why a resumed run may differ from one that was not cut
    ) -> None:
        """Write `config.toml`, and `run.json` with the status `"running"`.

        Those of a run that is resumed stay as they are until it begins: it may be refused.
        """
        self._watch, self._config, self._state = watch, config, state
        self._secrets = facts.secrets
        self._dispatcher, self._components = dispatcher, components
        self._provenance: dict[str, dict[str, str]] = {}
        with one_blas_thread():  # as during training
            threads = blas_threads()
        self._facts: dict[str, Any] = {
            "format": FORMAT,
            "name": facts.name,
            "status": "running",
            "started": _now(),
            "process": mark_of_this_process(),
            "seed": facts.seed,
            "trainer": facts.trainer_name,
            "versions": discovery.base_versions(),
            **self._selected(components),
            "hooks": [{"name": name, **provenance_of_object(plugin)} for name, plugin in components.attached],
            "hook_order": {hook: order for hook in LIFE_CYCLE_HOOKS if (order := dispatcher.order(hook))},
            "skipped_plugins": _skipped(components),
            "blas_threads": threads,
            "origins": {name: origins.get(name, "argument") for name in flattened(config)},
            "not_in_config": list(config.get(NOT_IN_FILE, ())),
        }
        self._is_underway = resumed is not None
        self._has_begun, self._resumed, self._notes = False, resumed, [] if notes is None else notes
        if resumed is None:
            self._write()

    def begin(self) -> None:
        """Write the policy mapping, so that the checkpoints of a killed run can be evaluated."""
        if self._resumed is not None:
            self._note_resumption(self._resumed)
        if self._state.policy_by_agent:
            self._facts |= self._policies()
        self._write()
        self._is_underway = True

    def _write(self) -> None:
        directory, is_first = self._watch.directory, not self._has_begun
        try:
            if is_first:
                self._facts["signature"] = directory.write_config(self._config)
            directory.write_run(self._facts)
        except RunDirectoryError:
            if is_first:
                directory.discard()
            raise
        self._has_begun = True

    def _note_resumption(self, point: ResumePoint) -> None:
        """Note where the run is resumed, and what is other than it was."""
        self._notes += _differences(point.facts, self._facts)
        self._facts["started"] = point.facts.get("started", self._facts["started"])
        earlier = point.facts.get("resumed", [])
        now = {"time": _now(), "iterations": point.iterations, "status": point.facts.get("status")}
        self._facts["resumed"] = [*earlier, now | {"differences": self._notes}]

    def end(self, results: TrainingResults) -> None:
        """Write the final status and the evaluation."""
        self._facts |= self._policies()
        if results.evaluation is not None:
            returns = results.evaluation.episode_returns.items()
            self._facts["evaluation"] = {
                "episodes": len(results.evaluation.episodes),
                "mean_return": results.evaluation.mean_return,
                "episode_returns": [[encode_id(agent_id), list(of_agent)] for agent_id, of_agent in returns],
                "metrics": results.evaluation.metric_numbers,
            }
        self._close(results.status)

    def fail(self, error: BaseException) -> None:
        """Write the exception that ended the run, and the policy mapping if there is one.

        A run that was refused before it began leaves nothing behind.
        """
        if not self._is_underway and isinstance(error, PhantomError):
            self._watch.directory.discard()
            return
        if self._state.policy_by_agent:
            self._facts |= self._policies()
        self._facts["error"] = self._secrets.hide(error_text(error))
        self._close("interrupted" if isinstance(error, KeyboardInterrupt) else "failed")

    def _selected(self, components: Components) -> dict[str, Any]:
        """Return the components selected so far, without duplicates, and the provenance of their code."""
        selected = dict.fromkeys((c.kind, c.name, c.distribution) for c in components.used)
        names = [name.partition(":")[0] for _, _, name in selected]
        names += [entry.distribution for entry in components.manager.ambient]
        new = [name for name in dict.fromkeys(names) if name not in self._provenance]
        self._provenance |= {facts["distribution"]: facts for facts in provenance_of(new)}
        return {
            "plugins": [self._provenance[name] for name in sorted(self._provenance)],
            "components": [{"kind": kind, "name": n, "distribution": d} for kind, n, d in selected],
        }

    def _policies(self) -> dict[str, Any]:
        policy_by_agent = encode_mapping(self._state.policy_by_agent)
        by_copy = [policy for policy in self._state.policies.values() if isinstance(policy, PolicyByCopy)]
        num_copies = {"independent_copies": by_copy[0].num_copies} if by_copy else {}
        return {
            "policies_to_train": list(self._state.policies_to_train),
            "policy_by_agent": policy_by_agent,
            **num_copies,
        }

    def _close(self, status: str) -> None:
        state = self._state
        if not self._has_begun:
            return  # the record of the run that could not be resumed stays as it is
        self._facts.update(
            **self._selected(self._components),  # policies are resolved during the run
            status=status,
            ended=_now(),
            iterations=state.iterations,
            env_steps=state.env_steps,
            stop_reasons=state.stop_reasons,
            hook_failures=list(self._dispatcher.failure_sentences()),
            problems=[self._secrets.hide(problem) for problem in state.problems],
        )
        if self._watch.refuge is not None:
            signature = self._watch.refuge.write_config(self._config)
            self._watch.refuge.write_run(self._facts | {"signature": signature})
        self._watch.directory.write_run(self._facts)


def _differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Return what is other than it was when a run began, of the code and of what it computes with."""
    found: list[str] = []
    for part in ("versions", "plugins"):
        old, new = (_named(facts.get(part)) for facts in (before, now))
        changed = [name for name in dict.fromkeys([*old, *new]) if old.get(name) != new.get(name)]
        found += [_difference(name, old.get(name), new.get(name)) for name in changed]
    old_hooks, new_hooks = (
        {hook.get("name"): hook.get("sha256") for hook in facts.get("hooks", ())} for facts in (before, now)
    )
    found += [f"{name} was changed" for name in new_hooks if old_hooks.get(name) != new_hooks[name]]
    if before.get("blas_threads") != now["blas_threads"]:
        found.append(f"BLAS threads: {before.get('blas_threads')} → {now['blas_threads']}")
    return found


def _named(part: Any) -> dict[str, tuple[Any, Any]]:
    """Return version and hash by name, of the versions or the plugins in `run.json`."""
    if isinstance(part, Mapping):
        return {name: (version, None) for name, version in part.items()}
    return {one["distribution"]: (one["version"], one.get("sha256")) for one in part or ()}


def _difference(name: str, old: tuple[Any, Any] | None, new: tuple[Any, Any] | None) -> str:
    if old is None or new is None:
        return f"{name} was not there" if old is None else f"{name} is not there"
    return f"{name} {old[0]} → {new[0]}" if old[0] != new[0] else f"the files of {name} {new[0]} were changed"


def _skipped(components: Components) -> list[dict[str, str]]:
    """Return the plugin objects that were skipped, and the components that are disabled."""
    manager = components.manager
    skipped = [{"name": s.name, "status": s.status, "reason": s.reason} for s in manager.skipped]
    return skipped + [
        {"name": entry.qualified_name, "status": "disabled", "reason": reason}
        for entry, reason in manager.disabled.items()
    ]


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def provenance_of(distributions: Iterable[str]) -> list[dict[str, str]]:
    """Return the provenance of distributions with entry points for phantom_core. Nothing is imported."""
    wanted = {discovery.normalised(name) for name in distributions}
    first = {discovery.normalised(e.distribution): e for e in reversed(discovery.installed_entries())}
    keys = ("distribution", "version", "source")
    return [
        {key: getattr(entry, key) for key in keys} | {"sha256": hash_of_files(code_files(entry))}
        for name, entry in sorted(first.items())
        if name in wanted
    ]


def provenance_of_object(plugin: object) -> dict[str, str]:
    """Return the source file of an object passed to a run, and the hash of that file."""
    owner: Any = plugin if inspect.ismodule(plugin) or isinstance(plugin, type) else type(plugin)
    try:
        path = Path(inspect.getfile(owner))
        return {"file": str(path), "sha256": hash_of_files([path])}
    except (OSError, TypeError):  # defined in an interactive session
        return {"file": "", "sha256": ""}


def code_files(entry: InstalledEntry) -> list[Path]:
    """Return the code files of a distribution: those installed, or the packages of an editable install."""
    files: Iterable[Path] = ()
    if discovery.editable_folder(entry.source) is None:
        place = Path(entry.location).resolve()  # scripts lie outside it, and depend on the interpreter
        recorded = discovery.recorded_files(entry.distribution)
        files = [path for path in recorded if path.resolve().is_relative_to(place)]
    chosen = [path for path in files if _is_code(path)]
    if chosen:
        return chosen
    own = [e for e in discovery.installed_entries() if e.distribution == entry.distribution]
    modules = {top_package(e.target) for e in own}
    return [path for module in sorted(modules) for path in _files_of(module) if _is_code(path)]


def hash_of_files(files: Iterable[Path]) -> str:
    """Return one hash of the contents and relative names of files, independent of order and location."""
    real_folder = cache(os.path.realpath)  # slow, and many files lie in few folders
    places = {_real_place(path, real_folder) for path in files if path.is_file()}
    if not places:
        return ""
    root = os.path.commonpath([folder for folder, _ in places])
    digest = hashlib.sha256()
    paths = {os.path.join(*place) for place in places}  # noqa: PTH118  in each run, and Path takes twice as long
    for path in sorted(paths, key=lambda path: path.split(os.sep)):  # noqa: PTH206  likewise
        name = path.removeprefix(root).lstrip(os.sep)
        digest.update(f"{name.replace(os.sep, '/')}\0".encode())
        facts = os.stat(path)  # noqa: PTH116  likewise
        digest.update(_hash_of_contents(path, facts.st_ino, facts.st_mtime_ns, facts.st_size))
    return digest.hexdigest()


def _real_place(path: Path, real_folder: Callable[[Path], str]) -> tuple[str, str]:
    """Return the folder and the name of a file without symbolic links."""
    if path.is_symlink():
        path = Path(os.path.realpath(path))
    return real_folder(path.parent), path.name


@lru_cache(maxsize=4096)
def _hash_of_contents(path: str, *_facts: int) -> bytes:
    """Return the hash of a file, read once as long as its facts are the same."""
    return hashlib.sha256(Path(path).read_bytes()).digest()


def _is_code(path: Path) -> bool:
    folders = path.parts
    return not (
        path.suffix in (".pyc", ".pth")
        or "__pycache__" in folders
        or any(part.endswith((".dist-info", ".egg-info")) for part in folders)
    )


def _files_of(module: str) -> list[Path]:
    """Return the files of a package or module, without importing it."""
    try:
        spec = find_module(module)
    except (ImportError, ValueError, AttributeError):
        return []
    if spec is None or spec.submodule_search_locations is None:
        return [Path(spec.origin)] if spec and spec.origin else []
    return [path for folder in spec.submodule_search_locations for path in _files_below(folder)]


def _files_below(place: str) -> Iterator[Path]:
    for folder, folders, names in os.walk(place):
        folders[:] = [name for name in folders if name != "__pycache__"]
        yield from (Path(folder, name) for name in names)
