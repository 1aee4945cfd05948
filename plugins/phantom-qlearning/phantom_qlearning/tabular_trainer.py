"""`TabularTrainer`: what the trainers of q-tables share: settings, schedules, when they learn, stability."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np

import phantom_core as ph
from phantom_qlearning.q_table_policy import QTablePolicy
from phantom_qlearning.schedule import Kind, Schedule

Outcome: TypeAlias = tuple[Any, int, float, Any, bool, bool]
"""What `ph.Transitions.outcomes` yields."""


@dataclass(frozen=True)
class TabularConfig:
    """Settings of the trainers of q-tables."""

    update: Literal["step", "iteration"] = "step"
    """When the table changes: after each env step, as the literature has it, or once in an iteration, from
    all that was collected with one table. With several learners the second gives other results."""
    alpha: float = 0.7
    """Step size at the start."""
    alpha_final: float = 0.01
    """Step size at the end of its schedule."""
    gamma: float = 0.95
    """Discount factor per decision."""
    epsilon: float = 1.0
    """Probability of a random action at the start."""
    epsilon_final: float = 0.05
    """Probability of a random action at the end of its schedule."""
    schedule: Kind = "linear"
    """How `alpha` and `epsilon` go to their final values: by equal differences, or by equal ratios."""
    decay_fraction: float = 0.9
    """Over which share of the run they do, once in each iteration."""
    decay_steps: int | None = None
    """Over how many env steps of the run, all copies together, they do instead: step by step, or once in an
    iteration if the table changes so."""
    decay_rate: float | None = None
    """Instead: the first value times exp(-rate * env steps), down to the final one, as often."""
    steps_per_iteration: int | None = None
    """Env steps, all copies together, in an iteration; none: whole episodes."""
    episodes_per_iteration: int | None = None
    """Episodes in an iteration; none: 10, unless steps are given."""
    copies: int | None = None
    """How many copies of the env are played side by side; none: as the run does, or 1."""

    def __post_init__(self) -> None:
        """Refuse what is out of range or contradicts itself; raises `ValueError`."""
        for name in ("alpha", "alpha_final", "gamma", "epsilon", "epsilon_final", "decay_fraction"):
            value = getattr(self, name)
            if not 0.0 <= value <= 1.0:
                raise ValueError(f"{name} is {value}. Expected a number from 0 to 1")
        for name in ("decay_steps", "steps_per_iteration", "episodes_per_iteration", "copies"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"{name} is {value}. Expected a positive number")
        if self.decay_rate is not None and not 0.0 <= self.decay_rate < float("inf"):
            raise ValueError(f"decay_rate is {self.decay_rate}. Expected 0 or more")
        for name in ("alpha", "epsilon"):
            first, final = getattr(self, name), getattr(self, f"{name}_final")
            if self.decay_rate is not None and final > first:
                raise ValueError(f"{name} is {first} and {name}_final {final}, but decay_rate only lowers it")
        for one, other in (
            ("steps_per_iteration", "episodes_per_iteration"),
            ("decay_steps", "decay_rate"),
        ):
            if getattr(self, one) is not None and getattr(self, other) is not None:
                raise ValueError(f"both {one} and {other} are given. Give one of them")
        if self.schedule == "exponential" and self.decay_rate is None:
            for name in ("alpha", "epsilon"):
                first, final = getattr(self, name), getattr(self, f"{name}_final")
                if first != final and not (first > 0.0 and final > 0.0):
                    raise ValueError(
                        f"{name} cannot go exponentially from {first} to {final}. Give two positive numbers, "
                        "or decay_rate"
                    )

    def schedule_of(self, name: str) -> Schedule:
        """Return how `alpha` or `epsilon` moves."""
        first, final = getattr(self, name), getattr(self, f"{name}_final")
        return Schedule(first, final, self.schedule, self.decay_fraction, self.decay_steps, self.decay_rate)


@dataclass(slots=True)
class Learning:
    """How far the learning of one table is.

    Attributes:
        policy: the policy with the table.
        memory: what the algorithm keeps beside the table.
        alpha: the step size now.
        env_steps: the env steps of the run so far.
        errors: the sum of |target − Q(s, a)| since the last update.
        num_errors: how many these are.
    """

    policy: QTablePolicy
    memory: Any
    alpha: float = 0.0
    env_steps: int = 0
    errors: float = 0.0
    num_errors: int = 0


class TabularTrainer(ph.Trainer):
    """Changes one value of a q-table for each decision; subclasses say what follows a decision.

    After a decision with observation s, action a, reward r and next observation s′:

        Q(s, a) ← Q(s, a) + α [r + γ V(s′) − Q(s, a)]

    Where the episode terminated nothing follows, and the target is r. Where it was truncated, s′ is the final
    observation, and its value counts: a time limit is not an end of the world. A decision that was cut off
    without a next observation teaches nothing and is left out. Behaviour while learning is ε-greedy.

    It logs `td_error` (the mean of |target − Q(s, a)|), `alpha`, `epsilon` and `stable_steps` of each
    policy: the env steps since any greedy action changed last. The smallest of these is `stable_steps` of the
    run, for a hook such as `early-stopping`.
    """

    config_class = TabularConfig
    policy_class = QTablePolicy
    keep_last = ("alpha", "epsilon", "stable_steps")
    steps_setting = "steps_per_iteration"
    config: TabularConfig

    def __init__(self, **config: Any) -> None:
        """Read the settings; raise `ConfigError` if they are wrong."""
        super().__init__(**config)
        self._alpha, self._epsilon = self.config.schedule_of("alpha"), self.config.schedule_of("epsilon")
        self._progress, self._copies = 0.0, 1
        self.num_sessions = 1  # how many experiments of their own the run's env steps are shared out to
        self._learning: dict[ph.PolicyID, Any] = {}  # a `Learning`, or a `SessionLearning`
        self._gamma = self.config.gamma

    @property
    def learns_online(self) -> bool:
        """Whether it learns after each env step."""
        return self.config.update == "step"

    def setup(self, policy_id: ph.PolicyID, policy: QTablePolicy, rng: np.random.Generator) -> None:
        """Begin with a table."""
        self._learning[policy_id] = Learning(policy, self.new_memory(policy))

    def collect_plan(self) -> ph.CollectPlan:
        """Plan an iteration."""
        config = self.config
        if config.steps_per_iteration is not None:
            return ph.CollectPlan(steps=config.steps_per_iteration, copies=config.copies)
        return ph.CollectPlan(episodes=config.episodes_per_iteration or 10, copies=config.copies)

    def begin_round(self, policy_id: ph.PolicyID, policy: QTablePolicy) -> None:
        """Set step size and exploration."""
        learning = self._learning[policy_id]
        run = self.run
        learning.env_steps, self._progress = run.env_steps // self.num_sessions, run.progress
        self._copies = run.copies // self.num_sessions
        learning.alpha = self._alpha.at(learning.env_steps, self._progress)
        policy.epsilon = self._epsilon.at(learning.env_steps, self._progress)

    def learn_step(
        self, policy_id: ph.PolicyID, policy: QTablePolicy, rows: ph.Transitions, rng: np.random.Generator
    ) -> None:
        """Learn from each decision whose outcome is known since this env step."""
        learning = self._learning[policy_id]
        learning.env_steps += self._copies
        self.learn_rows(learning, rows, rng)
        if self._alpha.moves_by_step:
            learning.alpha = self._alpha.at(learning.env_steps, self._progress)
        if self._epsilon.moves_by_step:
            policy.epsilon = self._epsilon.at(learning.env_steps, self._progress)

    def update(
        self, policy_id: ph.PolicyID, policy: QTablePolicy, batch: ph.Batch, rng: np.random.Generator
    ) -> Mapping[str, float]:
        """Learn from every decision in the order in which they were made, unless that was done at once."""
        learning = self._learning[policy_id]
        learning.env_steps = self.run.env_steps // self.num_sessions
        if not self.learns_online:
            learning.alpha = self._alpha.at(learning.env_steps, self.run.progress)
            self.learn_rows(learning, batch.transitions, rng)
        found = {
            "td_error": learning.errors / max(1, learning.num_errors),
            "alpha": learning.alpha,
            "epsilon": policy.epsilon,
            "stable_steps": float(learning.env_steps - policy.changed_at),
        }
        learning.errors, learning.num_errors = 0.0, 0
        run = self.run  # its tables may have several trainers
        tables = [one for i, one in run.policies.items() if i in run.policies_to_train]
        changed_at = max(one.changed_at for one in tables if isinstance(one, QTablePolicy))
        run.log({"stable_steps": float(learning.env_steps - changed_at)}, keep_last=True)
        return found

    def learn_rows(self, learning: Learning, rows: ph.Transitions, rng: np.random.Generator) -> None:
        """Learn from decisions, one after the other."""
        self.learn_outcomes(learning, rows.outcomes(), rng)

    def learn_outcomes(
        self, learning: Learning, outcomes: Iterable[Outcome], rng: np.random.Generator
    ) -> None:
        """Learn from what was seen, done and earned, one after the other."""
        policy, gamma = learning.policy, self._gamma
        of, first_action, value_of = policy.observations, policy.first_action, self.value_of
        place_of, is_masked = of.place, of.is_masked
        for observation, action, target, following, has_next, terminated in outcomes:
            if not terminated:
                if not has_next:
                    continue
                target += gamma * value_of(policy, following)  # noqa: PLW2901  the reward, so far
            allowed = of.allowed(observation) if is_masked else None
            self.move_value(learning, place_of(observation), action - first_action, target, allowed)

    def value_of(self, policy: QTablePolicy, observation: Any) -> float:
        """Return V(s′), where the next action is not known."""
        raise NotImplementedError

    def move_value(
        self, learning: Learning, place: int, action: int, target: float, allowed: Sequence[int] | None
    ) -> None:
        """Move the value of an action, counted from 0, towards its target; `allowed` are those that were."""
        policy = learning.policy
        value = policy.table[place][action]
        error = target - value
        learning.errors += abs(error)
        learning.num_errors += 1
        if policy.put(place, action, value + learning.alpha * error, allowed):
            policy.changed_at = learning.env_steps

    def new_memory(self, policy: QTablePolicy) -> Any:
        """Return what the algorithm keeps beside the table, as it is in the beginning."""
        return None

    def saved(self, memory: Any) -> Any:
        """Return that as NumPy arrays and JSON values."""
        return None

    def loaded(self, saved: Any) -> Any:
        """Return what `saved` was made of."""
        return None

    def state_dict(self) -> dict[str, Any]:
        """Return for each policy when its greedy actions changed, and what the algorithm keeps."""
        return {
            policy_id: {"changed_at": learning.policy.changed_at, "memory": self.saved(learning.memory)}
            for policy_id, learning in self._learning.items()
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over what `state_dict` returned."""
        for policy_id, saved in state.items():
            learning = self._learning[policy_id]
            learning.policy.changed_at, learning.memory = (
                int(saved["changed_at"]),
                self.loaded(saved["memory"]),
            )
