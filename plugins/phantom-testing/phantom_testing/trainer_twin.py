"""Whether a trainer's checkpoint is complete: a twin is made of what was saved, and both make one update."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

import phantom_core as ph
from phantom_testing.episode_trace import fingerprint
from phantom_testing.trial_runs import through_a_file

AFTER_UPDATES = 2
"""After so many updates that changed a policy all is saved: then an optimiser has something to forget."""


@dataclass
class Twins:
    """What came out when a trainer and its twin made the same update.

    Attributes:
        differences: by policy, the first part of its state that was another one afterwards; empty: none.
        aliased: `"state_dict"` if what it had returned changed with the update; `"load_state_dict"` if what
            the twin was handed did.
    """

    differences: dict[ph.PolicyID, str] = field(default_factory=dict)
    aliased: set[str] = field(default_factory=set)


def with_twin(trainer_class: type[ph.Trainer], config: Mapping[str, Any], found: Twins) -> type[ph.Trainer]:
    """Return a class of trainers that make the third update of each policy together with a twin.

    Updates that do not change the policy, as in a warm-up, are not counted.

    Args:
        trainer_class: the trainer.
        config: its settings.
        found: is told what came out.
    """
    methods = _of_full_trainers if trainer_class(**config).is_full else _of_simple_trainers
    return type(trainer_class.__name__, (trainer_class,), methods(trainer_class, config, found))


def _of_full_trainers(
    trainer_class: type[ph.Trainer], config: Mapping[str, Any], found: Twins
) -> dict[str, Any]:
    made: Counter[ph.PolicyID] = Counter()
    method = "learn_step" if trainer_class(**config).learns_online else "update"
    learn = getattr(trainer_class, method)

    def learn_with_twin(
        self: ph.Trainer, policy_id: ph.PolicyID, policy: ph.BasePolicy, given: Any, rng: np.random.Generator
    ) -> Any:
        before = fingerprint(policy.state_dict())
        if made[policy_id] < AFTER_UPDATES or policy_id in found.differences:
            returned = learn(self, policy_id, policy, given, rng)
            made[policy_id] += fingerprint(policy.state_dict()) != before
            return returned
        policies = {i: _reloaded(self.run.policies[i]) for i in self.run.policies_to_train}
        with _twin_of(self, trainer_class, config, policies, found) as twin:
            twin_policy, (its_own, its_rng) = policies[policy_id], copy.deepcopy((given, rng))
            is_faithful = not _difference(policy, twin_policy)
            returned = learn(self, policy_id, policy, given, rng)
            twin.begin_round(policy_id, twin_policy)
            learn(twin, policy_id, twin_policy, its_own, its_rng)
        if fingerprint(policy.state_dict()) != before:
            found.differences[policy_id] = _difference(policy, twin_policy) if is_faithful else ""
        return returned

    return {method: learn_with_twin}


def _of_simple_trainers(
    trainer_class: type[ph.Trainer], config: Mapping[str, Any], found: Twins
) -> dict[str, Any]:
    made = [0]

    def training_step(
        self: ph.Trainer,
        env: Any,
        policy_mapping: Mapping[ph.AgentID, ph.PolicyID],
        policies: Mapping[ph.PolicyID, ph.Policy],
        policies_to_train: Sequence[ph.PolicyID],
    ) -> None:
        before = [fingerprint(policies[name].state_dict()) for name in policies_to_train]

        def step() -> bool:
            trainer_class.training_step(self, env, policy_mapping, policies, policies_to_train)
            return before != [fingerprint(policies[name].state_dict()) for name in policies_to_train]

        if made[0] < AFTER_UPDATES or found.differences:
            made[0] += step()
            return
        its_env, its_policies = env.twin(), {name: _reloaded(policies[name]) for name in policies}
        trained = {policy_id: its_policies[policy_id] for policy_id in policies_to_train}
        with _twin_of(self, trainer_class, config, trained, found) as twin:
            twin.rng.bit_generator.state = copy.deepcopy(self.rng.bit_generator.state)
            is_faithful = not any(_difference(policies[name], its_policies[name]) for name in policies)
            has_changed = step()
            twin.training_step(its_env, policy_mapping, its_policies, policies_to_train)
        for name in policies_to_train if has_changed else ():
            found.differences[name] = _difference(policies[name], its_policies[name]) if is_faithful else ""

    return {"training_step": training_step}


@contextmanager
def _twin_of(
    trainer: ph.Trainer,
    trainer_class: type[ph.Trainer],
    config: Mapping[str, Any],
    policies: Mapping[ph.PolicyID, ph.BasePolicy],
    found: Twins,
) -> Iterator[ph.Trainer]:
    """Yield a trainer of these policies in the same run, made from what the other one saves.

    Notice whose state changes.
    """
    returned = trainer.state_dict()
    handed = through_a_file(returned)
    before = fingerprint(returned), fingerprint(handed)
    twin = trainer_class(**config)
    twin.enter(trainer.run)
    for policy_id, policy in policies.items():
        twin.setup(policy_id, policy, np.random.default_rng(0))
    twin.load_state_dict(handed)
    try:
        yield twin
    finally:
        twin.leave()
    if fingerprint(returned) != before[0]:
        found.aliased.add("state_dict")
    if fingerprint(handed) != before[1]:
        found.aliased.add("load_state_dict")


def _reloaded(policy: ph.BasePolicy) -> ph.BasePolicy:
    """Make a policy from what another one saves."""
    twin = type(policy)(policy.observation_space, policy.action_space, **policy.given_settings)
    twin.load_state_dict(through_a_file(policy.state_dict()))
    return twin


def _difference(policy: ph.BasePolicy, twin: ph.BasePolicy) -> str:
    """Name the first part of the state that differs."""
    ours, theirs = policy.state_dict(), twin.state_dict()
    for name in {**ours, **theirs}:
        if fingerprint(ours.get(name)) != fingerprint(theirs.get(name)):
            return name
    return ""
