"""`Cast`: tables of the agents in an episode, built when the network changes and read in every step."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any, Final, NamedTuple, TypeVar

from phantom_core.envs.turns import ACTING_NEXT, Turn
from phantom_core.types import AgentID, Observation
from phantom_core.world.agents import Agent, AgentView, Context
from phantom_core.world.messages import MessageList
from phantom_core.world.network import Network
from phantom_core.world.strategic_agents import StrategicAgent

MAX_REMEMBERED: Final = 256
"""The most turns that are cached, because a turn order may create a new turn in every step."""

MemoryT = TypeVar("MemoryT")


class Actor(NamedTuple):
    """An agent that may act or generate messages in its turn; `decode_action` is None for a plain agent."""

    agent_id: AgentID
    decode_action: Callable[[Context, Any], MessageList | None] | None
    generate_messages: Callable[[Context], MessageList | None]
    context: Context


class Player(NamedTuple):
    """A strategic agent that is still in the episode, with the methods to call; None: not called."""

    agent_id: AgentID
    context: Context
    encode_observation: Callable[[Context], Observation | None] | None
    collect_infos: Callable[[Context], dict[str, Any]] | None
    compute_reward: Callable[[Context], float] | None
    is_terminated: Callable[[Context], bool] | None
    is_truncated: Callable[[Context], bool] | None


class _Known(NamedTuple):
    """What is known of an agent, as long as its context is the same object."""

    context: Context
    player: Player | None
    actor: Actor | None
    has_view: bool
    before: Callable[[Context], None] | None  # called before message resolution
    after: Callable[[Context], None] | None


class Cast:
    """The agents that are in the episode, with the methods that a step calls on them.

    Methods that an agent does not override are left out, so that a step does not call them.
    """

    def __init__(self, network: Network, before: Cast | None = None) -> None:
        """Look at the agents; those that were there before are taken over."""
        self.version = network.version
        self.frame = network.frame
        before_known = {} if before is None else before._known  # noqa: SLF001  of the same class
        self._known: dict[AgentID, _Known] = {}
        for agent_id, ctx in network.contexts.items():
            known = before_known.get(agent_id)
            self._known[agent_id] = known if known is not None and known.context is ctx else _look_at(ctx)
        everybody = self._known.values()
        self.publishers = [one.context.agent for one in everybody if one.has_view]
        self.has_views = bool(self.publishers)
        self._shown = (
            [seen for seen in network.sightings() if _overrides(seen[1], "view")] if self.has_views else []
        )
        self.players = [one.player for one in everybody if one.player is not None]
        self._actors = {i: one.actor for i, one in self._known.items() if one.actor is not None}
        self.pre_resolution = [(one.before, one.context) for one in everybody if one.before is not None]
        self.post_resolution = [(one.after, one.context) for one in everybody if one.after is not None]
        self._actors_by_turn: dict[int, tuple[Turn, Sequence[Actor]]] = {}
        self._players_by_turns: dict[tuple[int, int], tuple[Turn, Turn | None, Sequence[Player]]] = {}
        # the last results, because most steps play the same turn as the step before
        self._newest_acting: tuple[Turn | None, Sequence[Actor]] = (None, ())
        self._newest_settled: tuple[Turn | None, Turn | None, Sequence[Player]] = (None, None, ())

    def acting(self, turn: Turn) -> Sequence[Actor]:
        """Return the agents that may send messages in a turn, in the order in which they act."""
        newest, chosen = self._newest_acting
        if newest is turn:
            return chosen
        known = self._actors_by_turn.get(id(turn))
        if known is not None and known[0] is turn:
            self._newest_acting = known
            return known[1]
        actors = self._actors
        chosen = list(
            actors.values() if turn.acting is None else [actors[i] for i in turn.acting if i in actors]
        )
        _remember(self._actors_by_turn, id(turn), (turn, chosen))
        return chosen

    def settled(self, turn: Turn, next_turn: Turn | None) -> Sequence[Player]:
        """Return the strategic agents, each with the methods to call at the end of a turn."""
        newest, after, players = self._newest_settled
        if newest is turn and after is next_turn:
            return players
        key = id(turn), id(next_turn)
        known = self._players_by_turns.get(key)
        if known is not None and known[0] is turn and known[1] is next_turn:
            self._newest_settled = known
            return known[2]
        seeing = _onlookers(turn, next_turn)
        rewarded = None if turn.rewarded is None else frozenset(turn.rewarded)
        players = self.players
        if seeing is not None or rewarded is not None:
            players = [
                player._replace(
                    encode_observation=player.encode_observation if _is_in(player.agent_id, seeing) else None,
                    compute_reward=player.compute_reward if _is_in(player.agent_id, rewarded) else None,
                )
                for player in players
            ]
        _remember(self._players_by_turns, key, (turn, next_turn, players))
        return players

    def beginners(self, turn: Turn, *, in_acting_order: bool) -> Iterable[Player]:
        """Return the strategic agents that observe at reset: those that act in the first turn."""
        if turn.acting is None or not in_acting_order:
            return (p for p in self.players if _is_in(p.agent_id, turn.acting))
        by_id = {player.agent_id: player for player in self.players}
        return (by_id[agent_id] for agent_id in dict.fromkeys(turn.acting) if agent_id in by_id)

    def overlooked(
        self, turn: Turn, next_turn: Turn | None, agent_ids: Collection[AgentID]
    ) -> Iterable[Player]:
        """Return those of the agents `agent_ids` that do not observe at the end of a turn."""
        seeing = _onlookers(turn, next_turn)
        return (p for p in self.players if p.agent_id in agent_ids and not _is_in(p.agent_id, seeing))

    def refresh_agent_views(self) -> None:
        """Update the view that each agent publishes to each of its neighbours."""
        for views, neighbour, agent_id in self._shown:
            views[neighbour.id] = neighbour.view(agent_id)

    def public_views(self) -> dict[AgentID, AgentView | None]:
        """Return the view that each agent publishes to the env, by agent id."""
        return {agent.id: agent.view(None) for agent in self.publishers}


def _onlookers(turn: Turn, next_turn: Turn | None) -> Collection[AgentID] | None:
    """Return the ids of the agents that observe at the end of a turn; None: every strategic agent."""
    seeing = turn.observing
    if seeing is ACTING_NEXT:
        seeing = () if next_turn is None else next_turn.acting
    return None if seeing is None else frozenset(seeing)


def _is_in(agent_id: AgentID, agent_ids: Collection[AgentID] | None) -> bool:
    return agent_ids is None or agent_id in agent_ids


def _remember(memory: dict[Any, MemoryT], key: object, value: MemoryT) -> None:
    if len(memory) == MAX_REMEMBERED:
        memory.clear()
    memory[key] = value


def _make_player(ctx: Context) -> Player | None:
    agent = ctx.agent
    if not isinstance(agent, StrategicAgent):
        return None
    return Player(
        agent.id,
        ctx,
        agent.encode_observation,
        agent.collect_infos if _overrides(agent, "collect_infos", StrategicAgent) else None,
        agent.compute_reward,
        agent.is_terminated if _overrides(agent, "is_terminated", StrategicAgent) else None,
        agent.is_truncated if _overrides(agent, "is_truncated", StrategicAgent) else None,
    )


def _look_at(ctx: Context) -> _Known:
    agent = ctx.agent
    return _Known(
        ctx,
        _make_player(ctx),
        _make_actor(ctx),
        _overrides(agent, "view"),
        agent.pre_message_resolution if _overrides(agent, "pre_message_resolution") else None,
        agent.post_message_resolution if _overrides(agent, "post_message_resolution") else None,
    )


def _make_actor(ctx: Context) -> Actor | None:
    agent = ctx.agent
    decode = agent.decode_action if isinstance(agent, StrategicAgent) else None
    if decode is None and not _overrides(agent, "generate_messages"):
        return None
    return Actor(agent.id, decode, agent.generate_messages, ctx)


def _overrides(agent: Agent, method: str, base: type[Agent] = Agent) -> bool:
    return method in vars(agent) or getattr(type(agent), method) is not getattr(base, method)
