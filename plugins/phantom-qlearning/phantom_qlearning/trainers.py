"""The trainers of q-tables: what each expects to follow a decision."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

import phantom_core as ph
from phantom_qlearning.q_table_policy import QTablePolicy
from phantom_qlearning.session_learning import SessionLearning, over_sessions
from phantom_qlearning.session_tables import SessionTablesPolicy
from phantom_qlearning.tabular_trainer import Learning, Outcome, TabularConfig, TabularTrainer


@dataclass(frozen=True)
class QLearningConfig(TabularConfig):
    """Settings of the trainer `q-learning`."""

    sessions: int | None = None
    """So many independent sessions are learned at once, each in a copy of the env with tables of its own:
    session k is what a run with the seed `seed + k` learns. Counts of env steps are those of one session, but
    `total_steps` of the run. None: one table for all copies."""
    sessions_end_after: int | None = None
    """A session ends after so many env steps in which none of its greedy actions changed, and the run when
    all have; None: they last as long as the run. One that ended is not played any more, counts as if it were,
    and what is logged of it stays what it was last."""

    def __post_init__(self) -> None:
        """Refuse what is out of range or contradicts itself; raises `ValueError`."""
        super().__post_init__()
        for name in ("sessions", "sessions_end_after"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"{name} is {value}. Expected a positive number")
        if self.sessions is None:
            if self.sessions_end_after is not None:
                raise ValueError("sessions_end_after is given without sessions. Give sessions too")
            return
        if self.steps_per_iteration is None:
            raise ValueError("sessions are played by steps. Give steps_per_iteration, those of one session")
        if self.update != "step":
            raise ValueError("sessions learn after each env step. Leave update out")
        if self.copies is not None:
            raise ValueError("each session has a copy of its own. Leave copies out")


class QLearningTrainer(TabularTrainer):
    """Learns the value of acting as well as it can from then on: V(s′) = maxₐ′ Q(s′, a′).

    With `sessions` it logs means over sessions, and their quantiles as `<name>_q5`, `_q50`, `_q95`, of
    `td_error`, `stable_steps` and `reward` (per decision, in this iteration), and `sessions_left`.

    Source: Watkins and Dayan 1992, "Q-learning", Machine Learning 8, 279-292.
    """

    config_class = QLearningConfig
    config: QLearningConfig

    def __init__(self, **config: Any) -> None:
        """Read the settings; raise `ConfigError` if they are wrong."""
        super().__init__(**config)
        if self.config.sessions is not None:
            self.num_sessions = self.config.sessions
            self.policy_class = SessionTablesPolicy  # type: ignore[misc,assignment]  # of this trainer only
        self._is_over = np.zeros(self.num_sessions, np.bool_)
        self._length = np.zeros(self.num_sessions, np.int64)  # the env steps of each session
        self._has_stopped = False

    def policy_settings(self) -> Mapping[str, Any]:
        """Return the number of sessions, if there are any."""
        return {} if self.config.sessions is None else {"sessions": self.num_sessions}

    def collect_plan(self) -> ph.CollectPlan:
        """Plan an iteration."""
        steps = self.config.steps_per_iteration
        if self.config.sessions is None or steps is None:
            return super().collect_plan()
        over = () if self._is_over.all() else np.flatnonzero(self._is_over).tolist()
        return ph.CollectPlan(
            steps=steps * self.num_sessions,
            copies=self.num_sessions,
            is_independent=True,
            without=frozenset(over),
        )

    def setup(self, policy_id: ph.PolicyID, policy: Any, rng: np.random.Generator) -> None:
        """Begin with a table, or with those of all sessions."""
        if self.config.sessions is None:
            super().setup(policy_id, policy, rng)
        else:
            self._learning[policy_id] = SessionLearning(policy)

    def learn_rows(self, learning: Any, rows: ph.Transitions, rng: np.random.Generator) -> None:
        """Learn from decisions, one after the other in each session."""
        if self.config.sessions is None:
            self.learn_outcomes(learning, rows.outcomes(), rng)
        elif not self._is_over.all():  # a run may go on after all of them
            learning.learn(rows, self._gamma)

    def update(
        self, policy_id: ph.PolicyID, policy: Any, batch: ph.Batch, rng: np.random.Generator
    ) -> Mapping[str, float]:
        """Report what was learned after each env step; end the sessions that are stable."""
        if self.config.sessions is None:
            return super().update(policy_id, policy, batch, rng)
        learning = self._learning[policy_id]
        learning.env_steps = self.run.env_steps // self.num_sessions
        found = {"alpha": learning.alpha, "epsilon": policy.epsilon}
        for name, values in learning.report().items():
            found |= over_sessions(name, values)
        self._length[~self._is_over] = learning.env_steps
        stable = self._length - learning.changed_at
        of_session = self._length - np.max([o.changed_at for o in self._learning.values()], axis=0)
        if self.config.sessions_end_after is not None:
            self._is_over |= of_session >= self.config.sessions_end_after
            if self._is_over.all() and not self._has_stopped:  # which a run that goes on later does again
                self._has_stopped = True
                self.run.stop("the greedy actions of every session are stable")
        left = {"sessions_left": float(np.count_nonzero(~self._is_over))}
        self.run.log({"stable_steps": float(of_session.min()), **left}, keep_last=True)
        return found | over_sessions("stable_steps", stable)

    def state_dict(self) -> dict[str, Any]:
        """Return what each session has come to, and which of them have ended."""
        if self.config.sessions is None:
            return super().state_dict()
        learning = {policy_id: one.state_dict() for policy_id, one in self._learning.items()}
        return {"learning": learning, "is_over": self._is_over.copy(), "length": self._length.copy()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over what `state_dict` returned."""
        if self.config.sessions is None:
            super().load_state_dict(state)
            return
        self._is_over = np.array(state["is_over"], np.bool_)
        self._length = np.array(state["length"], np.int64)
        for policy_id, one in state["learning"].items():
            self._learning[policy_id].load_state_dict(one)

    def value_of(self, policy: QTablePolicy, observation: Any) -> float:
        """Return the highest value of an allowed action."""
        of = policy.observations
        place = of.place(observation)
        best = policy.best(place, of.allowed(observation)) if of.is_masked else policy.greedy[place]
        return policy.table[place][best]


