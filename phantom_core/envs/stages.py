"""Turns as a finite state machine: `FSMStage`, and `FiniteStateMachineEnv`, which plays one after another."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

from phantom_core.envs.env import PhantomEnv
from phantom_core.envs.stage_checks import (
    as_tuple,
    check_hashable,
    check_ids,
    check_machine,
    check_stages,
    select,
    takes_env,
)
from phantom_core.envs.turns import Turn
from phantom_core.errors import ConfigError, StageError, listing
from phantom_core.types import AgentID, StageID
from phantom_core.world.agents import Agent, StrategicAgent
from phantom_core.world.context import AgentView, EnvView
from phantom_core.world.network import Network
from phantom_core.world.supertypes import Supertype

AgentRule: TypeAlias = type[Agent] | Callable[[Agent], object]
"""Selects agents: those of a class, or those for which a function returns something true."""

AgentSelection: TypeAlias = AgentRule | Iterable[AgentID | AgentRule]
"""A rule, or a collection of ids and rules. Rules hold for agents that join later, too."""

Handler: TypeAlias = Callable[..., StageID | None]
HandlerT = TypeVar("HandlerT", bound=Handler)

_STAGE = "__phantom_stage__"


class FSMStage:
    """A stage of a `FiniteStateMachineEnv`: an item of its `stages`, or the decorator of a method of it.

    A stage without a handler resolves the messages and goes on to its only next stage. A handler
    returns the id of the next stage, or None to end the episode. It may call `env.resolve_network()`
    to look at what the messages did; else they are resolved after it. A decorated method is called
    without arguments; any other handler gets the env, unless it takes no argument.

    Attributes:
        id: names the stage; any hashable except None.
        acting_agents: ids and rules of those who act, in order; None: everybody.
        rewarded_agents: ids and rules of those who are rewarded; None: the strategic agents that act.
        next_stages: ids of the stages that may follow; None among them: the episode may end.
        handler: chooses the next stage; None: the only next stage follows.
    """

    def __init__(
        self,
        stage_id: StageID,
        acting_agents: AgentSelection | None,
        rewarded_agents: AgentSelection | None = None,
        next_stages: Iterable[StageID | None] | None = None,
        handler: Handler | None = None,
    ) -> None:
        """Describe the stage; the env checks it when it is built.

        Args:
            stage_id: names the stage; any hashable except None.
            acting_agents: those who act, in this order: ids, or rules. A rule is an agent class, or a
                function of an agent; those that it selects come in network order. None: everybody.
            rewarded_agents: those who are rewarded for it; None: the strategic agents that act. Those
                who act in the next stage observe.
            next_stages: ids of the stages that may follow; None among them: the episode may end.
            handler: chooses the next stage; may be left out if there is only one.

        Raises:
            ConfigError: if agents or stages are no collections, or have an item twice.
        """
        owner = f"Stage {stage_id!r}"
        check_hashable("A stage got the id", stage_id)
        self.id = stage_id
        self.acting_agents = as_tuple(owner, "acting_agents", acting_agents)
        self.rewarded_agents = as_tuple(owner, "rewarded_agents", rewarded_agents)
        self.next_stages = as_tuple(owner, "next_stages", next_stages) or ()
        self.handler = handler

    def __call__(self, method: HandlerT) -> HandlerT:
        """Make a method of an env the handler of this stage.

        Raises:
            ConfigError: if the stage has a handler, or the method belongs to a stage.
        """
        if self.handler is not None or hasattr(method, _STAGE):
            raise ConfigError(
                f"Stage {self.id!r} decorates {method.__name__}, but one of the two has a partner. Give each "
                "stage one handler, and each handler one stage."
            )
        setattr(method, _STAGE, self)
        return method

    def __repr__(self) -> str:
        """Return the id and the next stages."""
        return f"<FSMStage {self.id!r}, next: {listing(self.next_stages)}>"


@dataclass(frozen=True)
class FSMEnvView(EnvView):
    """What every agent can see of an env with stages.

    Attributes:
        stage: the stage that is being played, also while agents observe at its end; at reset the first.
    """

    stage: StageID


class Stages:
    """The turn order of a finite state machine. Turns are made when the network changes, not per step."""

    def __init__(
        self, stages: Iterable[FSMStage], initial_stage: StageID, methods: Mapping[StageID, Handler]
    ) -> None:
        """Check the machine.

        Args:
            stages: all stages.
            initial_stage: the stage in which an episode begins.
            methods: handlers that are methods of the env, by stage.

        Raises:
            ConfigError: if the machine cannot be played.
        """
        self.stages = tuple(stages)
        check_stages(self.stages)
        self.initial_stage = initial_stage
        self._handlers: dict[StageID, tuple[Handler, bool]] = {
            stage.id: (stage.handler, takes_env(f"Stage {stage.id!r}", stage.handler))
            for stage in self.stages
            if stage.handler is not None
        }
        self._handlers |= {stage_id: (method, False) for stage_id, method in methods.items()}
        check_machine(self.stages, initial_stage, self._handlers)
        self._next = {stage.id: stage.next_stages for stage in self.stages}
        self._turns: dict[StageID | None, Turn | None] = {}
        self._network: Network | None = None
        self._version = -1
        self._is_checked = False

    def check_agents(self, network: Network) -> None:
        """Refuse stages that name agents which are not there.

        Raises:
            ConfigError: that names stage and agents.
        """
        for stage in self.stages:
            owner, agents = f"Stage {stage.id!r}", network.agents
            check_ids(owner, "acting_agents", stage.acting_agents, agents)
            check_ids(owner, "rewarded_agents", stage.rewarded_agents, agents, StrategicAgent)
        self._is_checked = True

    def first(self, env: PhantomEnv) -> Turn:
        """Return the turn of the initial stage.

        Raises:
            ConfigError: if a stage names an agent that is not there, and the network was empty before.
        """
        if not self._is_checked:
            self.check_agents(env.network)
        turn = self._turn_of(self.initial_stage, env.network)
        assert turn is not None  # only the end has none
        return turn

    def advance(self, env: PhantomEnv, turn: Turn) -> Turn | None:
        """Resolve the messages, ask the stage's handler, and return the turn of the next stage.

        Raises:
            StageError: if the handler returns what is not one of the next stages.
        """
        stage_id = turn.name
        if stage_id not in self._handlers:
            env.resolve_network()
            return self._turn_of(self._next[stage_id][0], env.network)
        assert isinstance(env, FiniteStateMachineEnv)
        handler, is_given_env = self._handlers[stage_id]
        env.is_resolved = False
        next_id = handler(env) if is_given_env else handler()
        if not env.is_resolved:
            env.resolve_network()
        if next_id not in self._next[stage_id]:
            raise StageError(stage=stage_id, next_stage=next_id, allowed=self._next[stage_id])
        return self._turn_of(next_id, env.network)

    def _turn_of(self, stage_id: StageID | None, network: Network) -> Turn | None:
        if self._version != network.version or self._network is not network:
            self._turns = {None: None, **{stage.id: _make_turn(stage, network) for stage in self.stages}}
            self._network, self._version = network, network.version
        return self._turns[stage_id]


class FiniteStateMachineEnv(PhantomEnv):
    """An env that goes from stage to stage; each says who acts, who is rewarded, and what may follow.

    Stages are given as a list, or as decorators of methods that choose the next stage, or both:

        class MarketEnv(ph.FiniteStateMachineEnv):
            @ph.FSMStage("bidding", acting_agents=BidderAgent, next_stages=["bidding", None])
            def sell(self):
                self.resolve_network()
                return None if self["AUCTIONEER"].is_sold else "bidding"

    A method that overrides a decorated one takes its place, decorated again or not. One step plays one
    stage, and the time limit counts stages.

    Attributes:
        is_resolved: whether the messages of the step that is being played were delivered.
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
        """Set up the world.

        Args:
            num_steps: the time limit of an episode in stages; None: no limit.
            network: the agents and their connections. If it is empty, agents named by stages are
                looked for at the first reset.
            initial_stage: the id of the stage in which an episode begins.
            stages: stages beside those of decorated methods.
            env_supertype: as in `PhantomEnv`.
            agent_supertypes: as in `PhantomEnv`.

        Raises:
            ConfigError: if the machine cannot be played, a stage names an agent that is not there, or
                for what `PhantomEnv` refuses.
        """
        decorated = _decorated_stages(type(self))
        methods = {stage.id: getattr(self, name) for name, stage in decorated.items()}
        order = Stages([*stages, *decorated.values()], initial_stage, methods)
        super().__init__(
            num_steps,
            network,
            env_supertype=env_supertype,
            agent_supertypes=agent_supertypes,
            turn_order=order,
        )
        self._stages = order
        self.is_resolved = False
        if len(self.network):
            order.check_agents(self.network)

    @property
    def initial_stage(self) -> StageID:
        """The id of the stage in which an episode begins."""
        return self._stages.initial_stage

    @property
    def current_stage(self) -> StageID | None:
        """The id of the stage that is being played, or comes next; None before a reset and after the end."""
        turn = self.turn
        return None if turn is None else turn.name

    @property
    def previous_stage(self) -> StageID | None:
        """The id of the stage that the last step played; None before the first step of an episode."""
        turn = self.executed_turn
        return None if turn is None else turn.name

    def is_fsm_deterministic(self) -> bool:
        """Tell whether every stage has exactly one next stage."""
        return all(len(stage.next_stages) == 1 for stage in self._stages.stages)

    def view(self, agent_views: Mapping[AgentID, AgentView | None]) -> FSMEnvView:
        """Return what every agent sees of the env.

        Args:
            agent_views: by agent id, what `agent.view(None)` returns, of the agents that publish a view.
        """
        step, limit = self.current_step, self.num_steps
        return FSMEnvView(step, step / limit if limit else 0.0, self.current_stage)

    @property
    def _lazy_view(self) -> Callable[..., EnvView]:
        return FiniteStateMachineEnv.view

    def resolve_network(self) -> None:
        """Deliver all messages. A handler may call it; what it does not deliver is delivered after it."""
        self.is_resolved = True
        super().resolve_network()


def _decorated_stages(env_class: type) -> dict[str, FSMStage]:
    """Return the stages of decorated methods by the method's name, those of base classes first."""
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
    if stage.rewarded_agents is not None:
        rewarded: tuple[AgentID, ...] | None = select(stage.rewarded_agents, agents)
    else:
        rewarded = acting
    if rewarded is not None:
        rewarded = tuple(i for i in rewarded if isinstance(agents[i], StrategicAgent))
    return Turn(stage.id, acting, rewarded)
