"""`PhantomEnv`, the base class of every env, and its seams: `TurnOrder`, `StepRules` and `EnvRecorder`."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Collection, Container, Iterable, Iterator, Mapping
from functools import cached_property, partial
from typing import Any, ClassVar, Protocol, final

import gymnasium as gym
import numpy as np

from phantom_core.envs.casting import Cast, Player
from phantom_core.envs.reward_ledger import RewardLedger
from phantom_core.envs.step_result import Infos, Observations, StepResult
from phantom_core.envs.turns import Turn
from phantom_core.errors import ConfigError, EnvError, EpisodeError, did_you_mean, listing
from phantom_core.seeding import (
    MAX_SEED,
    fresh_seed,
    generator_states,
    make_random,
    make_rng,
    restore_generators,
)
from phantom_core.types import Action, AgentID, Observation
from phantom_core.world.agents import ALL, Agent, AgentView, EnvView
from phantom_core.world.messages import MessageList
from phantom_core.world.network import Network
from phantom_core.world.samplers import SampledValues
from phantom_core.world.strategic_agents import StrategicAgent
from phantom_core.world.supertypes import Supertype, check_has_supertype, checked_supertype, default_supertype


class PhantomEnv:
    """A multi-agent environment: agents on a network that send messages, played in steps.

    Subclasses build the network in `__init__` and override `on_reset`, `view`, `state`, `is_terminated`,
    `is_truncated`, `pre_message_resolution`, `post_message_resolution` or `close`. `reset` and `step` are
    final.

    In one step, the agents of the turn act and the messages are delivered. Then each strategic agent gets
    its observation, infos, reward, terminated and truncated. A reward is returned exactly once: with the
    agent's next observation, or when the agent or the episode ends. An agent that is terminated or
    truncated takes no further part in the episode. The episode ends when every strategic agent has ended,
    when `is_terminated` returns True, or at the time limit, which truncates every agent. An env without
    strategic agents runs to its time limit.

    Attributes:
        reward_ledger: the rewards that were computed but not returned yet.
        step_rules: what agents see, when they are rewarded, and when an episode ends.
        terminated_agent_ids: the agents that were terminated in this episode.
        truncated_agent_ids: the agents that were truncated in this episode.
        state_space: the space of `state()`, set by a subclass that has a global state; None: there is none.
        saves_episodes: whether the subclass has `state_dict()` and `load_state_dict(state)` for everything
            that it and its agents keep *within* an episode, so that a checkpoint holds that instead of the
            actions since the episode began.
    """

    state_space: gym.Space[Any] | None = None
    saves_episodes: ClassVar[bool] = False
    _recorder: EnvRecorder | None = None

    def __init__(
        self,
        num_steps: int | None = None,
        network: Network | None = None,
        *,
        env_supertype: Supertype | Mapping[str, Any] | None = None,
        agent_supertypes: Mapping[AgentID, Supertype | Mapping[str, Any]] | None = None,
        turn_order: TurnOrder | None = None,
    ) -> None:
        """Initialise the env.

        Args:
            num_steps: the time limit of an episode, in steps; None: no limit.
            network: the agents and their connections; None: an empty network.
            env_supertype: the env's parameters, or a dict of fields of its inner class `Supertype`;
                None: that class with its defaults.
            agent_supertypes: new supertypes of agents, by agent id, each in one of the same two forms.
            turn_order: decides which agents act; default: all agents act in every step, in network order.

        Raises:
            ConfigError: if `num_steps` is not positive, `network` is not a `Network`, a supertype has the
                wrong type, or `agent_supertypes` names an unknown agent.
        """
        cls, name = type(self), type(self).__name__
        _check_num_steps(name, num_steps)
        self.num_steps = num_steps
        if network is not None:
            check_network(name, network)
        self.network = Network() if network is None else network
        if env_supertype is None:
            self.env_supertype = default_supertype(cls)
            if self.env_supertype is None:
                check_has_supertype(cls, name)
        else:
            self.env_supertype = checked_supertype(cls, name, env_supertype)
        self.env_type: Any = None
        _set_agent_supertypes(self.network.agents, agent_supertypes or {})
        self.turn_order: TurnOrder = Simultaneous() if turn_order is None else turn_order
        self.reward_ledger = RewardLedger()
        self.step_rules = StepRules()
        self.terminated_agent_ids: set[AgentID] = set()
        self.truncated_agent_ids: set[AgentID] = set()
        self._current_step = 0
        self._episode_seed: int | None = None
        self._seed_stream: random.Random | None = None
        self._turn: Turn | None = None
        self._executed_turn: Turn | None = None
        self._cast: Cast | None = None
        self._settled_cast: Cast | None = None  # `_in_play` holds the strategic agents of this cast
        self._in_play: dict[AgentID, None] = {}
        self._has_view = type(self).view is not self._lazy_view
        self._halted: str | None = "before its first reset"  # why `step` cannot be called now

    @property
    def _lazy_view(self) -> Callable[..., EnvView]:
        return PhantomEnv.view  # reads no agent views, so it can be computed when it is first read

    @property
    def current_step(self) -> int:
        """The number of steps that were played in this episode."""
        return self._current_step

    @property
    def turn(self) -> Turn | None:
        """The current or next turn; None before the first reset and after the end of an episode."""
        return self._turn

    @property
    def executed_turn(self) -> Turn | None:
        """The turn that the last step played; None before the first step of an episode."""
        return self._executed_turn

    @property
    def acting_agent_ids(self) -> tuple[AgentID, ...] | None:
        """The ids of the agents that may act in the next step, in order; None: every agent."""
        return None if self._turn is None else self._turn.acting

    @property
    def episode_seed(self) -> int | None:
        """The seed of this episode; `reset(seed=env.episode_seed)` repeats it."""
        return self._episode_seed

    @cached_property
    def random(self) -> random.Random:
        """The env's own generator for scalar draws, recreated at each reset from the episode's seed."""
        return make_random(self._require_seed(), "env.random")

    @cached_property
    def rng(self) -> np.random.Generator:
        """The env's own NumPy generator, recreated at each reset from the episode's seed."""
        return make_rng(self._require_seed(), "env.rng")

    @property
    def recorder(self) -> EnvRecorder | None:
        """Records the episodes of this env from the next reset on; None: nothing is recorded."""
        return self._recorder

    @recorder.setter
    def recorder(self, recorder: EnvRecorder | None) -> None:
        if self._recorder is not None and self._recorder is not recorder:
            self._recorder.detach()
        if recorder is not None:
            recorder.attach(self)
        self._recorder = recorder

    # ------------------------------------------------------------------ agents

    @property
    def agents(self) -> Mapping[AgentID, Agent]:
        """Agent by id, in network order; raises EnvError if the base class was not initialised."""
        try:
            return self.network.agents
        except AttributeError:
            _check_initialised(self)
            raise

    @property
    def agent_ids(self) -> list[AgentID]:
        """The ids of all agents, in network order."""
        return list(self.network.agent_ids)

    @property
    def strategic_agents(self) -> list[StrategicAgent]:
        """The agents that observe and act, in network order."""
        return [agent for agent in self.agents.values() if isinstance(agent, StrategicAgent)]

    @property
    def non_strategic_agents(self) -> list[Agent]:
        """The agents that only handle and generate messages, in network order."""
        return [agent for agent in self.agents.values() if not isinstance(agent, StrategicAgent)]

    @property
    def strategic_agent_ids(self) -> list[AgentID]:
        """The ids of the agents that observe and act, in network order."""
        return [agent.id for agent in self.strategic_agents]

    @property
    def non_strategic_agent_ids(self) -> list[AgentID]:
        """The ids of the agents that only handle and generate messages, in network order."""
        return [agent.id for agent in self.non_strategic_agents]

    @property
    def observation_spaces(self) -> dict[AgentID, gym.Space[Any]]:
        """Observation space of each strategic agent, by id; raises ConfigError if an agent has none."""
        return {agent.id: _space_of(agent, "observation_space") for agent in self.strategic_agents}

    @property
    def action_spaces(self) -> dict[AgentID, gym.Space[Any]]:
        """Action space of each strategic agent, by id; raises ConfigError if an agent has none."""
        return {agent.id: _space_of(agent, "action_space") for agent in self.strategic_agents}

    def __getitem__(self, agent_id: AgentID) -> Agent:
        return self.network[agent_id]

    # ------------------------------------------------------------------ what subclasses override

    def on_reset(self) -> None:
        """Called at each reset, after seeding and before the agents reset: change the network here."""

    def view(self, agent_views: Mapping[AgentID, AgentView | None]) -> EnvView:
        """Return the view of the env that every agent can read.

        Args:
            agent_views: `agent.view(None)` by agent id, of the agents that override `view`.
        """
        step, limit = self._current_step, self.num_steps
        return EnvView(step, step / limit if limit else 0.0)

    def state(self) -> Any:
        """Return the global state as it is now, an element of `state_space`: for centralised critics.

        A trainer whose plan needs `"state"` finds it in its transitions; no policy sees it. It is asked after
        `reset` and each `step`, also the last one of an episode. Raises `EnvError` if there is none.
        """
        raise EnvError(
            f"{type(self).__name__} has no global state. Set state_space, and override state() to return an "
            "element of it."
        )

    def is_terminated(self) -> bool:
        """Return whether the episode is terminated for all agents; called after message resolution."""
        return False

    def is_truncated(self) -> bool:
        """Return whether the episode is truncated for all agents; called after message resolution.

        The default checks the time limit. An override should also call `super().is_truncated()`.
        """
        return self.num_steps is not None and self._current_step >= self.num_steps

    def pre_message_resolution(self) -> None:
        """Called after the agents acted and before messages are delivered; calls the hook of each agent."""
        for method, ctx in self._current_cast().pre_resolution:
            method(ctx)

    def post_message_resolution(self) -> None:
        """Called after all messages were delivered; calls the hook of each agent."""
        for method, ctx in self._current_cast().post_resolution:
            method(ctx)

    def close(self) -> None:
        """Release resources; the default closes the recorder."""
        if self._recorder is not None:
            self._recorder.close()

    # ------------------------------------------------------------------ reset and step

    @final
    def reset(
        self, seed: int | None = None, options: Mapping[str, Any] | None = None
    ) -> tuple[Observations, Infos]:
        """Start an episode.

        Args:
            seed: the seed of the episode, from which every random stream of the env is derived. None: the
                next seed of the env's own stream of seeds, which restarts at each given seed.
            options: ignored.

        Returns:
            Observations and infos of the agents that act in the first turn, by agent id.

        Raises:
            ConfigError: if the seed is not an integer from 0 to 2**63 - 1.
            EnvError: if `__init__` did not call that of the base class.
        """
        _check_initialised(self)
        self._episode_seed = episode_seed = self._next_seed(seed)
        self._halted = "after a reset that raised an error"  # stays so if anything below raises
        self.__dict__.pop("random", None)
        self.__dict__.pop("rng", None)
        self._current_step = 0
        self.terminated_agent_ids, self.truncated_agent_ids = set(), set()
        self.reward_ledger.reset()
        self._executed_turn = self._turn = None
        network, values, supertype = self.network, SampledValues(episode_seed), self.env_supertype
        self.env_type = None if supertype is None else supertype.sample_in(values, "env")
        network.begin_episode(episode_seed, values)
        self.on_reset()
        if self.network is not network:  # `on_reset` replaced it
            self.network.begin_episode(episode_seed, values)
        self.network.reset()
        self._turn = turn = self.turn_order.first(self)
        self._settled_cast = cast = self._cast_of_episode()
        self._in_play = dict.fromkeys(player.agent_id for player in cast.players)
        observations: Observations = {}
        infos: Infos = {}
        rules = self.step_rules
        beginners = cast.beginners(turn, in_acting_order=rules.observes_in_acting_order)
        _observe(beginners, observations, infos if rules.has_first_infos else None)
        self._halted = None
        if self._recorder is not None:
            self._recorder.on_reset(self, turn, observations, infos)
        return observations, infos

    @final
    def step(self, actions: Mapping[AgentID, Action]) -> StepResult:
        """Play one step.

        Args:
            actions: action by agent id. A strategic agent of the turn without an action generates
                messages as a plain agent does. Actions of agents that ended, or that are not in the
                turn, are ignored.

        Raises:
            EpisodeError: if called before the first reset, after the end of an episode, or after a step or
                reset that raised.
            EnvError: if an action is for an agent that does not exist or does not act.
            NetworkError: if an agent sends a message that the network does not allow.
            ResolverError: if messages cannot be resolved.
        """
        turn = self._turn
        if self._halted is not None or turn is None:
            turn = self._turn_without_reset()
        self._halted = "after step {} raised an error"  # stays so if anything below raises
        self._current_step += 1
        cast = self._newest_cast()
        self.refresh_views()
        self.network.send_each(self._act(cast, turn, actions))
        next_turn = self.turn_order.advance(self, turn)
        cast = self._current_cast()
        if (cast.has_views or self._has_view) and self.step_rules.has_fresh_views:
            self.refresh_views()
        result = self._settle(cast, turn, next_turn)
        is_over = result.terminations[ALL] or result.truncations[ALL]
        self._executed_turn, self._turn, self._halted = turn, next_turn, None
        if is_over:
            self._turn, self._halted = None, "after its episode ended at step {}"
            self.network.end_episode()
        if self._recorder is not None:
            self._recorder.on_step(self, (turn, self._turn), actions, result)
        return result

    def resolve_network(self) -> None:
        """Deliver all messages; called once in each step, by the turn order."""
        self.pre_message_resolution()
        self.network.resolve()
        self.post_message_resolution()

    # ------------------------------------------------------------------ saving an episode that goes on

    def episode_state(self) -> dict[str, Any]:
        """Return where the episode stands, but for what the subclass and its agents keep themselves.

        That is the step, the turn, who ended, which rewards are owed, and how far each generator is that is
        an attribute of the env, an agent, the network or its resolver. It holds nothing but JSON values.
        """
        return {
            "step": self._current_step,
            "turns": [None if turn is None else turn.as_json() for turn in (self._executed_turn, self._turn)],
            "terminated": sorted(map(repr, self.terminated_agent_ids)),
            "truncated": sorted(map(repr, self.truncated_agent_ids)),
            "withdrawn": [repr(i) for i in self.agents if i not in self.network.contexts],
            "owed": {repr(agent_id): owed for agent_id, owed in self.reward_ledger.state_dict().items()},
            "network": self._layout(),
            "generators": [[name, generator_states(owner)] for name, owner in self._owners().items()],
        }

    def restore_episode(self, state: Mapping[str, Any]) -> None:
        """Stand where an episode stood when `episode_state` was called.

        Call it after a reset with the same seed, when what the subclass and its agents keep is back.

        Raises:
            EnvError: if the agents, the connections or the turns are others now.
        """
        if state["network"] != self._layout():
            raise EnvError(
                f"{type(self).__name__} has other agents or connections than its episode had when it was "
                "saved. Let load_state_dict() make those that reset() does not make."
            )
        by_name = {repr(agent_id): agent_id for agent_id in self.agents}
        self._current_step = int(state["step"])
        self.terminated_agent_ids = {by_name.get(name, name) for name in state["terminated"]}
        self.truncated_agent_ids = {by_name.get(name, name) for name in state["truncated"]}
        self.reward_ledger.load_state_dict({by_name[name]: owed for name, owed in state["owed"].items()})
        if state["withdrawn"]:
            self.network.withdraw([by_name[name] for name in state["withdrawn"]])
        turns = [None if turn is None else self._turn_again(turn, by_name) for turn in state["turns"]]
        self._executed_turn, self._turn = turns
        self._settled_cast = cast = self._recast()
        self.refresh_views()
        self._in_play = dict.fromkeys(player.agent_id for player in cast.players)
        owners = self._owners()
        for name, states in state["generators"]:  # last, because views may draw
            restore_generators(owners[name], states)

    def _owners(self) -> dict[str, object]:
        """Return whose generators are saved, by name."""
        agents = {f"agent {agent_id!r}": agent for agent_id, agent in self.agents.items()}
        return {"env": self, "network": self.network, "resolver": self.network.resolver, **agents}

    def _layout(self) -> str:
        """Return a hash of the agents and their connections, each in order."""
        parts = [list(self.agents), list(self.network.connections())]
        return hashlib.sha256(repr(parts).encode()).hexdigest()

    def _turn_again(self, saved: Mapping[str, Any], agent_ids: Mapping[str, AgentID]) -> Turn:
        """Return a turn that was saved: the same object where it is known, since casts go by that."""
        first = self.turn_order.first(self)
        return first if first.as_json() == saved else Turn.from_json(saved, agent_ids)

    # ------------------------------------------------------------------ the parts of reset and step

    def _act(
        self, cast: Cast, turn: Turn, actions: Mapping[AgentID, Action]
    ) -> Iterator[tuple[AgentID, MessageList | None]]:
        """Yield the messages of each agent of the turn, in order: from its action, or generated."""
        network, version = self.network, cast.version
        used = 0
        for agent_id, decode_action, generate_messages, ctx in cast.acting(turn):
            if version != network.version and agent_id not in network.contexts:
                used += agent_id in actions  # it was removed by another agent's action
                continue
            if decode_action is not None and agent_id in actions:
                used += 1
                yield agent_id, decode_action(ctx, actions[agent_id])
            else:
                yield agent_id, generate_messages(ctx)
        if used < len(actions):
            self.step_rules.check_unused_actions(self, actions)

    def _settle(self, cast: Cast, turn: Turn, next_turn: Turn | None) -> StepResult:
        """Observe, reward and end each strategic agent, then decide whether the episode ends."""
        left, joined = ((), ()) if cast is self._settled_cast else self._changes(cast)
        rules, ledger = self.step_rules, self.reward_ledger
        if left and not rules.reports_leavers:
            left = ()
        unpaid: Container[AgentID] = () if rules.pays_newcomers else joined
        pays_unseen, add_reward = rules.pays_unseen, ledger.add
        all_terminated, all_truncated = rules.cut_off(self, next_turn)
        observations: Observations = {}
        terminations: dict[AgentID, bool] = {}
        truncations: dict[AgentID, bool] = {}
        infos: Infos = {}
        ended: list[AgentID] = []
        for player in cast.settled(turn, next_turn):
            agent_id, ctx, encode, collect_infos, compute_reward, is_terminated, is_truncated = player
            observation = None if encode is None else encode(ctx)
            if observation is not None:
                observations[agent_id] = observation
                infos[agent_id] = {} if collect_infos is None else collect_infos(ctx)
            is_paid = pays_unseen or observation is not None
            if is_paid and compute_reward is not None and agent_id not in unpaid:
                add_reward(agent_id, compute_reward(ctx))
            ends = all_terminated if is_terminated is None else is_terminated(ctx) or all_terminated
            is_cut = all_truncated if is_truncated is None else is_truncated(ctx) or all_truncated
            terminations[agent_id] = ends
            truncations[agent_id] = is_cut
            if ends or is_cut:
                ended.append(agent_id)
        if ended:
            rules.note_ends(self, ended, terminations, truncations)
            if rules.has_final_observation:  # learners bootstrap from it
                unseen = cast.overlooked(turn, next_turn, self.truncated_agent_ids.intersection(ended))
                _observe(unseen, observations, infos)
        for agent_id in left:
            terminations[agent_id], truncations[agent_id] = True, False
        is_deserted = bool(ended or left) and len(ended) == len(cast.players)
        terminations[ALL], truncations[ALL] = rules.conclude(
            self, terminated=all_terminated, truncated=all_truncated, is_deserted=is_deserted
        )
        is_over = terminations[ALL] or truncations[ALL]
        if ended and not (is_over and rules.needs_reset):  # else the next reset brings every agent back
            self.network.withdraw(ended)
            for agent_id in ended:
                del self._in_play[agent_id]
        payees: Container[AgentID] | None = observations
        if is_over:
            payees = None
        elif ended or left:
            payees = {*observations, *ended, *left}
        observations, rewards, infos = ledger.settle(observations, infos, payees)
        return StepResult(observations, rewards, terminations, truncations, infos)

    def _changes(self, cast: Cast) -> tuple[Collection[AgentID], Collection[AgentID]]:
        """Return which strategic agents left, and which joined, since the last step."""
        before, now = self._in_play, dict.fromkeys(player.agent_id for player in cast.players)
        self._settled_cast, self._in_play = cast, now
        return [a for a in before if a not in now], {a for a in now if a not in before}

    def refresh_views(self) -> None:
        """Recompute the views of the agents and of the env; the env's default view is computed when read.

        A reset and a step call this once at the start, and a step again after message resolution if
        `step_rules.has_fresh_views`; and again if the network changed since.
        """
        cast = self._newest_cast()
        public: Mapping[AgentID, AgentView | None] = {}
        if cast.has_views:
            public = cast.public_views()
            cast.refresh_agent_views()
        cast.frame.view = self.view(public) if self._has_view else None

    def _newest_cast(self) -> Cast:
        """Return the cast, rebuilt if an agent ended or the network changed."""
        cast = self._cast
        return cast if cast is not None and cast.version == self.network.version else self._recast()

    def _current_cast(self) -> Cast:
        """Return the cast of the step that is played, with its views; a change may have to wait."""
        cast = self._cast
        if cast is not None and (cast.version == self.network.version or not self.step_rules.notices_changes):
            return cast
        cast = self._recast()
        self.refresh_views()
        return cast

    def _cast_of_episode(self) -> Cast:
        """Return the cast of a new episode: that of the last one if the network did not change."""
        cast = self._cast
        if cast is None or cast.frame is not self.network.frame or cast.version != self.network.version:
            cast = self._recast()
        self.refresh_views()
        return cast

    def _recast(self) -> Cast:
        self._cast = Cast(self.network, self._cast)
        self._cast.frame.make = partial(self.view, {})
        return self._cast

    def _require_seed(self) -> int:
        if self._episode_seed is None:
            name = type(self).__name__
            raise EpisodeError(f"{name} was used before it was seeded. Call env.reset() first.")
        return self._episode_seed

    def _next_seed(self, seed: int | None) -> int:
        """Return the seed of the next episode; a given seed restarts the env's stream of seeds."""
        if seed is not None:
            is_integer = isinstance(seed, (int, np.integer)) and not isinstance(seed, bool)
            if not is_integer or not 0 <= seed <= MAX_SEED:
                expected = "Expected an integer from 0 to 2**63 - 1, or None."
                raise ConfigError(f"reset got seed={seed!r}. {expected}")
            self._seed_stream = make_random(int(seed), "env.seeds")
            return int(seed)
        if self._seed_stream is None:
            self._seed_stream = make_random(fresh_seed(), "env.seeds")
        return self._seed_stream.getrandbits(63)

    def _turn_without_reset(self) -> Turn:
        """Return the turn of a step without a reset before it, or raise if `step_rules.needs_reset`."""
        if not self.step_rules.needs_reset:
            return self._turn or self.turn_order.first(self)
        when = (self._halted or "").format(self._current_step)
        raise EpisodeError(f"{type(self).__name__} was stepped {when}. Call env.reset().")

    def __repr__(self) -> str:
        name, limit = type(self).__name__, self.num_steps
        return f"<{name} step {self._current_step}/{limit or '∞'}, {len(self.network)} agents>"


