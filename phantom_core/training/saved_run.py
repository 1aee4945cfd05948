"""A run that was written, read from its run directory: its record, and its policies evaluated again."""

from __future__ import annotations

import contextlib
import re
import tomllib
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from phantom_core.envs.step_result import MultiAgentEnv
from phantom_core.errors import CheckpointError, ConfigError, RunDirectoryError, listing, without_stop
from phantom_core.hooks.events import MetricsRecorded
from phantom_core.metrics import Metric
from phantom_core.policies.policy import BasePolicy, PolicyByCopy
from phantom_core.policies.policy_mapping import PolicySpec, group_agents
from phantom_core.reading import read_file
from phantom_core.rollouts.evaluate import Evaluation, evaluate
from phantom_core.secrets import Secrets, masked_names, read_environment, revealed
from phantom_core.seeding import derive_seed
from phantom_core.training.agents_of_run import agents_of_run
from phantom_core.training.checkpoint import decode_id, is_lossless, load_checkpoint
from phantom_core.training.components import Components
from phantom_core.training.env_factory import EnvFactory, reset_once
from phantom_core.training.metrics_file import METRICS_FILE, MetricsRow, read_last_rows, read_rows
from phantom_core.training.process_mark import is_gone, is_running
from phantom_core.training.progress_of_run import RunProgress
from phantom_core.training.run_directory import (
    CONFIG_FILE,
    RUN_FILE,
    RunDirectory,
    is_checkpoint,
    load_policies,
)
from phantom_core.training.run_file import RunFile
from phantom_core.training.run_json import PoliciesInUse, check_facts
from phantom_core.training.run_plans import EvaluationPlan
from phantom_core.training.run_settings import metric_with_environment
from phantom_core.training.saved_checkpoint import SavedCheckpoint
from phantom_core.training.toml_values import without_none_text
from phantom_core.trust import untrusted
from phantom_core.types import AgentID, PolicyID

_WHO: Final = ("policy_by_agent", "policies_to_train")


