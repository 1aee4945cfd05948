"""`Cadence`: when a trainer of a run is called, with what its agents went through since its last call."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from phantom_core.envs.endless import check_episodes_end
from phantom_core.envs.step_result import MultiAgentEnv
from phantom_core.errors import ConfigError, listing
from phantom_core.rollouts.collect import Collector
from phantom_core.rollouts.collect_plan import Collection, CollectPlan
from phantom_core.training.learner import Learner
from phantom_core.training.run_loop import RunLoop
from phantom_core.training.run_state import RunState
from phantom_core.types import PolicyID


class Cadence:
    """A trainer, the policies that it trains, and what it waits for.

    Attributes:
        trainer: the trainer.
        policy_ids: the policies that it trains.
        plan: its plan when the run began, and then the last one.
        learning: those that learn at present.
        collection: what it waits for; None: nothing, since none of them learns or nothing was planned yet.
    """

    def __init__(self, trainer: Learner, policy_ids: tuple[PolicyID, ...]) -> None:
        """Ask the trainer for its first plan."""
        self.trainer, self.policy_ids = trainer, policy_ids
        self.learning: tuple[PolicyID, ...] = ()
        self.collection: Collection | None = None
        self._progress = 0.0  # of the run, when the collection began
        self.plan = self._asked(None)
        self._next: CollectPlan | None = self.plan

    @classmethod
    def of_run(
        cls, main: Learner, trainers: Mapping[PolicyID, Learner], loop: RunLoop, env: MultiAgentEnv
    ) -> list[Cadence]:
        """Return the cadences of a run in copies of an env, that of its main trainer first.

        Raises:
            ConfigError: if a plan is none, the trainers do not agree on the number of copies, or one waits
                for whole episodes and the env has none.
        """
        distinct = [main]
        for trainer in trainers.values():
            if not any(trainer is other for other in distinct):
                distinct.append(trainer)
        found = [cls(one, tuple(i for i, own in trainers.items() if own is one)) for one in distinct]
        for cadence in found:
            if cadence.plan.is_independent and len(found) > 1:
                others = listing([type(one.trainer).__name__ for one in found if one is not cadence])
                raise ConfigError(
                    f"{type(cadence.trainer).__name__} learns in {cadence.plan.copies or 1:,} independent "
                    "experiments (sessions), each in a copy of the env of its own, so no other trainer can "
                    f"learn in the same run, but {others} would. Give the run one trainer, or leave the "
                    "sessions out."
                )
        copies = found[0].plan.copies or 1
        for cadence in found[1:]:
            if cadence.plan.copies not in (None, copies):
                name = type(cadence.trainer).__name__
                raise ConfigError(
                    f"{name} plans copies={cadence.plan.copies}, but {loop.facts.trainer_name}, the main "
                    f"trainer of the run, plays {copies}. Give both the same number."
                )
        for cadence in found:
            if cadence.plan.episodes is not None:
                check_episodes_end(type(cadence.trainer).__name__, env, cadence.trainer.steps_setting)
        return found

    @property
    def name(self) -> str:
        """What it is called in a saved state: the first policy that it trains."""
        return next(iter(self.policy_ids), "")

    @property
    def waiting(self) -> Collection:
        """What it waits for, if it does."""
        assert self.collection is not None
        return self.collection

    def next_plan(self) -> CollectPlan:
        """Return the plan of the next collection."""
        if self._next is None:
            self._next = self._asked(self.plan)
        return self._next

    def begin(self, collector: Collector, run: RunState, *, is_main: bool) -> None:
        """Begin the next collection."""
        self.plan, self._next, self._progress = self.next_plan(), None, run.progress
        for policy_id in self.learning:
            self.trainer.begin_round(policy_id, run.policies[policy_id])
        self.collection = collector.begin(
            self.plan,
            self.learning,
            with_current_episodes=is_main,
            after=None if is_main else self.collection,
        )

    def state_dict(self) -> dict[str, Any]:
        """Return what it waits for."""
        collection = None if self.collection is None else self.collection.state_dict()
        plan = {"steps": self.plan.steps, "episodes": self.plan.episodes, "rounds": self.plan.rounds}
        return {
            "learning": list(self.learning),
            "collection": collection,
            "progress": self._progress,
            "plan": plan,
        }

    def load_state_dict(self, state: Mapping[str, Any], collector: Collector, run: RunState) -> None:
        """Wait for what was waited for, begun as far into the run as it was."""
        self.learning, self.collection = tuple(state["learning"]), None
        if state["collection"] is not None:
            self._next = replace(self.plan, **state["plan"])  # that of then, whatever it is now
            now, run.progress = run.progress, float(state["progress"])
            self.begin(collector, run, is_main=False)
            self.waiting.load_state_dict(state["collection"])
            run.progress = now

    def ask_anew(self) -> None:
        """Forget the plan of the next collection: the trainer is not any more what it was when asked."""
        self._next = None

    def _asked(self, before: CollectPlan | None) -> CollectPlan:
        """Ask the trainer for a plan; raise `ConfigError` if it is none, or does not fit the run."""
        plan, name = self.trainer.collect_plan(), type(self.trainer).__name__
        if before is not None and plan == before:
            return plan
        if not isinstance(plan, CollectPlan):
            raise ConfigError(
                f"{name}.collect_plan() returned {plan!r}. Expected how much to collect, such as "
                "ph.CollectPlan(episodes=10)."
            )
        if before and _of_whole_run(plan) != _of_whole_run(before):
            raise ConfigError(
                f"{name}.collect_plan() returned {plan}, but copies={before.copies}, needs={before.needs!r} "
                f"and is_independent={before.is_independent} when the run began. Keep them as they were."
            )
        return plan


def _of_whole_run(plan: CollectPlan) -> tuple[Any, ...]:
    """Return what of a plan must stay as it was when the run began."""
    return plan.copies, set(plan.needs), plan.is_independent