class TurnOrder(Protocol):
    """Decides which agents act in each step."""

    def first(self, env: PhantomEnv) -> Turn:
        """Return the first turn of an episode."""

    def advance(self, env: PhantomEnv, turn: Turn) -> Turn | None:
        """Called after the agents of a turn acted: resolve the messages and return the next turn.

        An implementation calls `env.resolve_network()` once. None ends the episode.
        """


class Simultaneous:
    """The default turn order: all agents act, are rewarded and observe in every step."""

    _turn = Turn("simultaneous")

    def first(self, env: PhantomEnv) -> Turn:
        """Return the only turn."""
        return self._turn

    def advance(self, env: PhantomEnv, turn: Turn) -> Turn:
        """Resolve the messages and return the same turn."""
        env.resolve_network()
        return turn


class StepRules:
    """What agents see, when they are rewarded, and when an episode ends. The defaults suit new models.

    To change a rule, set `step_rules` of an env to an instance of a subclass.

    Attributes:
        has_fresh_views: whether observations and rewards use the views after message resolution; if not,
            they use those of the start of the step.
        notices_changes: whether agents and connections that are added or removed during a step count in that
            step; if not, they count from the next one on.
        observes_in_acting_order: whether agents observe at reset in the order in which they act first; if
            not, in network order.
        pays_unseen: whether a reward is also computed for an agent whose observation is None; it is
            returned with the agent's next observation.
        reports_leavers: whether an agent that was removed from the network in a step is in the result of
            the step, as terminated.
        pays_newcomers: whether a reward is computed for an agent in the step in which it joined.
        has_final_observation: whether an agent that is truncated observes in that step, even if the turn
            does not let it observe.
        has_first_infos: whether `reset` collects infos.
        needs_reset: whether a step before the first reset, or after the end of an episode, is an error.
    """

    has_fresh_views: ClassVar[bool] = True
    notices_changes: ClassVar[bool] = True
    observes_in_acting_order: ClassVar[bool] = False
    pays_unseen: ClassVar[bool] = True
    reports_leavers: ClassVar[bool] = True
    pays_newcomers: ClassVar[bool] = False
    has_final_observation: ClassVar[bool] = True
    has_first_infos: ClassVar[bool] = True
    needs_reset: ClassVar[bool] = True

    def cut_off(self, env: PhantomEnv, next_turn: Turn | None) -> tuple[bool, bool]:
        """Return whether all agents are terminated and truncated; called before they observe.

        If `next_turn` is None, the turn order ended the episode.
        """
        return env.is_terminated() or next_turn is None, env.is_truncated()

    def note_ends(
        self,
        env: PhantomEnv,
        ended: Iterable[AgentID],
        terminations: Mapping[AgentID, bool],
        truncations: Mapping[AgentID, bool],
    ) -> None:
        """Note the agents that ended in `terminated_agent_ids` and `truncated_agent_ids` of the env.

        One that is terminated and truncated counts as terminated.
        """
        for agent_id in ended:
            noted = env.terminated_agent_ids if terminations[agent_id] else env.truncated_agent_ids
            noted.add(agent_id)

    def conclude(
        self, env: PhantomEnv, *, terminated: bool, truncated: bool, is_deserted: bool
    ) -> tuple[bool, bool]:
        """Return `"__all__"` of terminations and of truncations; called after the agents observed.

        `terminated` and `truncated` are what `cut_off` returned; with `is_deserted`, no strategic agent is
        left, because the last ones ended or left in this step.
        """
        if is_deserted and not terminated:
            return not env.truncated_agent_ids, truncated or bool(env.truncated_agent_ids)
        return terminated, truncated

    def check_unused_actions(self, env: PhantomEnv, actions: Mapping[AgentID, Action]) -> None:
        """Called if a step did not use every action: raise EnvError if an unused action is a mistake.

        Actions of agents that do not exist or do not act are mistakes; those of agents that ended, or that
        are not in the turn, are none.
        """
        agents = env.agents
        for agent_id in actions:
            if agent_id not in agents:
                acting = listing(env.strategic_agent_ids)
                hint = f"{did_you_mean(agent_id, agents)} Agents that act: {acting}."
                raise EnvError(f"There is an action for {agent_id!r}, but no such agent.{hint}")
            if not isinstance(agents[agent_id], StrategicAgent):
                raise EnvError(
                    f"There is an action for {agent_id!r}, but a {type(agents[agent_id]).__name__} does not "
                    "act. Make it a StrategicAgent, or leave its action out."
                )