@dataclass(frozen=True, slots=True)
class SavedRun:
    """A run that was written: finished, broken off, or still going on.

    Attributes:
        path: the run directory.
        facts: the contents of `run.json`, such as `"status"`, `"seed"`, `"versions"` and `"plugins"`.
        settings: the contents of `config.toml`: the settings of the run as a run file. Empty if the file
            is missing or cannot be read.
    """

    path: Path
    facts: Mapping[str, Any]
    settings: Mapping[str, Any]

    @classmethod
    def read(cls, path: str | Path) -> SavedRun:
        """Read a run from its run directory.

        Raises `RunDirectoryError` if it is not a run directory, or its `run.json` cannot be read.
        """
        directory, settings = RunDirectory.open(path), {}
        with contextlib.suppress(OSError, ValueError, RecursionError):
            settings = tomllib.loads(read_file(directory.path / CONFIG_FILE).decode())
        return cls(directory.path, directory.read_run(), settings)

    @property
    def status(self) -> str:
        """How the run ended, or that it goes on.

        `"completed"`, `"stopped"`, `"diverged"`, `"interrupted"` or `"failed"`, as `run.json` says; or
        `"gone"` if the process of the run ended without saying how, such as by SIGKILL; or `"running"`; or
        `"running on HOST"` if the run was started on another machine, or in another container, and it is not
        known here whether it still runs there. `"unknown"` if `run.json` does not say.
        """
        status, mark = self.facts.get("status"), self.facts.get("process")
        if status != "running" or not isinstance(mark, Mapping):
            return str(status or "unknown")
        if is_gone(mark):
            return "gone"
        return "running" if is_running(mark) else f"running on {mark.get('host')}"

    @property
    def started(self) -> datetime | None:
        """When the run began, whether or not it was resumed since; None if `run.json` does not say."""
        return _time(self.facts.get("started"))

    @property
    def ended(self) -> datetime | None:
        """When the run ended; when it last wrote something, if it is gone; None while it goes on."""
        if self.status != "gone":
            return _time(self.facts.get("ended"))
        files = [self.path / name for name in (RUN_FILE, METRICS_FILE) if (self.path / name).is_file()]
        newest = max((file.stat().st_mtime for file in files), default=0.0)
        return datetime.fromtimestamp(newest, UTC)

    @property
    def is_signed(self) -> bool:
        """Whether `config.toml` was written here, see `ph.trust`."""
        return RunDirectory(self.path).is_signed()

    def progress(self) -> RunProgress:
        """Return how far the run is: as `run.json` says if it has ended, else by what it logged last.

        Raises `RunDirectoryError` if `metrics.jsonl` cannot be read.
        """
        counts = [self.facts.get(name) for name in ("iterations", "env_steps")]
        if not all(isinstance(count, int) for count in counts):
            newest = [row for row in self.newest_values() if row.is_of_iteration]
            counts = [newest[-1].iteration + 1, newest[-1].env_steps] if newest else [0, 0]
        steps = self.settings.get("total_steps")
        planned = self.settings.get("iterations") if steps is None else steps
        return RunProgress(
            iterations=int(counts[0] or 0),
            env_steps=int(counts[1] or 0),
            planned=planned if isinstance(planned, int) else None,
            unit="iterations" if steps is None else "env_steps",
        )

    def newest_values(self) -> list[MetricsRecorded]:
        """Return what the run logged last, in order, without reading what it logged before.

        These are the last lines of `metrics.jsonl`: as many as 64 KiB hold, and at least one of an iteration.
        Without the file there are none. NaN and infinities are floats. What is no whole line is skipped.

        Raises `RunDirectoryError` if the file cannot be read.
        """
        return [_event(row) for row in read_last_rows(self.path / METRICS_FILE)]

    def checkpoints(self) -> list[SavedCheckpoint]:
        """Return the checkpoints of the run, the newest last, and then its final policies if there are some.

        All of their files are read, to say whether they are as they were written.
        """
        directory = RunDirectory(self.path)
        numbers = {path: number for number, path in directory.numbered_checkpoints()}
        return [SavedCheckpoint.read(path, numbers.get(path)) for path in directory.checkpoints()]

    def named_code(self) -> dict[str, str]:
        """Return what is imported when the run is loaded, by where the run names it.

        These are the texts like `package.module:Name` or `./file.py:Name` in the settings, and those of its
        final policies and checkpoints. Registered names are not among them.

        Raises:
            CheckpointError: if a checkpoint is damaged.
        """
        named = {f"{CONFIG_FILE} {name}": code for name, code in _references(self.settings)}
        for folder in RunDirectory(self.path).checkpoints():
            state = load_checkpoint(folder)
            found = _references(state.get("policies", {}) if is_checkpoint(folder) else state)
            named |= {f"{folder.name} {name}": code for name, code in found}
        return named

    def env_factory(self, *, trust: bool = False) -> EnvFactory:
        """Return what makes the env of the run anew, with the settings that the run had.

        Args:
            trust: whether to import whatever the run names, though it was not written here.

        Raises:
            RunDirectoryError: if the env cannot be made again because `config.toml` cannot hold it or its
                `env_config`, or holds masks of secrets.
            ConfigError: if the env cannot be imported, or an environment variable is missing.
            TrustError: if the run was not written here, and names code that is of no installed plugin.
        """
        directory = RunDirectory(self.path)
        _check_env_config(directory, self.facts)
        with untrusted(f"The run {self.path}", unless=trust or self.is_signed):
            run_file = _run_file(directory)
            return EnvFactory(_env_class(run_file), revealed(_env_config(directory, run_file)))

    def policy_by_agent(self, make_env: EnvFactory) -> dict[AgentID, PolicyID]:
        """Return the policy id of each agent of the run; `make_env` is asked where JSON cannot hold an id.

        Raises:
            RunDirectoryError: if the run ended before it had policies.
        """
        if "policy_by_agent" not in self.facts or "seed" not in self.facts:
            raise RunDirectoryError(f"The run {self.path} has status {self.status!r}, and no policies yet.")
        return _policy_by_agent(self.facts, make_env)

    def sign(self) -> None:
        """Sign the run as if it had been written here; then all that it names is imported when it is loaded.

        Raises:
            RunDirectoryError: if `run.json` cannot be read or written.
            CheckpointError: if a checkpoint is damaged; then nothing is signed.
        """
        RunDirectory(self.path).sign()

    def logged_values(self) -> Iterator[MetricsRecorded]:
        """Yield what the run logged, one event per line of `metrics.jsonl`, in order; without it, nothing.

        NaN and infinities are floats. A last line that was cut off when the run was killed is skipped.

        Raises `RunDirectoryError` if another line is damaged, or the file cannot be read.
        """
        for _, row in read_rows(self.path / METRICS_FILE):
            yield _event(row)


