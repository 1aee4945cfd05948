"""What a run is, frozen when it begins, and where it stands: data, without behaviour."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from phantom_core.errors import UnknownNameError
from phantom_core.hooks.events import Status
from phantom_core.policies.policy import Policy
from phantom_core.policies.policy_mapping import PolicySpec
from phantom_core.rollouts.make_vector_env import VectorizationMode
from phantom_core.training.plugin_plan import PluginPlan
from phantom_core.training.run_plans import TrainingPhase
from phantom_core.types import AgentID, PolicyID

_log = logging.getLogger("phantom_core")


class HasState(Protocol):
    """Whatever a checkpoint saves."""

    def state_dict(self) -> dict[str, Any]:
        """Return arrays and JSON values."""
        ...


def no_policy_names(name: str) -> type[Policy]:
    """Raise: a run without plugins knows no names.

    Raises:
        UnknownNameError: always.
    """
    raise UnknownNameError(
        f"No policy named {name!r}: this run has no registry.", kind="policy", name=name, known=()
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFacts:
    """What a run is; nothing of it changes.

    Attributes:
        name: what the run is called.
        seed: what everything random in it follows from.
        trainer_name: the registered name of the trainer, or its class name.
        trainer_key: what the trainer is called in the settings; empty: as its name.
        directory: where it writes; None: nowhere.
        total_steps: how many env steps it was asked for; None: it was asked for iterations.
        hyper_parameters: its settings by dotted name.
        training_plan: whose turn it is to learn; empty: everybody's, in every iteration.
        workers: how many processes step the copies of the env; 0: this one.
        vectorization_mode: whether copies are so many envs, or one vector env.
        plugin_plan: what those processes must have installed; None: it is not looked at.
        other_trainers: the trainers that single policies name, by what they are called there.
        load_policy_class: returns the policy class that a name or place leads to.
    """

    name: str
    seed: int
    trainer_name: str
    trainer_key: str = ""
    directory: Path | None = None
    total_steps: int | None = None
    hyper_parameters: Mapping[str, Any] = field(default_factory=dict)
    training_plan: Sequence[TrainingPhase] = ()
    workers: int = 0
    vectorization_mode: VectorizationMode = "sync"
    plugin_plan: PluginPlan | None = None
    other_trainers: Mapping[str, Any] = field(default_factory=dict)
    load_policy_class: Callable[[str], type[Policy]] = no_policy_names


@dataclass(slots=True)
class RunState:
    """Where a run stands.

    Attributes:
        num_iterations: how many iterations it will make; None: as many as `total_steps` takes.
        iteration: the iteration that is being made; -1 before the first.
        iterations: iterations made.
        env_steps: env steps made in training.
        steps_before: env steps made before this iteration.
        history: one row per iteration.
        stop_reasons: what stops it early.
        problems: what the run could not write, one sentence each.
        is_interrupted: whether a signal asked it to stop.
        is_iterating: whether an iteration is being made.
        is_saving: whether it writes what must not be lost, so that no signal may break it off.
        policies: policy by id; empty until the env was looked at.
        policy_by_agent: policy id by agent id.
        policy_specs: by policy id, how agents that join during an episode find their policy.
        policies_to_train: ids of the policies that are trained.
        training: what a checkpoint holds beside the policies; None: nothing.
    """

    num_iterations: int | None = None
    iteration: int = -1
    iterations: int = 0
    env_steps: int = 0
    steps_before: int = 0
    history: list[dict[str, float]] = field(default_factory=list)
    stop_reasons: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    is_interrupted: bool = False
    is_iterating: bool = False
    is_saving: bool = False
    policies: Mapping[PolicyID, Policy] = field(default_factory=dict)
    policy_by_agent: Mapping[AgentID, PolicyID] = field(default_factory=dict)
    policy_specs: Mapping[PolicyID, PolicySpec] = field(default_factory=dict)
    policies_to_train: tuple[PolicyID, ...] = ()
    training: HasState | None = None

    @property
    def status(self) -> Status:
        """How the run ends, as far as it is known now."""
        if self.is_interrupted:
            return "interrupted"
        return "stopped" if self.stop_reasons else "completed"

    def add_problem(self, sentence: str) -> None:
        """Note that something of the run could not be written; the run goes on."""
        self.problems.append(sentence)
        _log.warning("%s", sentence)

    @contextmanager
    def saving(self) -> Iterator[None]:
        """Let no signal break the block off; it writes what was learned, or how the run ended."""
        before, self.is_saving = self.is_saving, True
        try:
            yield
        finally:
            self.is_saving = before
