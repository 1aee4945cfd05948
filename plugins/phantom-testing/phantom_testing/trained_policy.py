"""The policies of a trainer, checked as every policy is: after some training."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import phantom_core as ph
from phantom_testing.first_decisions import as_plain_policy
from phantom_testing.import_report import ImportReport
from phantom_testing.policy_conformance import PolicyConformance
from phantom_testing.trial_runs import Trial

CHECKS = tuple(name for name in vars(PolicyConformance) if name.startswith("test_"))


def of_trainer(
    trial: Trial, train: Callable[[], ph.BasePolicy], report: Callable[[], ImportReport]
) -> PolicyConformance:
    """Return the checks of a trainer's policies.

    Args:
        trial: how the trainer is tried.
        train: returns a policy that it trained.
        report: returns what a worker answered that was sent the `question`.
    """

    class TrainedPolicies(PolicyConformance):
        spaces = trial.form.observation_space(3), trial.form.action_space(3)
        name = trial.trainer.policy_class.__name__
        config = trial.trainer(**trial.config).policy_settings()

        @property
        def subject(self) -> str:
            return f"{self.name}, the policy of {trial.subject},"

        @property
        def target(self) -> Any:
            return trial.trainer.policy_class

        def option(self, name: str) -> Any:
            """Return the trainer's spaces, the policy's idle settings, and defaults.

            What else a policy declares is for its own checks.
            """
            if name == "idle_settings":
                return getattr(self.target, "conformance", {}).get(name, ())
            return getattr(type(self), name)

        def build(self) -> ph.Policy:
            """Return a copy of the policy that was trained; a new one if it cannot be."""
            try:
                trained = self.once("trained", train)
            except AssertionError:  # which the trainer's own checks say
                return super().build()
            return as_plain_policy(copy.deepcopy(trained))

        def report(self) -> ImportReport:
            """Return what the trainer's worker answered."""
            return report()

    return TrainedPolicies()


def problems(conformance: PolicyConformance) -> list[str]:
    """Run the checks of policies; return what failed."""
    found = []
    for name in CHECKS:
        try:
            getattr(conformance, name)()
        except AssertionError as error:
            found.append(str(error))
    return found