def evaluate_run(
    run: str | Path,
    *,
    num_episodes: int | None = None,
    seed: int | None = None,
    max_steps: int | None = None,
    env_config: Mapping[str, Any] | None = None,
    copy: int | None = None,
    prepare: Callable[[MultiAgentEnv, Mapping[str, Any]], None] | None = None,
    trust: bool = False,
) -> tuple[Evaluation, float | None]:
    """Evaluate the final policies of a run, or those of one of its checkpoints.

    The env is made anew from the run's `config.toml`, played with `compute_actions`, as `evaluate` does, and
    closed. Nothing is written. With neither `num_episodes` nor `seed`, the evaluation that the run ended
    with is repeated.

    Args:
        run: the run directory, or the folder of a checkpoint in it.
        num_episodes: how many episodes to play; None: as many as the run's own evaluation, or 100.
        seed: what the episodes follow from; None: the seed of the run's own evaluation, or one that follows
            from the run's seed.
        max_steps: episodes are truncated after so many steps; None: as in the run's own evaluation.
        env_config: settings of the env by dotted name, such as `{"num_shops": 5}`, over those of the run.
            Agents that the run did not have play the policy that all agents of their class had.
        copy: of a run that learned in each copy of the env for itself, such as one of independent sessions,
            the number of the copy whose policies are evaluated.
        prepare: called once with the env and its `env_config`, before the first reset; may set a recorder,
            or refuse the env by an exception, after which the env is closed too.
        trust: whether to import whatever the run names, though it was not written here.

    Returns:
        The evaluation, in which the agents of trained policies count; and the `reference_return` of the run
        file, None without one.

    Raises:
        RunDirectoryError: if `run` is neither, the run ended before it had policies, or the env cannot be
            made again because `config.toml` cannot hold it or its `env_config`, or holds masks of secrets.
        ConfigError: if the env cannot be imported, an environment variable is missing, or `copy` is missing
            or names none.
        PolicyMappingError: if an agent has no policy, because of `env_config`.
        CheckpointError: if the policies cannot be read.
        EnvError: if the env cannot be made, or raises in an episode.
        TrustError: if the run was not written here, and names code that is of no installed plugin.
    """
    directory, facts = _open(Path(run))
    if "policy_by_agent" not in facts:
        status = f"has status {facts.get('status')!r}"
        if facts.get("status") == "running" and is_gone(facts.get("process") or {}):
            status = "was killed"
        raise RunDirectoryError(
            f"The run {directory.path} {status}: it did not finish, so there is nothing to "
            f"evaluate.{directory.newest_checkpoint_hint()}"
        )
    for key in ("seed", "policies_to_train"):
        if key not in facts:
            raise RunDirectoryError(f"{directory.path / RUN_FILE} is damaged: it has no {key}.")
    _check_env_config(directory, facts, given=env_config or {})

    def load() -> Mapping[PolicyID, BasePolicy]:
        return _of_copy(load_policies(run, trust=trust), copy, directory)

    with untrusted(f"The run {directory.path}", unless=trust or directory.is_signed()):
        return _evaluate(directory, facts, load, num_episodes, seed, max_steps, env_config or {}, prepare)


