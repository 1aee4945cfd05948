"""`Study`: points × treatments × seeds of a model, played and stored."""

from __future__ import annotations

import importlib.metadata
import json
import logging
import platform
import tempfile
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeAlias

import numpy as np

import phantom_core as ph
from phantom_experiments import designs
from phantom_experiments.collecting import Collect
from phantom_experiments.designs import Design
from phantom_experiments.env_changes import changed, check_names, env_path
from phantom_experiments.executors import Executor, WorkerLostError
from phantom_experiments.playing import Outcome, Playing, Task
from phantom_experiments.progress import ShowProgress, progress_bar
from phantom_experiments.results import Results
from phantom_experiments.store import HEADER, StudyStore, read_header
from phantom_experiments.task_plans import EverySeed, Precision, TaskPlan
from phantom_experiments.treatments import parse_treatments

_log = logging.getLogger("phantom_core")

Policies: TypeAlias = ph.PolicyMapping | str | Path | None
"""Who plays: as for `ph.train`, each with a policy; or a run directory; None: those of the model."""

_CHANGES: Final = ("status", "started", "ended", "versions")
"""What may differ between the study that was begun and the one that goes on with it."""


class Replay(NamedTuple):
    """The rows of one episode.

    Attributes:
        episode: its row in the table of episodes.
        agents: its rows in the table of agents.
        steps: its rows in the table of steps.
    """

    episode: dict[str, Any]
    agents: list[dict[str, Any]]
    steps: list[dict[str, Any]]


