"""`ESTrainer`: the trainer `es`."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

import phantom_core as ph
from phantom_es.cma_search import CMASearch
from phantom_es.es_config import ESConfig
from phantom_es.greedy_actor import GreedyActorPolicy
from phantom_es.policy_parameters import check_takes_parameters, read_parameters, write_parameters

_MAX_FULL = 200


class ESTrainer(ph.Trainer):
    """Draws policies around the best that it knows, plays whole episodes with each, and moves to the better.

    An iteration is a generation of each trained policy, one after the other: its candidates play with the
    others as these are now. All candidates of a generation play episodes with the same seeds and the same
    partners, so what they earn differs by nothing but themselves. A candidate earns the mean over its
    episodes of the mean return of the agents that use the policy; it acts as a finished policy does. After
    a generation the policy is the mean of the distribution.

    `CMASearch` has the formulas. Source: Hansen 2016, arXiv:1604.00772; for policies Heidrich-Meisner and
    Igel 2009, "Neuroevolution strategies for episodic reinforcement learning", J. Algorithms 64, 152-168.
    """

    config_class = ESConfig
    policy_class = GreedyActorPolicy
    trainable_class = ph.BasePolicy
    uses_workers = True
    conformance: ClassVar[Mapping[str, Any]] = {"bootstraps": False, "is_collective": True}

    def __init__(self, tensorboard_log_dir: Any = None, **settings: Any) -> None:
        """Check the settings; `ConfigError` if one is unknown or out of its range."""
        super().__init__(tensorboard_log_dir, **settings)
        self._searches: dict[ph.PolicyID, CMASearch] = {}
        self._collector: ph.Collector | None = None
        self._played: list[ph.EpisodeSummary] = []

    def setup(self, policy_id: ph.PolicyID, policy: ph.BasePolicy, rng: np.random.Generator) -> None:
        """Begin to search around the policy as it is; `ConfigError` if it has no parameters to search."""
        start = read_parameters(policy_id, policy)
        check_takes_parameters(policy_id, policy)
        covariance = self.config.covariance
        if covariance == "auto":
            covariance = "full" if len(start) <= _MAX_FULL else "diagonal"
        self._searches[policy_id] = CMASearch(
            start, self.config.sigma, rng, population=self.config.population, covariance=covariance
        )

    def training_step(
        self,
        env: Any,
        policy_mapping: Mapping[ph.AgentID, ph.PolicyID],
        policies: Mapping[ph.PolicyID, ph.BasePolicy],
        policies_to_train: Sequence[ph.PolicyID],
    ) -> None:
        """Play a generation of each policy."""
        if self._collector is None:
            self.check_episodes_end(env)
            envs = self.run.make_vector_env(self.config.episodes)
            self._collector = self.make_collector(
                envs, policies, policy_mapping, on_episode=self._played.append
            )
        seed = ph.seeding.derive_seed(self.run.seed, "generation", self.run.iteration)
        for policy_id in policies_to_train:
            search, policy = self._searches[policy_id], policies[policy_id]
            candidates = search.ask()
            try:
                returns = [self._earned(self._collector, policy_id, policy, one, seed) for one in candidates]
                search.tell(candidates, returns)
            finally:  # also if the run is broken off
                write_parameters(policy, search.mean)
            self.log_scalar(f"{policy_id}/best_return", max(returns))
            self.log_scalar(f"{policy_id}/deviation", float(search.deviations.mean()))

    def _earned(
        self,
        collector: ph.Collector,
        policy_id: ph.PolicyID,
        policy: ph.BasePolicy,
        candidate: NDArray[np.float64],
        seed: int,
    ) -> float:
        """Return what a policy with these parameters earns in the episodes that follow from a seed."""
        write_parameters(policy, candidate)
        collector.reseed(seed)
        self._played.clear()
        collector.collect(ph.CollectPlan(episodes=self.config.episodes))
        found = []
        for episode in self._played:
            own = [
                earned
                for agent_id, earned in episode.episode_returns.items()
                if collector.policy_by_agent[agent_id] == policy_id
            ]
            if own:
                found.append(statistics.fmean(own))
        if not found:
            raise ph.errors.EnvError(
                f"No agent with the policy {policy_id!r} took part in the {len(self._played)} episodes of a "
                "candidate, so nobody knows what it earns. Set more episodes, or let such an agent take part."
            )
        return statistics.fmean(found)

    def state_dict(self) -> dict[str, Any]:
        """Return where each search stands."""
        return {policy_id: search.state_dict() for policy_id, search in self._searches.items()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on where the searches stood."""
        for policy_id, search in self._searches.items():
            search.load_state_dict(state[policy_id])

    def leave(self) -> None:
        """Leave the run."""
        super().leave()
        self._collector = None