def _evaluate(
    directory: RunDirectory,
    facts: Mapping[str, Any],
    load: Callable[[], Mapping[PolicyID, BasePolicy]],
    num_episodes: int | None,
    seed: int | None,
    max_steps: int | None,
    changes: Mapping[str, Any],
    prepare: Callable[[MultiAgentEnv, Mapping[str, Any]], None] | None,
) -> tuple[Evaluation, float | None]:
    """Make the env of a run, and play it with the policies that are loaded; see `evaluate_run`."""
    run_file = _run_file(directory)
    components = _components(run_file)
    plan = run_file.evaluation() or EvaluationPlan()
    env_class = components.env_class(run_file.table["env"])
    make_run_env = EnvFactory(env_class, revealed(_env_config(directory, run_file, given=changes)))
    policy_by_agent = _policy_by_agent(facts, make_run_env)
    for name, value in changes.items():
        run_file.set(f"env_config.{name}", value, "--set")
    env_config = _env_config(directory, run_file)
    make_env = EnvFactory(env_class, revealed(env_config))
    if seed is None:
        seed = derive_seed(facts["seed"], "evaluation") if plan.seed is None else plan.seed
    policies = load()
    with Secrets.of(env_config).hidden(), contextlib.closing(make_env()) as env:
        if prepare is not None:
            prepare(env, env_config)
        specs: dict[PolicyID, PolicySpec] = {}
        if changes:
            selections = agents_of_run(make_run_env, facts["seed"], policy_by_agent, policies)
            specs = {i: PolicySpec(agents=selections[i], policy=policy) for i, policy in policies.items()}
            reset_once(env, facts["seed"])  # some build their network in reset
            policy_by_agent = {
                agent_id: policy_id
                for policy_id, group in group_agents(env, specs).items()
                for agent_id in group.agent_ids
            }
        evaluation = evaluate(
            env,
            policies,
            policy_by_agent,
            specs=specs,
            num_episodes=num_episodes or plan.episodes,
            seed=seed,
            max_steps=max_steps or plan.max_steps,
            metrics=_metrics(run_file, components),
            agent_ids=[a for a, i in policy_by_agent.items() if i in facts["policies_to_train"]],
        )
    return evaluation, plan.reference_return


def _of_copy(
    policies: Mapping[PolicyID, BasePolicy], copy: int | None, directory: RunDirectory
) -> Mapping[PolicyID, BasePolicy]:
    """Return the policies of one copy, where a run learned in each copy for itself."""
    by_copy = {i: policy for i, policy in policies.items() if isinstance(policy, PolicyByCopy)}
    if copy is not None:
        if not by_copy:
            raise ConfigError(
                f"The run {directory.path} did not learn in each copy of the env for itself, so there is no "
                f"copy {copy} to choose. Leave it out."
            )
        return {**policies, **{i: policy.of_copy(copy) for i, policy in by_copy.items()}}
    for policy_id, policy in by_copy.items():
        if policy.num_copies > 1:
            raise ConfigError(
                f"Policy {policy_id!r} of the run {directory.path} learned in each of {policy.num_copies:,} "
                "copies of the env for itself. Say what is evaluated, by a number from 0 to "
                f"{policy.num_copies - 1:,}: --copy 0, or evaluate_run(..., copy=0). In Python "
                f"ph.load_policies(run)[{policy_id!r}].of_copy(0) is the policy of one copy."
            )
    return policies


def _run_file(directory: RunDirectory) -> RunFile:
    """Return the `config.toml` of a run; raise `RunDirectoryError` if it is damaged."""
    run_file = RunFile.read(directory.path / CONFIG_FILE)
    for key, kind in (("env", str), ("env_config", dict), ("metrics", dict)):
        value = run_file.table.get(key, None if key == "env" else {})
        if not isinstance(value, kind):
            expected = "the name of an env" if key == "env" else "a table"
            raise RunDirectoryError(f"{run_file.path} is damaged: {key} is {value!r}. Expected {expected}.")
    return run_file


def _components(run_file: RunFile) -> Components:
    return Components(run_file.plugin_settings(), folder=run_file.folder, start="the run file")


def _env_class(run_file: RunFile) -> Callable[..., MultiAgentEnv]:
    return _components(run_file).env_class(run_file.table["env"])


def _event(row: MetricsRow) -> MetricsRecorded:
    return MetricsRecorded(
        iteration=row.iteration,
        env_steps=row.env_steps,
        values=row.numbers,
        is_of_iteration=row.is_of_iteration,
    )


def _time(text: Any) -> datetime | None:
    """Return a time of `run.json`, in UTC; None if there is none."""
    with contextlib.suppress(TypeError, ValueError, OverflowError):
        return datetime.fromisoformat(text).astimezone(UTC)
    return None


