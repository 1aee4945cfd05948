"""`PhantomEnv`: the one `reset` and the one `step` of every kind of env."""

from __future__ import annotations

import random
from collections.abc import Mapping
from functools import cached_property
from typing import Any, final

import gymnasium as gym
import numpy as np

from phantom_core.envs import env_checks as checks
from phantom_core.envs.casting import Cast, Player
from phantom_core.envs.reward_ledger import RewardLedger
from phantom_core.envs.step_result import StepResult
from phantom_core.envs.turns import Simultaneous, Turn, TurnOrder, observers
from phantom_core.errors import EpisodeError
from phantom_core.seeding import fresh_seed, make_random, make_rng
from phantom_core.types import Action, AgentID, Observation
from phantom_core.world.agents import ALL, Agent, StrategicAgent
from phantom_core.world.context import AgentView, EnvView
from phantom_core.world.network import Network
from phantom_core.world.samplers import SampledValues
from phantom_core.world.supertypes import Supertype


class PhantomEnv:
    """A world of agents on a network, played in steps.

    Subclass it to build the network in `__init__`; override the small parts (`on_reset`, `view`,
    `is_terminated`, `is_truncated`, `pre_message_resolution`, `post_message_resolution`), not `reset`
    and `step`.

    One step: the agents whose turn it is act; messages are delivered; then, one strategic agent after
    the other, observation, infos, reward, terminated and truncated. A reward is delivered exactly once,
    with the agent's next observation or at its end. An agent that ended is neither observed nor asked
    again. The episode ends when every strategic agent has ended, at the time limit (which truncates
    every agent), or when `is_terminated` says so; an env without strategic agents runs to its limit.
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
            ConfigError: if `num_steps` is not positive, or a supertype of the wrong kind or for nobody.
        """
        checks.check_num_steps(type(self).__name__, num_steps)
        self.num_steps = num_steps
        self.network = Network() if network is None else network
        self.env_supertype = checks.env_supertype_of(type(self), env_supertype)
        self.env_type: Any = None
        checks.set_agent_supertypes(self.network.agents, agent_supertypes or {})
        self.turn_order: TurnOrder = Simultaneous() if turn_order is None else turn_order
        self.reward_ledger = RewardLedger()
        self._current_step = 0
        self._episode_seed: int | None = None
        self._seed_stream: random.Random | None = None
        self._turn: Turn | None = None
        self._executed_turn: Turn | None = None
        self._cast: Cast | None = None
        self._terminated: set[AgentID] = set()
        self._truncated: set[AgentID] = set()
        self._has_view = type(self).view is not PhantomEnv.view
        self._halted: str | None = "before its first reset"  # why there is no step to play

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

    @property
    def agents(self) -> Mapping[AgentID, Agent]:
        """Agent by id, in network order."""
        return self.network.agents

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
        """Observation space of each strategic agent.

        Raises:
            ConfigError: if one has none.
        """
        return {agent.id: checks.agent_space(agent, "observation_space") for agent in self.strategic_agents}

    @property
    def action_spaces(self) -> dict[AgentID, gym.Space[Any]]:
        """Action space of each strategic agent.

        Raises:
            ConfigError: if one has none.
        """
        return {agent.id: checks.agent_space(agent, "action_space") for agent in self.strategic_agents}

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

    def close(self) -> None:
        """Release what the env holds; the default holds nothing."""

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
        """
        self._episode_seed = episode_seed = self._next_seed(seed)
        self._halted = "after a reset that raised an error"  # stays so if anything below raises
        self.__dict__.pop("random", None)
        self.__dict__.pop("rng", None)
        self._current_step = 0
        self._terminated, self._truncated = set(), set()
        self.reward_ledger.reset()
        self._executed_turn = None
        network, values, supertype = self.network, SampledValues(episode_seed), self.env_supertype
        self.env_type = None if supertype is None else supertype.sample_in(values, "env")
        network.begin_episode(episode_seed, values)
        self.on_reset()
        if self.network is not network:  # it built another one
            self.network.begin_episode(episode_seed, values)
        self.network.reset()
        self._turn = turn = self.turn_order.first(self)
        cast = self._recast()
        first = StepResult({}, {}, {}, {}, {})
        for player in cast.players:
            if turn.acting is None or player.agent_id in turn.acting:
                _observe(player, first)
        self._halted = None
        return first.observations, first.infos

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
            raise self._not_running()
        self._halted = "after step {} raised an error"  # stays so if anything below raises
        self._current_step += 1
        cast = self._current_cast()
        self._refresh_views(cast)
        self._act(cast, turn, actions)
        next_turn = self.turn_order.advance(self, turn)
        cast = self._current_cast()
        if cast.has_views or self._has_view:
            self._refresh_views(cast)
        result = self._settle(cast, turn, next_turn)
        is_over = result.terminations[ALL] or result.truncations[ALL]
        self._executed_turn, self._turn = turn, None if is_over else next_turn
        self._halted = "after its episode ended at step {}" if is_over else None
        return result

    def resolve_network(self) -> None:
        """Deliver all messages; the turn order calls this once in each step."""
        self.pre_message_resolution()
        self.network.resolve(self._current_cast().contexts)
        self.post_message_resolution()

    # ------------------------------------------------------------------ the parts of a step

    def _act(self, cast: Cast, turn: Turn, actions: Mapping[AgentID, Action]) -> None:
        """Let the agents whose turn it is act or generate messages, in order."""
        send_all = self.network.send_all
        used = 0
        for agent_id, decode_action, generate_messages, ctx in cast.acting(turn):
            if decode_action is not None and agent_id in actions:
                used += 1
                messages = decode_action(ctx, actions[agent_id])
            else:
                messages = generate_messages(ctx)
            if messages:
                send_all(agent_id, messages)
        if used < len(actions):
            checks.check_ignored_actions(self.agents, actions)

    def _settle(self, cast: Cast, turn: Turn, next_turn: Turn | None) -> StepResult:
        """Observe, reward and end: one strategic agent after the other, then the whole episode."""
        result = StepResult({}, {}, {}, {}, {})
        seeing, rewarded = observers(turn, next_turn), turn.rewarded
        all_terminated = self.is_terminated() or next_turn is None
        all_truncated = self.is_truncated()
        ended: list[AgentID] = []
        unseen: list[Player] = []
        for player in cast.players:
            agent_id, agent, ctx = player
            is_observing = seeing is None or agent_id in seeing
            if is_observing:
                _observe(player, result)
            if rewarded is None or agent_id in rewarded:
                self.reward_ledger.add(agent_id, agent.compute_reward(ctx))
            terminated = agent.is_terminated(ctx) or all_terminated
            truncated = agent.is_truncated(ctx) or all_truncated
            result.terminations[agent_id] = terminated
            result.truncations[agent_id] = truncated
            if terminated or truncated:
                ended.append(agent_id)
                (self._terminated if terminated else self._truncated).add(agent_id)
                if not terminated and not is_observing:
                    unseen.append(player)
        for player in unseen:  # what a learner bootstraps from
            _observe(player, result)
        if ended and len(ended) == len(cast.players) and not all_terminated:
            all_terminated = not self._truncated
            all_truncated = all_truncated or bool(self._truncated)
        result.terminations[ALL], result.truncations[ALL] = all_terminated, all_truncated
        return self._pay(result, ended)

    def _pay(self, result: StepResult, ended: list[AgentID]) -> StepResult:
        """Deliver the rewards of those who observe or end; forget those who ended."""
        if result.terminations[ALL] or result.truncations[ALL]:
            return result._replace(rewards=self.reward_ledger.deliver(None))
        if not ended:
            return result._replace(rewards=self.reward_ledger.deliver(result.observations))
        self._cast = None
        return result._replace(rewards=self.reward_ledger.deliver({*result.observations, *ended}))

    def _refresh_views(self, cast: Cast) -> None:
        """Ask the agents and the env what they show now."""
        public: Mapping[AgentID, AgentView | None] = {}
        if cast.has_views:
            public = cast.public_views()
            cast.refresh_agent_views()
        cast.frame.env_view = self.view(public)

    def _current_cast(self) -> Cast:
        """Return the cast, built anew if an agent ended or the network changed."""
        cast = self._cast
        return cast if cast is not None and cast.version == self.network.version else self._recast()

    def _recast(self) -> Cast:
        ended = self._terminated | self._truncated
        self._cast = Cast(self.network, ended, EnvView(self._current_step, 0.0))
        self._refresh_views(self._cast)
        return self._cast

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

    def _not_running(self) -> EpisodeError:
        when = (self._halted or "").format(self._current_step)
        return EpisodeError(f"{type(self).__name__} was stepped {when}. Call env.reset().")

    def __getitem__(self, agent_id: AgentID) -> Agent:
        """Return the agent with this id."""
        return self.network[agent_id]

    def __repr__(self) -> str:
        """Return the class, the step and the number of agents."""
        name, limit = type(self).__name__, self.num_steps
        return f"<{name} step {self._current_step}/{limit or '∞'}, {len(self.network)} agents>"


def _observe(player: Player, result: StepResult) -> None:
    agent_id, agent, ctx = player
    observation = agent.encode_observation(ctx)
    if observation is not None:
        result.observations[agent_id] = observation
        result.infos[agent_id] = agent.collect_infos(ctx)