class ExpectedSarsaTrainer(TabularTrainer):
    """Learns the value of acting as it does: V(s′) = (1 − ε) maxₐ′ Q(s′, a′) + ε meanₐ′ Q(s′, a′).

    Source: van Seijen, van Hasselt, Whiteson and Wiering 2009, "A theoretical and empirical analysis of
    Expected Sarsa", ADPRL, 177-184.
    """

    def value_of(self, policy: QTablePolicy, observation: Any) -> float:
        """Return the mean of the values, each with the probability of its action."""
        of, epsilon = policy.observations, policy.epsilon
        place = of.place(observation)
        row, allowed = policy.table[place], of.allowed(observation)
        values = row if allowed is None else [row[action] for action in allowed]
        return (1.0 - epsilon) * max(values) + epsilon * sum(values) / len(values)


class _Pending(NamedTuple):
    """A decision whose next action is not known yet."""

    place: int
    action: int
    reward: float
    next_place: int
    episode: int
    allowed: list[int] | None


class SarsaTrainer(ExpectedSarsaTrainer):
    """Learns the value of acting as it does, from what it did next: V(s′) = Q(s′, a′).

    So it learns from a decision when the next one was made. Where there is none, after a truncation, V(s′) is
    that of expected Sarsa.

    Source: Rummery and Niranjan 1994, "On-line Q-learning using connectionist systems", CUED/F-INFENG/TR 166;
    Sutton and Barto 2018, "Reinforcement Learning", 6.4.
    """

    def learn_rows(self, learning: Learning, rows: ph.Transitions, rng: np.random.Generator) -> None:
        """Learn from decisions, one after the other."""
        for one in rows:
            self._learn_one(learning, one, rng)

    def _learn_one(self, learning: Learning, one: ph.Transition, rng: np.random.Generator) -> None:
        """Learn from the agent's decision before this one, and from this one if it was the last."""
        policy = learning.policy
        place, action = policy.observations.place(one.observation), one.action - policy.first_action
        agent = one.env_index, repr(one.agent_id)
        before = learning.memory.pop(agent, None)
        if before is not None and (before.next_place, before.episode) == (place, one.episode):
            target = before.reward + self._gamma * policy.table[place][action]
            self.move_value(learning, before.place, before.action, target, before.allowed)
        if one.terminated or one.truncated:
            self.learn_outcomes(learning, [one[:6]], rng)
        elif one.has_next:
            of = policy.observations
            after, allowed = of.place(one.next_observation), of.allowed(one.observation)
            kept = None if allowed is None else list(allowed)
            learning.memory[agent] = _Pending(place, action, one.reward, after, one.episode, kept)

    def new_memory(self, policy: QTablePolicy) -> dict[tuple[int, str], _Pending]:
        """Return an empty dict of the newest decision of each agent in each copy."""
        return {}

    def saved(self, memory: dict[tuple[int, str], _Pending]) -> Any:
        """Return a list of them."""
        return [[*agent, *pending] for agent, pending in memory.items()]

    def loaded(self, saved: Any) -> dict[tuple[int, str], _Pending]:
        """Return the dict of a list."""
        return {(env_index, name): _Pending(*rest) for env_index, name, *rest in saved}


class DoubleQLearningTrainer(TabularTrainer):
    """Learns two tables, so that noise is not taken for value: V(s′) = Q₂(s′, argmaxₐ′ Q₁(s′, a′)).

    Q₁ is the table that a fair coin chose to change with this decision, Q₂ the other one. The policy's
    table is their mean: that is what it acts by.

    Source: van Hasselt 2010, "Double Q-learning", NeurIPS 23, 2613-2621.
    """

    def learn_outcomes(
        self, learning: Learning, outcomes: Iterable[Outcome], rng: np.random.Generator
    ) -> None:
        """Change one of the two tables with each decision."""
        policy = learning.policy
        of = policy.observations
        for observation, action, reward, following, has_next, terminated in outcomes:
            changed, other = learning.memory if rng.random() < 0.5 else learning.memory[::-1]  # noqa: PLR2004
            target = reward
            if not terminated:
                if not has_next:
                    continue
                after, allowed = of.place(following), of.allowed(following)
                row = changed[after]
                best = row.index(max(row)) if allowed is None else max(allowed, key=row.__getitem__)
                target += self._gamma * other[after][best]
            place, done = of.place(observation), action - policy.first_action
            error = target - changed[place][done]
            changed[place][done] += learning.alpha * error
            learning.errors += abs(error)
            learning.num_errors += 1
            mean = (changed[place][done] + other[place][done]) / 2.0
            if policy.put(place, done, mean, of.allowed(observation)):
                policy.changed_at = learning.env_steps

    def new_memory(self, policy: QTablePolicy) -> list[list[list[float]]]:
        """Return two tables like the policy's."""
        return [[list(row) for row in policy.table] for _ in range(2)]

    def saved(self, memory: list[list[list[float]]]) -> Any:
        """Return both as an array [2, observations, actions]."""
        return np.array(memory, dtype=np.float64)

    def loaded(self, saved: Any) -> list[list[list[float]]]:
        """Return both as lists."""
        tables: list[list[list[float]]] = np.asarray(saved).tolist()
        return tables