def _references(value: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """Yield the texts in a value that may name code, with their dotted names."""
    if isinstance(value, Mapping):
        for key, part in value.items():
            yield from _references(part, f"{name}.{key}" if name else key)
    elif isinstance(value, list):
        for number, part in enumerate(value):
            yield from _references(part, f"{name}[{number}]")
    elif isinstance(value, str) and re.fullmatch(r"[^\s:]+:[^\W\d][\w.-]*", value):
        yield name, value


def _metrics(run_file: RunFile, components: Components) -> dict[str, Metric]:
    """Return the metrics of a run by name, but for those that a file does not hold."""
    missing = {name.split(".")[1] for name in run_file.not_in_file if name.startswith("metrics.")}
    tables = {i: t for i, t in run_file.table.get("metrics", {}).items() if i not in missing}
    return {
        name: components.metric(name, revealed(metric_with_environment(name, table)))
        for name, table in tables.items()
        if not masked_names(table)
    }


def _open(path: Path) -> tuple[RunDirectory, dict[str, Any]]:
    """Return the run directory, and the facts about the run; a checkpoint's mapping overrides `run.json`."""
    if not is_checkpoint(path):
        directory = RunDirectory.open(path)
        return directory, directory.read_run()
    directory = RunDirectory.open(path.absolute().parent.parent)
    if not path.is_dir():
        there = ", ".join(folder.name for _, folder in directory.numbered_checkpoints()) or "none"
        raise RunDirectoryError(f"{path} is no checkpoint of its run. There are: {there}.")
    saved = load_checkpoint(path)
    try:
        check_facts(saved, PoliciesInUse)
    except ValueError as error:
        raise CheckpointError(f"The checkpoint {path} cannot be read: {without_stop(error)}.") from error
    return directory, directory.read_run() | {key: saved[key] for key in _WHO}


def _check_env_config(directory: RunDirectory, facts: Mapping[str, Any], given: Collection[str] = ()) -> None:
    """Raise if the env of the run cannot be rebuilt from `config.toml`, and what it lacks is not given."""
    if "env" in facts.get("not_in_config", ()):
        raise RunDirectoryError(
            f"The env of the run {directory.path} was made by code that cannot be imported, so it cannot be "
            "made again. Use ph.load_policies(run) and ph.evaluate(env, ...)."
        )
    names = [name for name in facts.get("not_in_config", ()) if re.match(r"env(_config)?\b", name)]
    names = [name for name in names if name.removeprefix("env_config.") not in given]
    if names:
        raise RunDirectoryError(
            f"The env of the run {directory.path} cannot be made again: {CONFIG_FILE} cannot hold the values "
            f"of {listing(names)}. Use ph.load_policies(run) and ph.evaluate(env, ...)."
        )


def _env_config(directory: RunDirectory, run_file: RunFile, given: Collection[str] = ()) -> Any:
    """Return the settings of the env, with `"env:NAME"` read; raise if secrets among them were masked."""
    env_config = run_file.table.get("env_config", {})
    names = masked_names(env_config, "env_config")
    names = [name for name in names if name.removeprefix("env_config.") not in given]
    if names:
        raise RunDirectoryError(
            f"The env of the run {directory.path} cannot be made again: {CONFIG_FILE} does not hold "
            f"{', '.join(names)}, which were masked as secrets. Use ph.load_policies(run) and "
            "ph.evaluate(env, ...); or train with 'env:NAME' in their place, which is read from the "
            "environment again."
        )
    return read_environment(without_none_text(env_config), "env_config")


def _policy_by_agent(facts: Mapping[str, Any], make_env: EnvFactory) -> dict[AgentID, PolicyID]:
    """Return the policy id of each agent; ids that JSON cannot hold are matched to those of a new env."""
    pairs = facts["policy_by_agent"]
    known: tuple[AgentID, ...] = ()
    if not all(is_lossless(encoded) for encoded, _ in pairs):
        env = make_env()
        try:
            env.reset(seed=derive_seed(facts["seed"], "setup"))  # some build their network in reset
            known = tuple(env.strategic_agent_ids)
        finally:
            env.close()
    return {decode_id(encoded, known): policy_id for encoded, policy_id in pairs}
