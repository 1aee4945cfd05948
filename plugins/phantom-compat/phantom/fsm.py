"""Envs whose agents act in stages."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import phantom_core as ph
from phantom._layer.predecessor_rules import Remembered, StageRules
from phantom.env import PhantomEnv
from phantom.network import Network
from phantom.supertype import Supertype
from phantom.telemetry import logger
from phantom.types import AgentID, StageID
from phantom.views import AgentView, EnvView

HandlerT = TypeVar("HandlerT", bound=Callable[..., Any])


class FSMValidationError(Exception):
    """The stages of an env do not fit together."""


class FSMRuntimeError(Exception):
    """A stage went where it may not go."""


@dataclass(frozen=True)
class FSMEnvView(EnvView):
    """What every agent sees of the env: also the stage that is played."""

    stage: StageID


class FSMStage:
    """One stage: an item of `stages=`, or the decorator of an env's method, which then is its handler."""

    def __init__(
        self,
        stage_id: StageID,
        acting_agents: Sequence[AgentID],
        rewarded_agents: Sequence[AgentID] | None = None,
        next_stages: Sequence[StageID] | None = None,
        handler: Callable[..., StageID] | None = None,
    ) -> None:
        self.id = stage_id
        self.acting_agents = acting_agents
        self.rewarded_agents = rewarded_agents
        self.next_stages = list(next_stages or [])
        self.handler = handler

    def __call__(self, handler: HandlerT) -> HandlerT:
        """Make a method the handler of the stage."""
        handler._decorator = self  # type: ignore[attr-defined]  # the mark that the env looks for
        self.handler = handler
        return handler


class FiniteStateMachineEnv(PhantomEnv):
    """A world in which a stage says who acts, who is rewarded and what comes next.

    Attributes:
        initial_stage: the stage of the first step.
        current_stage: the stage that is played, or comes next.
        previous_stage: the stage before that; None at first.
    """

    def __init__(
        self,
        num_steps: int | None,
        network: Network,
        initial_stage: StageID,
        env_supertype: Supertype | Mapping[str, Any] | None = None,
        agent_supertypes: Mapping[AgentID, Supertype | Mapping[str, Any]] | None = None,
        stages: Sequence[FSMStage] | None = None,
    ) -> None:
        super().__init__(num_steps, network, env_supertype, agent_supertypes)
        self._stages = _collect_stages(type(self), stages or ())
        _check_stages(self._stages, initial_stage)
        self.initial_stage = initial_stage
        self.current_stage = initial_stage
        self.previous_stage: StageID = None
        self._next_stage = initial_stage
        self._memory = Remembered(self)
        self.reward_ledger = self._memory
        self.step_rules = StageRules()
        self.turn_order = _Stages(self._stages)

    def is_fsm_deterministic(self) -> bool:
        """Tell whether every stage has exactly one next stage."""
        return all(len(stage.next_stages) == 1 for stage in self._stages.values())

    def view(self, agent_views: Mapping[AgentID, AgentView | None]) -> FSMEnvView:
        """Return step, proportion and the stage that is played."""
        plain = super().view(agent_views)
        return FSMEnvView(plain.current_step, plain.proportion_time_elapsed, self.current_stage)

    def reset(  # type: ignore[override, misc]  # as in the base class
        self, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[AgentID, Any], dict[str, Any]]:
        """Start an episode in the initial stage."""
        self.current_stage, self.previous_stage = self.initial_stage, None
        return super().reset(seed, options)

    def enter_next_stage(self) -> None:
        """Called at the end of a step, when everybody observed."""
        self.previous_stage, self.current_stage = self.current_stage, self._next_stage

    def _to_log(self, step: ph.StepResult) -> ph.StepResult:
        observations, infos = self._memory.newest
        return step._replace(observations=observations, infos=infos)

    def _is_last(self, step: ph.StepResult) -> bool:
        return self.current_stage is None or super()._is_last(step)

    def _log_transition(self) -> None:
        logger.log_fsm_transition(self.previous_stage, self.current_stage)

    @property
    def _observations(self) -> dict[AgentID, Any]:
        return self._memory.observations

    @property
    def _rewards(self) -> dict[AgentID, Any]:
        return self._memory.rewards

    @property
    def _infos(self) -> dict[AgentID, Any]:
        return self._memory.infos

    def _play_stage(self, stage: FSMStage) -> StageID:
        """Resolve the messages of a stage; return which comes next."""
        if stage.handler is None:
            self.resolve_network()
            self._next_stage = stage.next_stages[0]
            return self._next_stage
        handler: Callable[..., StageID] = stage.handler
        next_stage = handler() if hasattr(handler, "__self__") else handler(self)
        if next_stage not in stage.next_stages:
            raise FSMRuntimeError(
                f"FiniteStateMachineEnv attempted invalid transition from '{stage.id}' to {next_stage!r}. "
                f"Its next stages are {stage.next_stages}."
            )
        self._next_stage = next_stage
        return next_stage


class _Stages:
    """Stages as a turn order of the core."""

    def __init__(self, stages: Mapping[StageID, FSMStage]) -> None:
        self._stages = stages
        self._turns: dict[StageID, ph.Turn] = {}

    def first(self, env: Any) -> ph.Turn:
        """Return the turn of the current stage: after a reset the initial one."""
        return self._turn_of(env.current_stage)

    def advance(self, env: Any, turn: ph.Turn) -> ph.Turn:
        """Let the stage resolve the messages and say what comes next."""
        return self._turn_of(env._play_stage(self._stages[turn.name]))

    def _turn_of(self, stage_id: StageID) -> ph.Turn:
        stage = self._stages[stage_id]
        acting = tuple(stage.acting_agents)
        rewarded = None if stage.rewarded_agents is None else tuple(stage.rewarded_agents)
        turn = self._turns.get(stage_id)
        if turn is None or turn.acting != acting or turn.rewarded != rewarded:  # a program may change them
            observing = None if rewarded is None else ph.ACTING_NEXT
            turn = self._turns[stage_id] = ph.Turn(stage_id, acting, rewarded, observing)
        return turn


def _collect_stages(cls: type, listed: Iterable[FSMStage]) -> dict[StageID, FSMStage]:
    stages: dict[StageID, FSMStage] = {}
    for stage in listed:
        stages.setdefault(stage.id, stage)
    for name in dir(cls):
        decorated = getattr(getattr(cls, name, None), "_decorator", None)
        if isinstance(decorated, FSMStage):
            if decorated.id in stages:
                raise FSMValidationError(
                    f"Found multiple stages with ID '{decorated.id}'. Give {cls.__name__}.{name} another one."
                )
            stages[decorated.id] = decorated
    return stages


def _check_stages(stages: Mapping[StageID, FSMStage], initial_stage: StageID) -> None:
    if not stages:
        raise FSMValidationError("No registered stages. Pass stages=[FSMStage(...)], or decorate methods.")
    if initial_stage not in stages:
        raise FSMValidationError(
            f"Initial stage '{initial_stage}' is not a valid stage. Stages: {list(stages)}."
        )
    for stage in stages.values():
        for next_stage in stage.next_stages:
            if next_stage not in stages:
                raise FSMValidationError(
                    f"Next stage '{next_stage}' given in stage '{stage.id}' is not a valid stage. "
                    f"Stages: {list(stages)}."
                )
        if stage.handler is None and len(stage.next_stages) != 1:
            raise FSMValidationError(
                f"Stage '{stage.id}' without handler must have exactly one next stage "
                f"(got {len(stage.next_stages)})."
            )