class Study:
    """Points × treatments × seeds of a model.

    Attributes:
        model: the env and its policies.
        design: the points.
        treatments: the treatments.
        seeds: the seeds.
        collect: what is recorded.
        episodes: how many episodes each seed has.
        max_steps: each episode is truncated after so many steps; None: for no limit.
        common_random_numbers: whether a seed means the same random numbers at every point and treatment.
    """

    def __init__(
        self,
        env: str | Path | Callable[..., ph.MultiAgentEnv],
        vary: Design | Mapping[str, Any] | None = None,
        *,
        seeds: int | Sequence[int] = 1,
        treatments: Mapping[str, Any] | None = None,
        collect: Collect | None = None,
        env_config: Mapping[str, Any] | None = None,
        episodes: int = 1,
        max_steps: int | None = None,
        common_random_numbers: bool = True,
        trust: bool = False,
    ) -> None:
        """Say what to study; nothing is played yet.

        Args:
            env: an env class, or a function that makes an env; the name of a registered env or a reference; a
                run file; or a run directory, with its policies.
            vary: the points: a design such as `px.product(num_buyers=[3, 10])`, or a dict, which is a
                product.
            seeds: how many (0, 1, …), or which.
            treatments: what is different in the worlds that are compared, by name: changes of `env_config`
                (`{"tax": 0.1}`), `px.at(step, change)`, or a list of these.
            collect: what is recorded, see `px.collect`. Without: rewards and the number of steps.
            env_config: keyword arguments of the env, over those of a run file or run, also by dotted names.
                Ranges anywhere in it become parameters.
            episodes: how many episodes each seed has, one after the other.
            max_steps: truncate each episode after so many steps.
            common_random_numbers: whether a seed means the same random numbers at every point and treatment,
                so that differences between them are paired; else each has its own.
            trust: whether to import whatever a run directory names, though it was not written here.

        A study that is refused leaves nothing in `out`.

        Raises:
            ConfigError: if an argument is not what it should be, or there is no such env.
        """
        model = ph.load_model(env, trust=trust)
        self._source = _source_text(env)
        config = changed(model.make_env.env_config, env_config or {})
        design = vary if isinstance(vary, Design) else designs.product(vary or {})
        found = dict(designs.ranges_in(config))
        self.design = _named(design * designs.product(found) if found else design)
        self.model = model.with_config(config)
        self.treatments = parse_treatments(treatments)
        own = [*(env_config or {}), *self.design.names, *(n for t in self.treatments for n in t.changes)]
        of_env = [name for name in own if "." not in name or name.startswith("env_config.")]
        check_names(self.model.make_env.env_class, of_env)
        self.seeds = _seeds(seeds)
        self.collect = Collect() if collect is None else collect
        for name, number in (("episodes", episodes), ("max_steps", 1 if max_steps is None else max_steps)):
            if not isinstance(number, int) or isinstance(number, bool) or number < 1:
                raise ph.errors.ConfigError(f"{name} is {number!r}. Expected a positive integer.")
        if not isinstance(self.collect, Collect):
            raise ph.errors.ConfigError(
                f"collect is {collect!r}. Expected px.collect(env={{'price': 'price'}}, …)."
            )
        _check_columns(self.collect, self.design)
        self.episodes, self.max_steps = episodes, max_steps
        self.common_random_numbers = common_random_numbers

    def simulate(
        self,
        policies: Policies = None,
        *,
        workers: int | None = None,
        out: str | Path | None = None,
        executor: str | Executor[Any, Any] = "local",
        until: Precision | None = None,
        progress: ShowProgress | None = None,
    ) -> Results:
        """Play the study, and return its tables.

        An episode that raises is a row with its error, and the rest go on. With `out`, a study that was
        interrupted goes on where it stopped; the files are, byte for byte, those of one that was not.

        Args:
            policies: who plays, as for `ph.train`, each with a policy; or a run directory. In a study of a
                run, these replace some of its policies. None: those of the model; none are needed if nobody
                acts.
            workers: how many processes, of the executor `local`; 1: this one.
            out: the directory to write to; None: a temporary one, which is removed with the results.
            executor: where it is played: the name of a registered executor, or one that was made.
            until: `px.precision(name, error)`, to stop when there are enough seeds.
            progress: called with the number of tasks that are done, of all tasks (at most so many, with
                `until`), and of episodes that raised. None: a bar, in a terminal or a notebook.

        Raises:
            ConfigError: if an argument is not what it should be, `out` holds another study, something cannot
                be sent to processes, or something is to be collected that is not there.
            PolicyMappingError: if agents and policies do not fit together in the first episode.
            WorkerLostError: if the processes that play a task die.
        """
        ph.processes.leave_if_starting()
        playing = self._playing(policies)
        plan = self._plan(until)
        header = self._header(policies, until)
        runner = _executor(executor, workers)
        if out is None:
            directory, keeps_folder = Path(tempfile.mkdtemp(prefix="study-")), False
            store = StudyStore.create(directory, header)
        else:
            directory = Path(out)
            keeps_folder = directory.exists()
            store = _opened(directory, header)
        problems = _Problems()
        status = "interrupted"
        try:
            with ph.processes.one_blas_thread(), progress_bar() as bar:
                self._run(plan, playing, runner, store, problems, progress or bar)
            status = "completed"
        except WorkerLostError as error:
            if isinstance(error.task, Task):
                raise WorkerLostError(self.describe(error.task), error.how) from error
            raise
        except ph.errors.ConfigError:
            status = "interrupted" if store.tasks else "refused"
            raise
        finally:
            playing.close()
            if status == "refused":
                store.discard(keeps_folder=keeps_folder)
            else:
                store.close(status, ended=_now())
        problems.warn(self)
        return Results(directory, is_temporary=True) if out is None else Results.open(directory)

    def replay(self, row: Mapping[str, Any], *, policies: Policies = None, recorder: Any = None) -> Replay:
        """Play the episode of a row of any table again.

        Args:
            row: a row with point, treatment, seed and episode.
            policies: who plays; what was given to `simulate`.
            recorder: recorder of the env, such as `phantom_recording.Recorder("episode.jsonl")`.

        Raises:
            ConfigError: if the row is of another study.
        """
        names = [treatment.name for treatment in self.treatments]
        try:
            task = Task(int(row["point"]), names.index(row["treatment"]), int(row["seed"]))
            episode = int(row["episode"])
            self.design.points[task.point]
        except (KeyError, ValueError, IndexError, TypeError) as error:
            raise ph.errors.ConfigError(
                f"The row {dict(row)!r} is none of this study: {ph.tools.error_text(error)}. Expected point, "
                f"treatment ({ph.tools.listing(names)}), seed and episode."
            ) from error
        playing = self._playing(policies)
        try:
            rows = playing.play(task, episodes=episode + 1, recorder=recorder)[0]
        finally:
            playing.close()
        own = {table: [one for one in rows[table] if one["episode"] == episode] for table in rows}
        (played,) = own["episodes"]
        return Replay(played, own["agents"], own["steps"])

    def describe(self, task: Task) -> str:
        """Return what messages call a task: its point, treatment and seed."""
        values = ", ".join(f"{name}={value!r}" for name, value in self.design.points[task.point].items())
        treatment = self.treatments[task.treatment].name if len(self.treatments) > 1 else ""
        named = f"point {task.point}" + (f" ({values})" if values else "")
        return f"{named}{f', treatment {treatment!r}' if treatment else ''}, seed {task.seed}"

    def _playing(self, policies: Policies) -> Playing:
        for name in self.design.names:
            env_path(name)
        model = self.model
        if isinstance(policies, (str, Path)):
            policies = ph.load_model(policies).policies
        if policies is not None:
            if not isinstance(policies, Mapping):
                raise ph.errors.ConfigError(
                    f"policies is {policies!r}. Expected policies by id, such as "
                    f"{{'shop': ('random', Shop)}}, or a run directory."
                )
            model = ph.Model(model.make_env, {**_made(model.policies), **policies})
        return Playing(
            model,
            self.design.points,
            self.treatments,
            self.collect,
            self.episodes,
            self.max_steps,
            self.common_random_numbers,
        )

    def _plan(self, until: Precision | None) -> TaskPlan:
        sizes = len(self.design), len(self.treatments), self.seeds
        if until is None:
            return EverySeed(*sizes)
        if not isinstance(until, Precision):
            raise ph.errors.ConfigError(f"until is {until!r}. Expected px.precision(name, error).")
        return until.plan(*sizes)

    def _run(
        self,
        plan: TaskPlan,
        playing: Playing,
        runner: Executor[Task, Outcome],
        store: StudyStore,
        problems: _Problems,
        progress: ShowProgress,
    ) -> None:
        """Play the tasks that are not stored yet, in their order."""
        left = store.tasks  # of the tasks that are stored
        stored = store.stored_episodes() if left and plan.needs_values else iter(())
        runner.start(playing)
        try:
            for batch in plan.batches():
                tasks = iter(batch)
                for task in islice(tasks, left):
                    left -= 1
                    if plan.needs_values:
                        plan.take(task, next(stored))
                for task, outcome in runner.map(tasks):
                    if outcome.mistake is not None and not store.tasks:
                        raise outcome.mistake(outcome.problems[0])
                    if plan.needs_values:
                        plan.take(task, outcome.episodes())
                    store.write(outcome.rows)
                    problems.add(task, outcome)
                    progress(store.tasks, plan.most, problems.count)
        finally:
            runner.close()

    def _header(self, policies: Policies, until: Precision | None) -> dict[str, Any]:
        points, labels = [], set()
        for point in self.design.points:
            points.append({name: _as_json(value) for name, value in point.items()})
            labels |= {name for name, value in point.items() if _as_json(value) is not value}
        return {
            "env": self._source,
            "env_config": {name: _as_json(value) for name, value in self._public_config().items()},
            "policies": _policies_text(policies),
            "parameters": list(self.design.names),
            "points": points,
            "labels": sorted(labels),
            "treatments": [treatment.name for treatment in self.treatments],
            "treatment_details": {one.name: one.description() for one in self.treatments},
            "seeds": list(self.seeds),
            "episodes": self.episodes,
            "max_steps": self.max_steps,
            "common_random_numbers": self.common_random_numbers,
            "collect": self.collect.description(),
            "units": dict(self.collect.units),
            "until": None if until is None else [until.name, until.error, until.batch],
            "versions": _versions(),
            "started": _now(),
        }

    def _public_config(self) -> dict[str, Any]:
        masked: dict[str, Any] = ph.secrets.masked(dict(self.model.make_env.env_config))
        return masked


