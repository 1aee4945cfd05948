"""`FiniteStateMachineEnv`, an env whose turn order is a finite state machine, and its stages: `FSMStage`."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

from phantom_core.envs.agent_selection import AgentSelection, as_tuple, check_hashable, check_ids, select
from phantom_core.envs.env import PhantomEnv
from phantom_core.envs.turns import Turn
from phantom_core.errors import ConfigError, EnvError, StageError, did_you_mean, listing
from phantom_core.types import AgentID, StageID
from phantom_core.world.agents import AgentView, EnvView
from phantom_core.world.network import Network
from phantom_core.world.strategic_agents import StrategicAgent
from phantom_core.world.supertypes import Supertype

Handler: TypeAlias = Callable[..., StageID | None]
HandlerT = TypeVar("HandlerT", bound=Handler)

_STAGE = "__phantom_stage__"


class FSMStage:
    """A stage of a `FiniteStateMachineEnv`: an item of its `stages`, or a decorator of its methods.

    The handler of a stage returns the id of the next stage, or None to end the episode. It may call
    `env.resolve_network()` to read the results of the messages; otherwise the messages are resolved after
    it. A stage without a handler resolves the messages and moves to its only next stage. A decorated
    method is called without arguments; any other handler is called with the env, or without arguments if
    it takes none.

    Its attributes are its arguments, as `id`, `acting_agents` and so on; agents and stages are tuples.
    """

    def __init__(
        self,
        stage_id: StageID,
        acting_agents: AgentSelection | None,
        rewarded_agents: AgentSelection | None = None,
        next_stages: Iterable[StageID | None] | None = None,
        handler: Handler | None = None,
    ) -> None:
        """Initialise the stage; its env checks it.

        Args:
            stage_id: the id of the stage; any hashable except None.
            acting_agents: the agents that act, in this order: ids or rules. A rule is an agent class or a
                function of an agent; it selects agents in network order. None: every agent.
            rewarded_agents: the agents that are rewarded for the stage; None: the strategic agents that
                act. The agents that act in the next stage observe.
            next_stages: ids of the possible next stages; None among them: the episode may end.
            handler: chooses the next stage; optional if there is only one.

        Raises:
            ConfigError: if agents or stages are not a collection, or an item is not hashable or occurs twice.
        """
        owner = f"Stage {stage_id!r}"
        check_hashable("A stage got the id", stage_id)
        self.id = stage_id
        self.acting_agents = as_tuple(owner, "acting_agents", acting_agents)
        self.rewarded_agents = as_tuple(owner, "rewarded_agents", rewarded_agents)
        self.next_stages = as_tuple(owner, "next_stages", next_stages) or ()
        self.handler = handler

    def __call__(self, method: HandlerT) -> HandlerT:
        """Make a method its handler; raise ConfigError if the stage has one, or the method is one already."""
        if self.handler is not None or hasattr(method, _STAGE):
            raise ConfigError(
                f"Stage {self.id!r} cannot decorate {method.__name__}: the stage already has a handler, or "
                "the method already belongs to a stage. Give each stage one handler, and each handler one "
                "stage."
            )
        setattr(method, _STAGE, self)
        return method

    def __repr__(self) -> str:
        return f"<FSMStage {self.id!r}, next: {listing(self.next_stages)}>"


@dataclass(frozen=True)
class FSMEnvView(EnvView):
    """The view of a `FiniteStateMachineEnv` that every agent can read.

    Attributes:
        stage: the id of the current stage, also while agents observe at its end; at reset the first one.
    """

    stage: StageID


class Stages:
    """The turn order of a finite state machine. Turns are built when the network changes, not per step."""

    def __init__(
        self, stages: Iterable[FSMStage], initial_stage: StageID, methods: Mapping[StageID, Handler]
    ) -> None:
        """Check the stages; `methods` are the handlers that are methods of the env, by stage id.

        Raises ConfigError if there is no stage, an id is None or not unique, a stage is unknown or cannot be
        reached, a stage has no next stage, or a stage without a handler has several.
        """
        self.stages = tuple(stages)
        for stage in self.stages:
            if not isinstance(stage, FSMStage):
                expected = "Expected an FSMStage object."
                raise ConfigError(f"A FiniteStateMachineEnv got the stage {stage!r}. {expected}")
        self.initial_stage = initial_stage
        self._handlers: dict[StageID, tuple[Handler, bool]] = {
            stage.id: (stage.handler, _takes_env(f"Stage {stage.id!r}", stage.handler))
            for stage in self.stages
            if stage.handler is not None
        }
        self._handlers |= {stage_id: (method, False) for stage_id, method in methods.items()}
        _check_machine(self.stages, initial_stage, self._handlers)
        self._next = {stage.id: stage.next_stages for stage in self.stages}
        self._turns: dict[StageID | None, Turn | None] = {}
        self._network: Network | None = None
        self._version = -1
        self._is_checked = False

    def check_agents(self, network: Network) -> None:
        """Raise ConfigError if a stage names an unknown agent, or rewards one that is not strategic."""
        for stage in self.stages:
            owner, agents = f"Stage {stage.id!r}", network.agents
            check_ids(owner, "acting_agents", stage.acting_agents, agents)
            check_ids(owner, "rewarded_agents", stage.rewarded_agents, agents, StrategicAgent)
        self._is_checked = True

    def first(self, env: PhantomEnv) -> Turn:
        """Return the turn of the initial stage, after `check_agents` if the network was empty until now."""
        if not self._is_checked:
            self.check_agents(env.network)
        turn = self.turn_of(self.initial_stage, env.network)
        assert turn is not None  # only None has no turn
        return turn

    def advance(self, env: PhantomEnv, turn: Turn) -> Turn | None:
        """Call the handler, resolve the messages if it did not, and return the turn of the next stage."""
        stage_id = turn.name
        if stage_id not in self._handlers:
            env.resolve_network()
            return self.turn_of(self._next[stage_id][0], env.network)
        assert isinstance(env, FiniteStateMachineEnv)
        handler, is_given_env = self._handlers[stage_id]
        env.is_resolved = False
        next_id = handler(env) if is_given_env else handler()
        if not env.is_resolved:
            env.resolve_network()
        if next_id not in self._next[stage_id]:
            raise StageError(stage=stage_id, next_stage=next_id, allowed=self._next[stage_id])
        return self.turn_of(next_id, env.network)

    def turn_of(self, stage_id: StageID | None, network: Network) -> Turn | None:
        """Return the turn of a stage, as the agents of the network are now; None for None."""
        if self._version != network.version or self._network is not network:
            self._turns = {None: None, **{stage.id: _make_turn(stage, network) for stage in self.stages}}
            self._network, self._version = network, network.version
        return self._turns[stage_id]


class FiniteStateMachineEnv(PhantomEnv):
    """An env that moves from stage to stage. A stage defines who acts, who is rewarded, and what may follow.

    Stages are given as a list, as decorators of methods that choose the next stage, or both:

        class MarketEnv(ph.FiniteStateMachineEnv):
            @ph.FSMStage("bidding", acting_agents=BidderAgent, next_stages=["bidding", None])
            def sell(self):
                self.resolve_network()
                return None if self["AUCTIONEER"].is_sold else "bidding"

    A method that overrides a decorated one replaces it as the handler, decorated again or not. One step
    plays one stage, so the time limit counts stages.

    Attributes:
        is_resolved: whether the messages of the current step were delivered.
    """

    def __init__(
        self,
        num_steps: int | None = None,
        network: Network | None = None,
        initial_stage: StageID | None = None,
        *,
        stages: Iterable[FSMStage] = (),
        env_supertype: Supertype | Mapping[str, Any] | None = None,
        agent_supertypes: Mapping[AgentID, Supertype | Mapping[str, Any]] | None = None,
    ) -> None:
        """Initialise the env.

        Args:
            num_steps: the time limit of an episode, in stages; None: no limit.
            network: the agents and their connections. If it is empty, the agent ids in the stages are
                checked at the first reset.
            initial_stage: the id of the stage in which an episode begins.
            stages: stages in addition to those of decorated methods.
            env_supertype: as in `PhantomEnv`.
            agent_supertypes: as in `PhantomEnv`.

        Raises:
            ConfigError: if the stages are not a valid state machine, a stage names an unknown agent, or
                `PhantomEnv` raises.
        """
        decorated = _decorated_stages(type(self))
        methods = {stage.id: getattr(self, name) for name, stage in decorated.items()}
        fsm = Stages([*stages, *decorated.values()], initial_stage, methods)
        super().__init__(
            num_steps, network, env_supertype=env_supertype, agent_supertypes=agent_supertypes, turn_order=fsm
        )
        self._stages = fsm
        self.is_resolved = False
        if len(self.network):
            fsm.check_agents(self.network)

    @property
    def initial_stage(self) -> StageID:
        """The id of the stage in which an episode begins."""
        return self._stages.initial_stage

    @property
    def current_stage(self) -> StageID | None:
        """The id of the current or next stage; None before the first reset and after the end."""
        turn = self.turn
        return None if turn is None else turn.name

    @property
    def previous_stage(self) -> StageID | None:
        """The id of the stage that the last step played; None before the first step of an episode."""
        turn = self.executed_turn
        return None if turn is None else turn.name

    def _turn_again(self, saved: Mapping[str, Any], agent_ids: Mapping[str, AgentID]) -> Turn:
        name = saved["name"]
        for stage in self._stages.stages:
            turn = self._stages.turn_of(stage.id, self.network)
            if turn is not None and repr(stage.id) == name:
                return turn
        raise EnvError(
            f"{type(self).__name__} has no stage {name} now, but its episode had when it was saved. Give it "
            "the stages that it had."
        )

    def is_fsm_deterministic(self) -> bool:
        """Return whether every stage has exactly one next stage."""
        return all(len(stage.next_stages) == 1 for stage in self._stages.stages)

    def view(self, agent_views: Mapping[AgentID, AgentView | None]) -> FSMEnvView:
        """Return the view of the env that every agent can read, as `PhantomEnv.view` but with the stage."""
        step, limit = self.current_step, self.num_steps
        return FSMEnvView(step, step / limit if limit else 0.0, self.current_stage)

    @property
    def _lazy_view(self) -> Callable[..., EnvView]:
        return FiniteStateMachineEnv.view

    def resolve_network(self) -> None:
        """Deliver all messages. A handler may call it; otherwise it is called after the handler."""
        self.is_resolved = True
        super().resolve_network()


def _decorated_stages(env_class: type) -> dict[str, FSMStage]:
    """Return the stages of decorated methods by method name, those of base classes first."""
    found: dict[str, FSMStage] = {}
    for ancestor in reversed(env_class.__mro__):
        for name, value in vars(ancestor).items():
            stage = getattr(value, _STAGE, None)
            if isinstance(stage, FSMStage):
                found[name] = stage
            elif not callable(value):
                found.pop(name, None)
    return found


def _make_turn(stage: FSMStage, network: Network) -> Turn:
    agents = network.agents
    acting = None if stage.acting_agents is None else select(stage.acting_agents, agents)
    rewarded = acting if stage.rewarded_agents is None else select(stage.rewarded_agents, agents)
    if rewarded is not None:
        rewarded = tuple(i for i in rewarded if isinstance(agents[i], StrategicAgent))
    return Turn(stage.id, acting, rewarded)


def _check_machine(
    stages: Collection[FSMStage], initial_stage: StageID, handled: Collection[StageID]
) -> None:
    """Raise ConfigError if an id is wrong or a stage cannot be reached or left; `handled` have a handler."""
    ids = [stage.id for stage in stages]
    if not ids:
        cure = "Decorate a method with FSMStage, or give stages=[...]."
        raise ConfigError(f"A FiniteStateMachineEnv got no stage. {cure}")
    if None in ids:
        raise ConfigError("A stage got the id None, which stands for the end of the episode. Use another id.")
    twice = [stage_id for stage_id in dict.fromkeys(ids) if ids.count(stage_id) > 1]
    if twice:
        raise ConfigError(f"Several stages have the id {listing(twice)}. Give each stage its own id.")
    if initial_stage not in ids:
        hint = f"{did_you_mean(initial_stage, ids)} Stages: {listing(ids)}."
        raise ConfigError(f"The initial stage {initial_stage!r} does not exist.{hint}")
    for stage in stages:
        _check_next(stage, ids, is_handled=stage.id in handled)
    _check_reachable(stages, initial_stage)


def _takes_env(owner: str, handler: Callable[..., Any]) -> bool:
    """Return whether the signature of a handler has a parameter for the env."""
    if not callable(handler):
        raise ConfigError(f"{owner} got handler={handler!r}. Expected a function that returns a stage id.")
    try:
        parameters = inspect.signature(handler).parameters.values()
    except ValueError:  # some built-ins have no signature
        return True
    optional = ("VAR_POSITIONAL", "VAR_KEYWORD")
    needed = [p for p in parameters if p.default is p.empty and p.kind.name not in optional]
    if len(needed) > 1 or any(p.kind is p.KEYWORD_ONLY for p in needed):
        expected = "Expected a function of the env alone, or one without arguments."
        raise ConfigError(f"{owner} got a handler that needs {listing(p.name for p in needed)}. {expected}")
    return bool(needed)


def _check_next(stage: FSMStage, ids: Collection[StageID], *, is_handled: bool) -> None:
    unknown = [next_id for next_id in stage.next_stages if next_id is not None and next_id not in ids]
    if unknown:
        hint = f"{did_you_mean(unknown[0], ids)} Stages: {listing(ids)}."
        raise ConfigError(f"Stage {stage.id!r} has unknown next stages: {listing(unknown)}.{hint}")
    if is_handled and not stage.next_stages:
        cure = "Name in next_stages every id that its handler returns."
        raise ConfigError(f"Stage {stage.id!r} has no next stage. {cure}")
    if not is_handled and len(stage.next_stages) != 1:
        raise ConfigError(
            f"Stage {stage.id!r} has no handler and {len(stage.next_stages)} next stages: "
            f"{listing(stage.next_stages)}. Expected exactly one, or a handler that chooses."
        )


def _check_reachable(stages: Collection[FSMStage], initial_stage: StageID) -> None:
    next_stages = {stage.id: stage.next_stages for stage in stages}
    reached, waiting = {initial_stage}, [initial_stage]
    while waiting:
        found = [i for i in next_stages[waiting.pop()] if i is not None and i not in reached]
        reached.update(found)
        waiting += found
    lost = [stage.id for stage in stages if stage.id not in reached]
    if lost:
        raise ConfigError(
            f"Stages that cannot be reached from the initial stage {initial_stage!r}: {listing(lost)}. Name "
            "them in the next_stages of a stage that can be reached, or remove them."
        )
