"""`PastPolicies`: acts by snapshots that were taken of another policy while it learned."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias, cast

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from phantom_core.component_config import build, is_whole
from phantom_core.errors import ConfigError, PolicyMappingError, did_you_mean, error_text, listing
from phantom_core.policies.batching import map_arrays, take_rows
from phantom_core.policies.policy import (
    BasePolicy,
    BatchedObservations,
    PolicyByCopy,
    PolicyState,
    RecurrentPolicy,
    made_policy,
)
from phantom_core.policies.policy_mapping import Group
from phantom_core.seeding import RowStreams, generator_states, make_rng, restore_generators
from phantom_core.types import Action, PolicyID

_Rows: TypeAlias = NDArray[np.int64]
_Asked: TypeAlias = tuple[Sequence[Action], PolicyState]

_NOT_DRAWN = -1
"""What stands for a snapshot before the first decision of an episode."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PastPoliciesConfig:
    """Settings of a policy with `opponents="past"`.

    Attributes:
        of: the id of the policy whose snapshots act; None: the only one that is trained and has these spaces.
        every: iterations from one snapshot to the next. The first is taken before the first iteration.
        keep: how many snapshots are kept at most. When there would be more, every second one is dropped and
            from then on they are taken half as often, so that they always cover the whole run evenly.
    """

    of: str | None = None
    every: int = 1
    keep: int = 20

    def __post_init__(self) -> None:
        """Raise if a number is out of range."""
        for name, least in (("every", 1), ("keep", 2)):
            value = getattr(self, name)
            if not is_whole(value, least):
                raise ValueError(f"{name} is {value!r}; expected an integer that is at least {least}")