def rollout(
    env: str | Path | Callable[..., ph.MultiAgentEnv],
    policies: Policies = None,
    *,
    seeds: int | Sequence[int] = 1,
    collect: Collect | None = None,
    treatments: Mapping[str, Any] | None = None,
    episodes: int = 1,
    max_steps: int | None = None,
    workers: int | None = None,
    out: str | Path | None = None,
    **parameters: Any,
) -> Results:
    """Play a model over seeds, and return its tables: `Study(…).simulate(…)` in one call.

    Args:
        env: as for `Study`.
        policies: as for `Study.simulate`.
        seeds: how many (0, 1, …), or which.
        collect: what is recorded.
        treatments: as for `Study`.
        episodes: how many episodes each seed has.
        max_steps: truncate each episode after so many steps.
        workers: how many processes.
        out: the directory to write to; None: a temporary one.
        **parameters: keyword arguments of the env. A list, an array or a range is varied; to give a list as
            one value, put it into a list.

    Raises:
        ConfigError: if an argument is not what it should be.
    """
    varied = (list, np.ndarray, ph.ranges.Range)
    vary = {name: value if isinstance(value, varied) else [value] for name, value in parameters.items()}
    study = Study(
        env,
        vary,
        seeds=seeds,
        collect=collect,
        treatments=treatments,
        episodes=episodes,
        max_steps=max_steps,
    )
    return study.simulate(policies, workers=workers, out=out)


class _Problems:
    """The episodes that raised, for the warning at the end."""

    def __init__(self) -> None:
        self.count = self.num_episodes = 0
        self.first: tuple[Task, str] | None = None

    def add(self, task: Task, outcome: Outcome) -> None:
        self.num_episodes += outcome.num_episodes + len(outcome.problems)
        self.count += len(outcome.problems)
        if outcome.problems and self.first is None:
            self.first = task, outcome.problems[0]

    def warn(self, study: Study) -> None:
        if self.first is not None:
            task, problem = self.first
            _log.warning(
                "%s of %s episodes raised; their rows have the error. The first: %s: %s",
                f"{self.count:,}", f"{self.num_episodes:,}", study.describe(task), problem,
            )  # fmt: skip