class EnvRecorder(Protocol):
    """What is set as `env.recorder`: is given every reset and step of the env, and must not change them.

    Any class with these methods will do; `phantom_recording.Recorder` is one. Set during an episode, it is
    given the steps that are left, without a reset. Observations, actions, infos and results are the env's
    own: they may be changed as soon as the method has returned, so copy what is kept. An exception in a
    method is raised by `env.reset`, `env.step` or `env.close`.

    To be given messages too, set `env.network.recorder` to a `MessageRecorder` in `on_reset`, since an env
    may make its network anew, and to None in `detach`.

    A copy or a pickle of the env holds the recorder as well, unless that has a `__reduce__` which leaves
    it out.
    """

    def attach(self, env: PhantomEnv) -> None:
        """Called when it is set as the recorder of an env; raises if it cannot record this one."""

    def detach(self) -> None:
        """Called when the env gets another recorder, or None."""

    def on_reset(
        self,
        env: PhantomEnv,
        turn: Turn,
        observations: Mapping[AgentID, Observation],
        infos: Mapping[AgentID, Mapping[str, Any]],
    ) -> None:
        """Called at the end of each reset, with the turn of the first step and what `reset` returns.

        A reset with `env.episode_seed` starts the episode again.
        """

    def on_step(
        self,
        env: PhantomEnv,
        turns: tuple[Turn, Turn | None],
        actions: Mapping[AgentID, Action],
        result: StepResult,
    ) -> None:
        """Called at the end of each step that did not raise, with what `step` was given and returns.

        `turns` are the turn that was played and the next one, or None if the episode ended. Unused actions
        are among `actions`.
        """

    def close(self) -> None:
        """Called by `env.close()`: finish what was recorded. It may be called again."""


