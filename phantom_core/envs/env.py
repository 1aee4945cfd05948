"""`PhantomEnv`: the one `reset` and the one `step` of every kind of env."""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Container, Iterator, Mapping
from functools import cached_property
from typing import Any, final

import numpy as np

from phantom_core.envs import env_checks as checks
from phantom_core.envs.casting import Cast
from phantom_core.envs.env_recorder import Recorded
from phantom_core.envs.population import Population
from phantom_core.envs.reward_ledger import RewardLedger
from phantom_core.envs.settlement import Infos, Observations, look, settle
from phantom_core.envs.step_result import StepResult
from phantom_core.envs.step_rules import StepRules
from phantom_core.envs.turns import Simultaneous, Turn, TurnOrder
from phantom_core.errors import EpisodeError
from phantom_core.seeding import fresh_seed, make_random, make_rng
from phantom_core.types import Action, AgentID, Observation
from phantom_core.world.agents import ALL, MessageList
from phantom_core.world.context import AgentView, EnvView
from phantom_core.world.network import Network
from phantom_core.world.samplers import SampledValues
from phantom_core.world.supertypes import Supertype


class PhantomEnv(Recorded, Population):
    """A world of agents on a network, played in steps.

    Subclass it to build the network in `__init__`; override the small parts (`on_reset`, `view`,
    `is_terminated`, `is_truncated`, `pre_message_resolution`, `post_message_resolution`, `close`), not
    `reset` and `step`.

    One step: the agents whose turn it is act; messages are delivered; then, one strategic agent after
    the other, observation, infos, reward, terminated and truncated. A reward is delivered exactly once,
    with the agent's next observation or at its end. An agent that ended is neither observed nor asked
    again. The episode ends when every strategic agent has ended, at the time limit (which truncates
    every agent), or when `is_terminated` says so; an env without strategic agents runs to its limit.

    Attributes:
        num_steps: the time limit of an episode in steps; None: no limit.
        network: the agents and their connections.
        turn_order: whose turn it is.
        reward_ledger: what each agent is owed, and when it is paid.
        step_rules: what agents see, when they are rewarded, and when an episode ends.
        terminated_agent_ids: the agents of this episode that ended by the rules of the world.
        truncated_agent_ids: the agents of this episode that were cut off from outside.
    """

    def __init__(
        self,
        num_steps: int | None = None,
        network: Network | None = None,
        *,
        env_supertype: Supertype | Mapping[str, Any] | None = None,
        agent_supertypes: Mapping[AgentID, Supertype | Mapping[str, Any]] | None = None,
        turn_order: TurnOrder | None = None,
    ) -> None:
        """Set up the world.

        Args:
            num_steps: the time limit of an episode in steps; None: no limit.
            network: the agents and their connections.
            env_supertype: the env's parameters, or a dict of fields of its inner class `Supertype`;
                None: that class with its defaults.
            agent_supertypes: likewise for agents, by id, instead of what they have.
            turn_order: whose turn it is; default: everybody acts at once, in network order.

        Raises:
            ConfigError: if `num_steps` is not positive, the network is none, or a supertype is of the wrong
                kind or for nobody.
        """
        checks.check_num_steps(type(self).__name__, num_steps)
        self.num_steps = num_steps
        if network is not None:
            checks.check_network(type(self).__name__, network)
        self.network = Network() if network is None else network
        self.env_supertype = checks.env_supertype_of(type(self), env_supertype)
        self.env_type: Any = None
        checks.set_agent_supertypes(self.network.agents, agent_supertypes or {})
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
        self._settled_cast: Cast | None = None  # who was in play is known as long as this is the cast
        self._in_play: dict[AgentID, None] = {}
        self._has_view = type(self).view is not self._lazy_view
        self._halted: str | None = "before its first reset"  # why there is no step to play

    @property
    def _lazy_view(self) -> Callable[..., EnvView]:
        return PhantomEnv.view  # needs no agent's view, and so waits until it is read

    @property
    def current_step(self) -> int:
        """The number of steps taken in this episode."""
        return self._current_step

    @property
    def turn(self) -> Turn | None:
        """The turn that is being played, or comes next; None before the first reset and after the end."""
        return self._turn

    @property
    def executed_turn(self) -> Turn | None:
        """The turn that the last step played; None before the first step of an episode."""
        return self._executed_turn

    @property
    def acting_agent_ids(self) -> tuple[AgentID, ...] | None:
        """Who may act in the next step, in order; None: every agent."""
        return None if self._turn is None else self._turn.acting

    @property
    def episode_seed(self) -> int | None:
        """The seed of this episode: `reset(seed=...)` with it plays the same world again."""
        return self._episode_seed

    @cached_property
    def random(self) -> random.Random:
        """The env's own generator for scalar draws, made anew at each reset from the episode's seed."""
        return make_random(self._require_seed(), "env.random")

    @cached_property
    def rng(self) -> np.random.Generator:
        """The env's own NumPy generator, made anew at each reset from the episode's seed."""
        return make_rng(self._require_seed(), "env.rng")

    # ------------------------------------------------------------------ what subclasses override

    def on_reset(self) -> None:
        """Called at each reset, seeded, before the agents reset: set the network up anew."""

    def view(self, agent_views: Mapping[AgentID, AgentView | None]) -> EnvView:
        """Return what every agent sees of the env.

        Args:
            agent_views: by agent id, what `agent.view(None)` returns, of the agents that publish a view.
        """
        step, limit = self._current_step, self.num_steps
        return EnvView(step, step / limit if limit else 0.0)

    def is_terminated(self) -> bool:
        """Tell, after the messages were resolved, whether the episode ended for everybody."""
        return False

    def is_truncated(self) -> bool:
        """Tell, after the messages were resolved, whether the episode is cut off for everybody.

        The default is the time limit; whoever overrides it asks `super().is_truncated()` too.
        """
        return self.num_steps is not None and self._current_step >= self.num_steps

    def pre_message_resolution(self) -> None:
        """Called after the agents acted, before messages are delivered; tells each agent."""
        for method, ctx in self._current_cast().pre_resolution:
            method(ctx)

    def post_message_resolution(self) -> None:
        """Called after all messages were delivered; tells each agent."""
        for method, ctx in self._current_cast().post_resolution:
            method(ctx)

    # ------------------------------------------------------------------ time

    @final
    def reset(
        self,
        seed: int | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> tuple[dict[AgentID, Observation], dict[AgentID, dict[str, Any]]]:
        """Start an episode.

        Args:
            seed: the seed of the episode. Every random stream of the world follows from it. None: the
                next seed of the env's own stream, which the last given seed started.
            options: ignored.

        Returns:
            Observations and infos of the agents that act first.

        Raises:
            ConfigError: if the seed is not an integer from 0 to 2**63 - 1.
            EnvError: if `__init__` did not call that of the base class.
        """
        checks.check_initialised(self)
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
        if self.network is not network:  # it built another one
            self.network.begin_episode(episode_seed, values)
        self.network.reset()
        self._turn = turn = self.turn_order.first(self)
        self._settled_cast = cast = self._cast_of_episode()
        self._in_play = dict.fromkeys(player.agent_id for player in cast.players)
        observations: Observations = {}
        infos: Infos = {}
        look(cast.beginners(turn), observations, infos if self.step_rules.has_first_infos else None)
        self._halted = None
        if self._recorder is not None:
            self._recorder.on_reset(self, turn, observations, infos)
        return observations, infos

    @final
    def step(self, actions: Mapping[AgentID, Action]) -> StepResult:
        """Play one step.

        Args:
            actions: action by agent id. A strategic agent whose turn it is and that has no action
                generates messages as a plain agent does. Actions of agents that ended, or whose turn
                it is not, are ignored.

        Raises:
            EpisodeError: before the first reset, after the end, or after a step or reset that raised.
            EnvError: if an action is for an agent that does not exist or does not act.
            NetworkError: if an agent sends a message that the network does not allow.
            ResolverError: if messages cannot be resolved.
        """
        turn = self._turn
        if self._halted is not None or turn is None:
            turn = self._turn_without_reset()
        self._halted = "after step {} raised an error"  # stays so if anything below raises
        self._current_step += 1
        cast = self._current_cast()
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
        """Deliver all messages; the turn order calls this once in each step."""
        self.pre_message_resolution()
        self.network.resolve()
        self.post_message_resolution()

    # ------------------------------------------------------------------ the parts of a step

    def _act(
        self, cast: Cast, turn: Turn, actions: Mapping[AgentID, Action]
    ) -> Iterator[tuple[AgentID, MessageList | None]]:
        """Let the agents whose turn it is act or generate messages, in order; yield what they send."""
        network, version = self.network, cast.version
        used = 0
        for agent_id, decode_action, generate_messages, ctx in cast.acting(turn):
            if version != network.version and agent_id not in network.contexts:
                used += agent_id in actions  # another one's action removed it
                continue
            if decode_action is not None and agent_id in actions:
                used += 1
                yield agent_id, decode_action(ctx, actions[agent_id])
            else:
                yield agent_id, generate_messages(ctx)
        if used < len(actions):
            self.step_rules.check_unused_actions(self, actions)

    def _settle(self, cast: Cast, turn: Turn, next_turn: Turn | None) -> StepResult:
        """Observe, reward and end: one strategic agent after the other, then the whole episode."""
        left, joined = ((), ()) if cast is self._settled_cast else self._changes(cast)
        rules, ledger = self.step_rules, self.reward_ledger
        if left and not rules.reports_leavers:
            left = ()
        all_terminated, all_truncated = rules.cut_off(self, next_turn)
        observations, terminations, truncations, infos, ended = settle(
            cast.settled(turn, next_turn),
            ledger,
            () if rules.pays_newcomers else joined,
            pays_unseen=rules.pays_unseen,
            terminated=all_terminated,
            truncated=all_truncated,
        )
        if ended:
            rules.note_ends(self, ended, terminations, truncations)
            if rules.has_final_observation:
                late = cast.overlooked(turn, next_turn, self.truncated_agent_ids.intersection(ended))
                look(late, observations, infos)  # what a learner bootstraps from
        for agent_id in left:
            terminations[agent_id], truncations[agent_id] = True, False
        terminations[ALL], truncations[ALL] = is_terminated, is_truncated = rules.conclude(
            self,
            terminated=all_terminated,
            truncated=all_truncated,
            is_deserted=bool(ended or left) and len(ended) == len(cast.players),
        )
        is_over = is_terminated or is_truncated
        if ended and not (is_over and rules.needs_reset):  # else a reset brings everybody back anyway
            self._retire(ended)
        payees: Container[AgentID] | None = observations
        if is_over:
            payees = None
        elif ended or left:
            payees = {*observations, *ended, *left}
        observations, rewards, infos = ledger.settle(observations, infos, payees)
        return StepResult(observations, rewards, terminations, truncations, infos)

    def _changes(self, cast: Cast) -> tuple[Collection[AgentID], Collection[AgentID]]:
        """Return which strategic agents left, and which joined, since agents were last settled."""
        before, now = self._in_play, dict.fromkeys(player.agent_id for player in cast.players)
        self._settled_cast, self._in_play = cast, now
        return [a for a in before if a not in now], {a for a in now if a not in before}

    def _retire(self, agent_ids: Collection[AgentID]) -> None:
        """Take agents that ended out of play."""
        self.network.withdraw(agent_ids)
        for agent_id in agent_ids:
            del self._in_play[agent_id]

    def refresh_views(self) -> None:
        """Ask the agents and the env what they show now; the env's default view waits until it is read.

        A step does this at its start, and after the messages were resolved if its rules want fresh views.
        """
        cast = self._current_cast()
        public: Mapping[AgentID, AgentView | None] = {}
        if cast.has_views:
            public = cast.public_views()
            cast.refresh_agent_views()
        cast.frame.view = self.view(public) if self._has_view else None

    def _current_cast(self) -> Cast:
        """Return the cast, built anew if an agent ended or the network changed."""
        cast = self._cast
        return cast if cast is not None and cast.version == self.network.version else self._recast()

    def _cast_of_episode(self) -> Cast:
        """Return the cast of a new episode: that of the last one, if nobody came or went."""
        cast = self._cast
        if cast is None or cast.frame is not self.network.frame or cast.version != self.network.version:
            return self._recast()
        self.refresh_views()
        return cast

    def _recast(self) -> Cast:
        self._cast = Cast(self.network)
        self._cast.frame.make = self._default_view
        self.refresh_views()
        return self._cast

    def _default_view(self) -> EnvView:
        return self.view({})

    def _require_seed(self) -> int:
        if self._episode_seed is None:
            msg = f"{type(self).__name__} was used before it was seeded. Call env.reset() first."
            raise EpisodeError(msg)
        return self._episode_seed

    def _next_seed(self, seed: int | None) -> int:
        """Return the seed of the next episode, and start the env's stream anew if one was given."""
        if seed is not None:
            checked = checks.checked_seed(seed)
            self._seed_stream = make_random(checked, "env.seeds")
            return checked
        if self._seed_stream is None:
            self._seed_stream = make_random(fresh_seed(), "env.seeds")
        return self._seed_stream.getrandbits(63)

    def _turn_without_reset(self) -> Turn:
        """Return the turn of a step that comes before the first reset, or after the end of an episode."""
        if not self.step_rules.needs_reset:
            return self._turn or self.turn_order.first(self)
        when = (self._halted or "").format(self._current_step)
        raise EpisodeError(f"{type(self).__name__} was stepped {when}. Call env.reset().")

    def __repr__(self) -> str:
        """Return the class, the step and the number of agents."""
        name, limit = type(self).__name__, self.num_steps
        return f"<{name} step {self._current_step}/{limit or '∞'}, {len(self.network)} agents>"
