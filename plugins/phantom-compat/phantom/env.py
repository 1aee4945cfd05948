"""`PhantomEnv`: the env in which everybody acts, observes and is rewarded in each step."""

from collections.abc import Iterable, Mapping
from typing import Any

import gymnasium as gym

import phantom_core as ph
from phantom._layer.lookout import Lookout
from phantom._layer.plain_attribute import PlainAttribute
from phantom._layer.predecessor_rules import PaidNow, PredecessorRules
from phantom.network import Network
from phantom.supertype import Supertype
from phantom.telemetry import logger
from phantom.types import AgentID
from phantom.utils.samplers import Sampler


class PhantomEnv(ph.PhantomEnv, gym.Env[Any, Any]):
    """A world of agents on a network. Subclasses may have an inner class `Supertype`.

    Attributes:
        env_supertype: what the env's type is drawn from at each reset; None: it has none.
        env_type: the type of this episode; None before the first reset.
    """

    Step = ph.StepResult
    turn: Any = PlainAttribute()  # programs may use these names for what they like
    random: Any = PlainAttribute()
    rng: Any = PlainAttribute()

    def __init__(
        self,
        num_steps: int | None,
        network: Network | None = None,
        env_supertype: Supertype | Mapping[str, Any] | None = None,
        agent_supertypes: Mapping[AgentID, Supertype | Mapping[str, Any]] | None = None,
    ) -> None:
        super().__init__(network=Network() if network is None else network)
        self.num_steps = num_steps
        self.step_rules = PredecessorRules()
        self.reward_ledger = PaidNow()
        self._samplers: list[Sampler[Any]] = []
        self._ctxs: dict[AgentID, Any] = self.network.contexts
        self._lookout: Lookout | None = None
        self._num_strategic: tuple[Any, int, int] = (None, 0, 0)  # of which network, in which version
        if env_supertype is not None:
            self.env_supertype = self._managed(type(self), env_supertype)
            assert isinstance(self.env_supertype, type(self).Supertype), (  # type: ignore[attr-defined]  # the inner class
                f"env_supertype is {env_supertype!r}. Expected a {type(self).__name__}.Supertype."
            )
        for agent_id, supertype in (agent_supertypes or {}).items():
            agent: Any = self.agents[agent_id]
            agent.supertype = self._managed(type(agent), supertype)
        self._sample()
        for agent in self.agents.values():
            agent.reset()

    # ------------------------------------------------------------------ who exists

    @property
    def n_agents(self) -> int:
        """The number of agents."""
        return len(self.network)

    @property
    def _terminations(self) -> set[AgentID]:
        return self.terminated_agent_ids

    @_terminations.setter
    def _terminations(self, agent_ids: Iterable[AgentID]) -> None:
        self.terminated_agent_ids = set(agent_ids)
        self.network.bring_back()  # whoever ended is left out again by the next step

    @property
    def _truncations(self) -> set[AgentID]:
        return self.truncated_agent_ids

    @_truncations.setter
    def _truncations(self, agent_ids: Iterable[AgentID]) -> None:
        self.truncated_agent_ids = set(agent_ids)
        self.network.bring_back()  # likewise

    # ------------------------------------------------------------------ time

    def reset(  # type: ignore[override, misc]  # programs override it
        self, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[AgentID, Any], dict[str, Any]]:
        """Start an episode; return the first observations, and an empty dict."""
        if logger.is_on:
            logger.log_reset()
        if seed is not None:
            gym.Env.reset(self, seed=seed)
        self._sample()
        observations, _ = ph.PhantomEnv.reset(self, seed=seed)
        if logger.is_on:
            logger.log_observations(observations)
        return observations, {}

    def step(self, actions: Mapping[AgentID, Any]) -> ph.StepResult:  # type: ignore[override, misc]  # likewise
        """Play one step."""
        if self.terminated_agent_ids or self.truncated_agent_ids:
            self._leave_out_the_ended()
        return self._logged_step(actions) if logger.is_on else ph.PhantomEnv.step(self, actions)

    def is_terminated(self) -> bool:
        """Tell whether every strategic agent is terminated."""
        return len(self.terminated_agent_ids) == self._count_strategic()

    def is_truncated(self) -> bool:
        """Tell whether the time limit is reached, or every strategic agent is truncated."""
        if self._current_step == self.num_steps:
            return True
        return len(self.truncated_agent_ids) == self._count_strategic()

    def render(self) -> None:
        """Show nothing."""

    # ------------------------------------------------------------------ for programs with their own `step`

    def refresh_views(self) -> None:
        """Called once in each step, and at reset: make the contexts, and ask for the views in them."""
        lookout = self._look_out()
        if self._current_step:
            self._ctxs = lookout.contexts
            lookout.refresh(self)
        else:
            self._look_with(lookout, self._beginner_ids())

    def pre_message_resolution(self) -> None:
        """Call the hook of each agent that has a context."""
        if self._has_all_ctxs:
            super().pre_message_resolution()
            return
        for ctx in self._ctxs.values():
            ctx.agent.pre_message_resolution(ctx)

    def resolve_network(self) -> None:
        """Deliver all messages between the agents that have a context."""
        self.pre_message_resolution()
        self.network.resolve(self._ctxs)  # type: ignore[call-arg]  # this package's network
        self.post_message_resolution()

    def post_message_resolution(self) -> None:
        """Call the hook of each agent that has a context."""
        if self._has_all_ctxs:
            super().post_message_resolution()
            return
        for ctx in self._ctxs.values():
            ctx.agent.post_message_resolution(ctx)

    @property
    def _has_all_ctxs(self) -> bool:
        return self._lookout is not None and self._ctxs is self._lookout.contexts

    def _make_ctxs(self, agent_ids: Iterable[AgentID]) -> None:
        """Look at everybody's views anew, for those of these agents that did not end."""
        self._leave_out_the_ended()
        self._look_with(self._look_out(), agent_ids)

    def _handle_acting_agents(self, agent_ids: Iterable[AgentID], actions: Mapping[AgentID, Any]) -> None:
        """Let these agents act, or generate messages, in order; those without a context do neither."""
        for agent_id in agent_ids:
            ctx = self._ctxs.get(agent_id)
            if ctx is None:
                continue
            if agent_id in actions:
                messages = ctx.agent.decode_action(ctx, actions[agent_id])
            else:
                messages = ctx.agent.generate_messages(ctx)
            if messages:
                self.network.send_all(agent_id, messages)

    # ------------------------------------------------------------------ how

    def _managed(self, owner: type, given: Any) -> Any:
        """Return a supertype whose samplers the env draws from."""
        supertype: Any = owner.Supertype(**given) if isinstance(given, Mapping) else given  # type: ignore[attr-defined]  # the inner class
        supertype._managed = True
        for value in vars(supertype).values():
            if isinstance(value, Sampler) and not any(value is known for known in self._samplers):
                self._samplers.append(value)
        return supertype

    def _leave_out_the_ended(self) -> None:
        """Take those out of play who ended with the last step of an episode, or were said to from outside."""
        contexts = self.network.contexts
        ended = [i for i in self.terminated_agent_ids | self.truncated_agent_ids if i in contexts]
        if ended:
            self.network.withdraw(ended)

    def _sample(self) -> None:
        for sampler in self._samplers:
            sampler.sample()

    def _look_out(self) -> Lookout:
        """Return the lookout, made anew if the network changed."""
        lookout = self._lookout
        if lookout is None or not lookout.is_of(self.network):
            lookout = self._lookout = Lookout(self)
            self.network.everybody = lookout.contexts  # type: ignore[attr-defined]  # this package's network
        return lookout

    def _look_with(self, lookout: Lookout, agent_ids: Iterable[AgentID]) -> None:
        """Give contexts, with new views, to those of these agents that are in play."""
        in_play = lookout.contexts
        self._ctxs = {agent_id: in_play[agent_id] for agent_id in agent_ids if agent_id in in_play}
        lookout.refresh(self, self._ctxs)

    def _beginner_ids(self) -> list[AgentID]:
        """Return the strategic agents that act first, in the order in which they act."""
        acting = self.acting_agent_ids
        strategic = dict.fromkeys(self.strategic_agent_ids)
        return [agent_id for agent_id in (strategic if acting is None else acting) if agent_id in strategic]

    def _count_strategic(self) -> int:
        network, version, number = self._num_strategic
        if network is not self.network or version != self.network.version:
            number = len(self.strategic_agents)
            self._num_strategic = self.network, self.network.version, number
        return number

    def _logged_step(self, actions: Mapping[AgentID, Any]) -> ph.StepResult:
        logger.log_step(self._current_step + 1, self.num_steps)
        logger.log_actions(actions)
        logger.log_start_decoding_actions()
        step = ph.PhantomEnv.step(self, actions)
        logger.log_step_values(*self._to_log(step))
        logger.log_metrics(self)
        self._log_transition()
        if self._is_last(step):
            logger.log_episode_done()
        return step

    def _to_log(self, step: ph.StepResult) -> ph.StepResult:
        """Return what the logger is told of the result of a step."""
        return step

    def _log_transition(self) -> None:
        """Tell the logger about stages, where there are some."""

    def _is_last(self, step: ph.StepResult) -> bool:
        """Tell whether the episode is over for the logger."""
        return step.terminations["__all__"] or step.truncations["__all__"]