def _observe(players: Iterable[Player], observations: Observations, infos: Infos | None) -> None:
    """Add the observations and infos of agents, unless an observation is None; infos None: skip infos."""
    for agent_id, ctx, encode, collect_infos, *_ in players:
        observation = None if encode is None else encode(ctx)
        if observation is not None:
            observations[agent_id] = observation
            if infos is not None:
                infos[agent_id] = {} if collect_infos is None else collect_infos(ctx)


def _space_of(agent: StrategicAgent, attribute: str) -> gym.Space[Any]:
    """Return the observation or action space of an agent, or raise ConfigError if it is no space."""
    space = getattr(agent, attribute)
    if not isinstance(space, gym.Space):
        cls = type(agent).__name__
        raise ConfigError(
            f"{cls} {agent.id!r} has {attribute}={space!r}. Expected a gymnasium space: set {attribute} in "
            f"{cls}, for example gymnasium.spaces.Discrete(3)."
        )
    return space


def check_network(env_name: str, network: object) -> None:
    """Raise ConfigError if `network` is not a `Network`."""
    if not isinstance(network, Network):
        expected = "Expected a ph.Network, such as ph.Network([agent, ...], connections=[...])."
        raise ConfigError(f"{env_name} got network={network!r}. {expected}")


def _check_initialised(env: object) -> None:
    """Raise EnvError if the `__init__` of an env did not call that of its base class."""
    if "reward_ledger" not in vars(env):
        cls = type(env).__name__
        cure = f"Call super().__init__(num_steps, network) in {cls}.__init__."
        raise EnvError(f"{cls} was not initialised. {cure}")


def _check_num_steps(env_name: str, num_steps: int | None) -> None:
    """Raise ConfigError if `num_steps` is neither a positive integer nor None."""
    if num_steps is None:
        return
    if isinstance(num_steps, Network):
        raise ConfigError(f"{env_name} got a network as num_steps. Write {env_name}(num_steps, network).")
    if not isinstance(num_steps, int) or isinstance(num_steps, bool) or num_steps < 1:
        expected = "Expected a positive integer, or None for no limit."
        raise ConfigError(f"{env_name} got num_steps={num_steps!r}. {expected}")


def _set_agent_supertypes(
    agents: Mapping[AgentID, Agent], supertypes: Mapping[AgentID, Supertype | Mapping[str, Any]]
) -> None:
    """Set the supertypes of agents, by agent id; raise ConfigError if an id names no agent."""
    for agent_id, supertype in supertypes.items():
        if agent_id not in agents:
            hint = f"{did_you_mean(agent_id, agents)} Agents: {listing(agents)}."
            raise ConfigError(f"agent_supertypes has {agent_id!r}, but there is no such agent.{hint}")
        agents[agent_id].set_supertype(supertype)