def _opened(directory: Path, header: Mapping[str, Any]) -> StudyStore:
    """Return the store of a new study, or of one that goes on."""
    if not (directory / HEADER).is_file():
        return StudyStore.create(directory, header)
    found = read_header(directory)
    wanted = json.loads(json.dumps(header))
    other = [key for key in wanted if key not in _CHANGES and wanted[key] != found.get(key)]
    if other:
        raise ph.errors.ConfigError(
            f"out is {str(directory)!r}, which holds another study: it differs in {ph.tools.listing(other)}. "
            "Give another out; or the same study, to go on with it."
        )
    if found.get("status") == "completed":
        raise ph.errors.ConfigError(
            f"out is {str(directory)!r}, where this study is complete. Read it with px.Results.open"
            f"({str(directory)!r}); or give another out, to play it anew."
        )
    return StudyStore.resume(directory)


def _executor(choice: str | Executor[Any, Any], workers: int | None) -> Executor[Any, Any]:
    if isinstance(choice, Executor):
        if workers is not None:
            raise ph.errors.ConfigError(
                f"workers is {workers!r}, but the executor was made already. Give it its processes: "
                "px.LocalExecutor(workers=2)."
            )
        return choice
    if not isinstance(choice, str):
        raise ph.errors.ConfigError(
            f"executor is {choice!r}. Expected a registered name, such as 'local', or a px.Executor."
        )
    kind = ph.find("executor", choice).load()
    made: Executor[Any, Any] = kind() if workers is None else kind(workers=workers)
    return made


def _seeds(given: Any) -> tuple[int, ...]:
    is_count = isinstance(given, int) and not isinstance(given, bool)
    found = range(given) if is_count else given
    wrong = isinstance(found, (str, bool)) or not isinstance(found, Sequence) or not found
    if wrong or not all(isinstance(seed, int) and 0 <= seed <= ph.seeding.MAX_SEED for seed in found):
        raise ph.errors.ConfigError(
            f"seeds is {given!r}. Expected how many, such as 200, or a list of integers from 0 to 2**63 - 1."
        )
    if len(set(found)) < len(found):
        raise ph.errors.ConfigError(f"seeds is {given!r}, which has a seed twice. Give each once.")
    return tuple(found)


def _check_columns(collect: Collect, design: Design) -> None:
    """Raise `ConfigError` if a value would be in the column of a parameter."""
    names = [*collect.env, *(name for _, own in collect.agents for name in own)]
    for name in names:
        if name in design.names:
            raise ph.errors.ConfigError(
                f"collect records a value {name!r}, but that is a parameter of the study, which has a column "
                f"of this name. Give the value another: px.collect(env={{'{name}_then': ...}})."
            )


def _named(design: Design) -> Design:
    """Return a design whose parameters of the env have their short names."""
    short = {
        name: name.removeprefix("env_config.") if name.count(".") == 1 else name for name in design.names
    }
    points = tuple({short[name]: value for name, value in point.items()} for point in design.points)
    return Design(tuple(short.values()), points)


def _source_text(env: Any) -> str:
    if isinstance(env, (str, Path)):
        return str(env)
    return f"{getattr(env, '__module__', '')}:{getattr(env, '__qualname__', repr(env))}"


def _made(policies: ph.PolicyMapping) -> dict[str, Any]:
    """Return the policies of a model without those that are left to a trainer."""
    return {i: p for i, p in policies.items() if not (isinstance(p, ph.PolicySpec) and p.policy is None)}


def _policies_text(policies: Policies) -> Any:
    if policies is None or isinstance(policies, (str, Path)):
        return None if policies is None else str(policies)
    return {policy_id: _policy_text(value) for policy_id, value in policies.items()}


def _policy_text(value: Any) -> str:
    policy = value.policy if isinstance(value, ph.PolicySpec) else value
    policy = policy[0] if isinstance(policy, tuple) and policy else policy
    if isinstance(policy, str):
        return policy
    return getattr(policy, "__name__", type(policy).__name__)


def _as_json(value: Any) -> Any:
    """Return a value if JSON can hold it, else its repr."""
    try:
        is_same = json.loads(json.dumps(value, allow_nan=False)) == value
    except (TypeError, ValueError):
        is_same = False
    return value if is_same else repr(value)


def _versions() -> dict[str, str]:
    names = ("phantom-rl-core", "phantom-experiments", "numpy", "gymnasium")
    return {"python": platform.python_version(), **{n: importlib.metadata.version(n) for n in names}}


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
