"""Whether a trainer's checkpoint is complete: a twin is made of what was saved, and both make one update."""

from __future__ import annotations

import copy
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

import phantom_core as ph
from phantom_testing.episode_trace import fingerprint

AT_UPDATE = 2
"""The update before which everything is saved: the third one, when an optimiser has something to forget."""


def with_twin(
    trainer_class: type[ph.Trainer], config: Mapping[str, Any], found: dict[str, str]
) -> type[ph.Trainer]:
    """Return a class of trainers that make their third update together with a twin.

    Args:
        trainer_class: the trainer.
        config: its settings.
        found: is told, for each policy that was the same before, how the twin's differs afterwards:
            empty if it does not.
    """
    methods = _of_full_trainers if trainer_class(**config).is_full else _of_simple_trainers
    return type(trainer_class.__name__, (trainer_class,), methods(trainer_class, config, found))


def _of_full_trainers(
    trainer_class: type[ph.Trainer], config: Mapping[str, Any], found: dict[str, str]
) -> dict[str, Any]:
    made: dict[ph.PolicyID, int] = {}

    def update(
        self: ph.Trainer, policy_id: ph.PolicyID, policy: ph.Policy, batch: ph.Batch, rng: np.random.Generator
    ) -> Mapping[str, float]:
        made[policy_id] = made.get(policy_id, -1) + 1
        if made[policy_id] != AT_UPDATE:
            return trainer_class.update(self, policy_id, policy, batch, rng)
        policies = {i: _reloaded(self.run.policies[i]) for i in self.run.policies_to_train}
        twin, twin_policy = _twin_of(self, trainer_class, config, policies), policies[policy_id]
        its_batch, its_rng = copy.deepcopy((batch, rng))
        is_faithful = not _difference(policy, twin_policy)
        quantities = trainer_class.update(self, policy_id, policy, batch, rng)
        try:
            twin.begin_round(policy_id, twin_policy)
            twin.update(policy_id, twin_policy, its_batch, its_rng)
        finally:
            twin.leave()
        if is_faithful:
            found[policy_id] = _difference(policy, twin_policy)
        return quantities

    return {"update": update}


def _of_simple_trainers(
    trainer_class: type[ph.Trainer], config: Mapping[str, Any], found: dict[str, str]
) -> dict[str, Any]:
    made = [-1]

    def training_step(
        self: ph.Trainer,
        env: Any,
        policy_mapping: Mapping[ph.AgentID, ph.PolicyID],
        policies: Mapping[ph.PolicyID, ph.Policy],
        policies_to_train: Sequence[ph.PolicyID],
    ) -> None:
        made[0] += 1
        if made[0] != AT_UPDATE:
            trainer_class.training_step(self, env, policy_mapping, policies, policies_to_train)
            return
        its_env, its_policies = env.twin(), {name: _reloaded(policies[name]) for name in policies}
        trained = {policy_id: its_policies[policy_id] for policy_id in policies_to_train}
        twin = _twin_of(self, trainer_class, config, trained)
        twin.rng.bit_generator.state = copy.deepcopy(self.rng.bit_generator.state)
        is_faithful = not any(_difference(policies[name], its_policies[name]) for name in policies)
        trainer_class.training_step(self, env, policy_mapping, policies, policies_to_train)
        try:
            twin.training_step(its_env, policy_mapping, its_policies, policies_to_train)
        finally:
            twin.leave()
        if is_faithful:
            found.update(
                {name: _difference(policies[name], its_policies[name]) for name in policies_to_train}
            )

    return {"training_step": training_step}


def _twin_of(
    trainer: ph.Trainer,
    trainer_class: type[ph.Trainer],
    config: Mapping[str, Any],
    policies: Mapping[ph.PolicyID, ph.BasePolicy],
) -> ph.Trainer:
    """Make a trainer of these policies in the same run from what the other one saves."""
    twin = trainer_class(**config)
    twin.enter(trainer.run)
    for policy_id, policy in policies.items():
        twin.setup(policy_id, policy, np.random.default_rng(0))
    twin.load_state_dict(_through_a_file(trainer.state_dict()))
    return twin


def _reloaded(policy: ph.BasePolicy) -> ph.BasePolicy:
    """Make a policy from what another one saves."""
    twin = type(policy)(policy.observation_space, policy.action_space, **policy.given_settings)
    twin.load_state_dict(_through_a_file(policy.state_dict()))
    return twin


def _through_a_file(state: Mapping[str, Any]) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        ph.tools.save_checkpoint(Path(folder, "state"), state)
        return ph.tools.load_checkpoint(Path(folder, "state"))


def _difference(policy: ph.BasePolicy, twin: ph.BasePolicy) -> str:
    """Name the first part of the state that differs."""
    ours, theirs = policy.state_dict(), twin.state_dict()
    for name in {**ours, **theirs}:
        if fingerprint(ours.get(name)) != fingerprint(theirs.get(name)):
            return name
    return ""