class PastPolicies(RecurrentPolicy):
    """Acts by snapshots of a policy that learns: each agent by one of them, drawn for each of its episodes.

    This is fictitious self-play (Heinrich, Lanctot and Silver 2015) with the average over the past drawn
    instead of learned: all snapshots are equally likely. A snapshot chooses its actions as the policy did
    when it learned, with `sample_actions`. What is drawn comes from the stream of this policy in each copy
    of the env, as all else that policies draw, so it does not depend on the number of copies or workers.

    The snapshot of an agent is part of the agent's state. One that is dropped while it is played is replaced
    by the newest of those before it.

    Attributes:
        snapshots: the policies by the number of iterations after which they were taken, in order.
    """

    config_class = PastPoliciesConfig
    acts_randomly = True

    def __init__(
        self,
        observation_space: gym.Space[Any],
        action_space: gym.Space[Any],
        *,
        policy_class: type[BasePolicy],
        policy_config: Mapping[str, Any],
        **config: Any,
    ) -> None:
        """Begin without snapshots.

        Args:
            observation_space: the space of the observations.
            action_space: the space of the actions.
            policy_class: the class of the policy that learns.
            policy_config: its settings.
            **config: `of`, `every` and `keep`, as `config` of a spec with `opponents="past"`.
        """
        super().__init__(observation_space, action_space, **config)
        self._policy_class, self._policy_config = policy_class, policy_config
        self._seed, self._every = 0, self.config.every
        self.snapshots: dict[int, Any] = {}

    def seed(self, rng: np.random.Generator) -> None:
        """Let what snapshots draw of their own accord follow from a generator."""
        self._seed = int(rng.integers(2**31))

    def take_snapshot(self, iterations: int, policy: BasePolicy) -> None:
        """Take a snapshot of the policy that learns, if one is due after so many iterations or is the first.

        Raises:
            ConfigError: if it does not take its own state.
        """
        if self.snapshots and iterations % self._every:
            return
        if len(self.snapshots) >= self.config.keep:
            self._every *= 2
            self.snapshots = {n: one for n, one in self.snapshots.items() if n % self._every == 0}
            if iterations % self._every:
                return
        try:
            snapshot = self._made(iterations)
            snapshot.load_state_dict(copy.deepcopy(policy.state_dict()))
        except Exception as error:  # a user's policy may raise anything
            raise ConfigError(
                f"Of policy {self.config.of!r} ({type(policy).__name__}) no snapshot can be taken: "
                f"{error_text(error)}. Mend its state_dict() or load_state_dict()."
            ) from error
        self.snapshots[iterations] = snapshot

    def initial_state(self) -> PolicyState:
        """Return the state of an agent for which no snapshot was drawn yet."""
        return {"snapshot": np.array(_NOT_DRAWN), **self._memory}

    def sample_actions(
        self, observations: BatchedObservations, rng: RowStreams, state: PolicyState
    ) -> tuple[Sequence[Action], Mapping[str, Sequence[Any]], PolicyState]:
        """Return what the snapshots sample; draw one for each agent whose episode begins."""
        numbers = state["snapshot"].copy()
        new = np.flatnonzero(numbers == _NOT_DRAWN)
        if new.size:
            known = self._numbers()
            numbers[new] = [known[int(draw * len(known))] for draw in rng.of_rows(new).uniform()]

        def sample(snapshot: Any, seen: BatchedObservations, rows: _Rows | None, memory: Any) -> _Asked:
            draws = rng if rows is None else rng.of_rows(rows)
            if memory is None:
                sampled, after = snapshot.sample_actions(seen, draws)[0], None
            else:
                sampled, _, after = snapshot.sample_actions(seen, draws, memory)
            return snapshot.env_actions(sampled), after

        actions, after = self._ask(sample, observations, numbers, new, state)
        return actions, {}, after

    def compute_actions(self, observations: BatchedObservations, state: PolicyState) -> _Asked:
        """Return the actions of the finished snapshots; agents whose episode begins get the newest."""
        numbers = state["snapshot"].copy()
        new = np.flatnonzero(numbers == _NOT_DRAWN)
        if new.size:
            numbers[new] = self._numbers()[-1]

        def compute(snapshot: Any, seen: BatchedObservations, _: _Rows | None, memory: Any) -> _Asked:
            if memory is None:
                return snapshot.compute_actions(seen), None
            found: _Asked = snapshot.compute_actions(seen, memory)
            return found

        return self._ask(compute, observations, numbers, new, state)

    def state_dict(self) -> dict[str, Any]:
        """Return the states of all snapshots."""
        snapshots = {
            str(number): {"state": one.state_dict(), "generators": generator_states(one)}
            for number, one in self.snapshots.items()
        }
        return {"every": self._every, "snapshots": snapshots}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore what `state_dict` returned."""
        self._every, self.snapshots = int(state["every"]), {}
        for name, saved in state["snapshots"].items():
            snapshot = self.snapshots[int(name)] = self._made(int(name))
            snapshot.load_state_dict(saved["state"])
            restore_generators(snapshot, saved["generators"])

    @cached_property
    def _memory(self) -> dict[str, Any]:
        """How the memory of snapshots that remember is nested; nothing if they do not."""
        if not issubclass(self._policy_class, RecurrentPolicy):
            return {}
        return {"memory": map_arrays(np.asarray, self._made(_NOT_DRAWN).initial_state())}

    def _made(self, number: int) -> Any:
        """Return a policy like the one that learns."""
        made = made_policy(self._policy_class, self.observation_space, self.action_space, self._policy_config)
        made.seed(make_rng(self._seed, "snapshot", number))
        return made

    def _numbers(self) -> list[int]:
        """Return after how many iterations the snapshots were taken; raise `ConfigError` if there is none."""
        if not self.snapshots:
            raise ConfigError(
                f"There is no snapshot of policy {self.config.of!r} yet, so nobody can act by one. Train it "
                "first: a run takes the first snapshot before its first iteration."
            )
        return list(self.snapshots)

    def _ask(
        self,
        ask: Callable[[Any, BatchedObservations, _Rows | None, Any], _Asked],
        observations: BatchedObservations,
        numbers: _Rows,
        new: _Rows,
        state: PolicyState,
    ) -> _Asked:
        """Ask each snapshot for the rows that have its number; return all actions, and the states after them.

        `new` are the rows that have it since now, so that their memory begins as the snapshot says.
        """
        known = np.array(self._numbers())
        places = np.searchsorted(known, numbers, side="right") - 1  # some may be dropped by now
        numbers = known[places.clip(min=0)]
        after: dict[str, Any] = {"snapshot": numbers}
        memory = None
        if self._memory:
            memory = after["memory"] = map_arrays(np.array, state["memory"])
            for row in new.tolist():
                _put(memory, row, self.snapshots[int(numbers[row])].initial_state())
        found = np.unique(numbers).tolist()
        if len(found) == 1:
            actions, own = ask(self.snapshots[found[0]], observations, None, memory)
            if memory is not None:
                after["memory"] = own
            return actions, after
        parts, asked = [], []
        for number in found:
            rows = np.flatnonzero(numbers == number)
            remembered = None if memory is None else take_rows(memory, rows)
            part, own = ask(self.snapshots[number], take_rows(observations, rows), rows, remembered)
            if memory is not None:
                _put(memory, rows, own)
            parts.append(part)
            asked.append(rows)
        return _in_order(parts, np.concatenate(asked)), after


def _put(memory: Any, rows: Any, values: Any) -> None:
    map_arrays(lambda own, new: own.__setitem__(rows, new), memory, values)


def _in_order(parts: Sequence[Sequence[Action]], places: _Rows) -> Sequence[Action]:
    """Return the actions of several batches in the order of the rows that they are for."""
    if all(isinstance(part, np.ndarray) for part in parts):
        return cast("Sequence[Action]", np.concatenate(parts)[np.argsort(places)])
    actions = [action for part in parts for action in part]
    return [actions[place] for place in np.argsort(places).tolist()]


def add_past_policies(
    policies: Mapping[PolicyID, BasePolicy],
    groups: Mapping[PolicyID, Group],
    trained: Sequence[PolicyID],
    seed: int,
) -> dict[PolicyID, BasePolicy]:
    """Return the policies with those of the groups that act by the past, in the order of the groups.

    Args:
        policies: those that were made, by id.
        groups: the group of agents of every policy.
        trained: the ids of the policies that are trained.
        seed: the seed of the run.

    Raises:
        ConfigError: if a setting is wrong.
        PolicyMappingError: if it is not clear of which policy snapshots are to be taken, or it has other
            spaces or no state.
    """
    found = dict(policies)
    for policy_id, group in groups.items():
        if group.spec.opponents is None:
            continue
        config = build(PastPoliciesConfig, group.spec.config, f"policies.{policy_id}.config")
        of = _policy_to_follow(policy_id, config.of, groups, trained)
        policy = policies[of]
        if type(policy).state_dict is BasePolicy.state_dict:
            name = type(policy).__name__
            raise PolicyMappingError(
                f"Policy {policy_id!r} is to act by snapshots of {of!r}, but {name} has no state_dict() of "
                "its own, so all of them would be alike. Override state_dict() and load_state_dict()."
            )
        if isinstance(policy, PolicyByCopy):
            raise PolicyMappingError(
                f"Policy {policy_id!r} is to act by snapshots of {of!r}, but a {type(policy).__name__} is "
                "another policy in each copy of the env. Use a trainer that has one policy for all of them."
            )
        settings = {"of": of, "every": config.every, "keep": config.keep}
        settings |= {"policy_class": type(policy), "policy_config": policy.given_settings}
        found[policy_id] = made_policy(PastPolicies, group.observation_space, group.action_space, settings)
        found[policy_id].seed(make_rng(seed, "policy", policy_id))
    return {policy_id: found[policy_id] for policy_id in groups}


def _policy_to_follow(
    policy_id: PolicyID, of: PolicyID | None, groups: Mapping[PolicyID, Group], trained: Sequence[PolicyID]
) -> PolicyID:
    """Return the id of the policy of which snapshots are to be taken."""
    group = groups[policy_id]
    if of is None:
        alike = [
            i
            for i in trained
            if not any(group.differences(groups[i].observation_space, groups[i].action_space))
        ]
        if len(alike) == 1:
            return alike[0]
        if alike:
            raise PolicyMappingError(
                f"Policy {policy_id!r} has opponents='past', but does not say whose past, and {len(alike)} "
                f"policies that are trained have its spaces: {listing(alike)}. Name one: "
                f"config={{'of': {alike[0]!r}}}."
            )
        raise PolicyMappingError(
            f"Policy {policy_id!r} has opponents='past', but no policy that is trained has its spaces: "
            f"observations {group.observation_space}, actions {group.action_space}. Give it a policy of its "
            "own, or its agents the spaces of those that learn."
        )
    if of not in trained:
        wrong = "which is not trained" if of in groups else "but there is no such policy"
        raise PolicyMappingError(
            f"Policy {policy_id!r} is to act by snapshots of {of!r}, {wrong}.{did_you_mean(of, trained)} "
            f"Policies that are trained: {listing(trained)}."
        )
    for what, own, needed in group.differences(groups[of].observation_space, groups[of].action_space):
        raise PolicyMappingError(
            f"Policy {policy_id!r} is to act by snapshots of {of!r}, but their {what} spaces differ: {own} "
            f"and {needed}. Name a policy with the same spaces, or give it one of its own."
        )
    return of
