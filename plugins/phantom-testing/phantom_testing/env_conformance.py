"""`EnvConformance`: the doctor's findings as checks, and that the env can be sent to workers."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any, ClassVar

import phantom_core as ph
from phantom_testing.conformance import Conformance, require
from phantom_testing.diagnose_env import diagnose
from phantom_testing.findings import KINDS, Diagnosis
from phantom_testing.import_report import ImportReport

PLAYED = ("env-raised", "no-space", "no-end-flags", "no-end", "no-time-limit")
SEEDED = (
    "global-random",
    "seed-does-not-fix-the-episode",
    "leak-between-episodes",
    "incomplete-state",
    "incomplete-episode-state",
    "unrestorable-state",
    "state-changes-the-episode",
    "hash-order",
    "unstable-id",
)
STATED = (
    "state-raised",
    "state-outside-space",
    "state-cast",
    "state-dtype",
    "state-not-a-number",
    "state-infinite",
)


class EnvConformance(Conformance):
    """Checks an env: `class TestMyEnv(EnvConformance): name = "my-env"`, or `env = MyEnv`.

    Attributes:
        env: makes the env, if it is not registered under a name.
        config: the keyword arguments to make it with.
        allowed: kinds of findings of the doctor that are as they should be.
        num_episodes: how many episodes the doctor plays.
        max_steps: the most steps of each.
    """

    kind = "env"
    base = object
    env: ClassVar[Callable[..., Any] | None] = None
    allowed: ClassVar[tuple[str, ...]] = (
        "no-end",
        "observation-scale",
        "reward-scale",
        "unbounded-action-space",
    )
    num_episodes: ClassVar[int] = 3
    max_steps: ClassVar[int] = 500

    @property
    def subject(self) -> str:
        """The env as messages call it."""
        given = type(self).env
        return super().subject if given is None else f"Env {getattr(given, '__name__', 'of the test')!r}"

    @property
    def component(self) -> ph.Component:
        """What is registered under the name, or the class of the test."""
        given = type(self).env
        if not isinstance(given, type):
            return super().component
        return ph.Component("env", given.__name__, given, summary="", distribution="the test")

    @property
    def target(self) -> Any:
        """What makes the env."""
        given = type(self).env
        return self.component.load() if given is None else given

    def report(self) -> ImportReport:
        """Return what importing it does; nothing is asked about an env that is not registered."""
        return super().report() if type(self).env is None else ImportReport()

    def test_it_bounds_the_version_of_the_core(self) -> None:
        """The distribution of a registered env says which versions of the core it works with."""
        if type(self).env is None:
            super().test_it_bounds_the_version_of_the_core()

    def build(self) -> Any:
        """Return what a worker is sent: what makes the env, and with what."""
        return self.target, self.option("config")

    def diagnosis(self) -> Diagnosis:
        """Return what the doctor finds."""
        return self.once("diagnosis", self._diagnose)

    def _diagnose(self) -> Diagnosis:
        return diagnose(
            self.target,
            self.option("config"),
            num_episodes=self.option("num_episodes"),
            max_steps=self.option("max_steps"),
        )

    def test_it_can_be_played(self) -> None:
        """An episode begins, goes on and ends."""
        self._require_none_of(PLAYED)

    def test_what_is_observed_is_in_the_spaces(self) -> None:
        """Observations are what policies were built for."""
        self._require_none_of([check for check in KINDS if check.startswith(("observation", "no-allowed"))])

    def test_rewards_are_finite_numbers_for_agents(self) -> None:
        """Rewards can be added up."""
        self._require_none_of([check for check in KINDS if check.startswith("reward")])

    def test_the_global_state_is_in_its_space(self) -> None:
        """The state of an env that has one is what critics were built for."""
        self._require_none_of(STATED)

    def test_everybody_observes_and_acts(self) -> None:
        """No strategic agent is left out."""
        self._require_none_of(["never-observes", "never-acts", "observes-no-more"])

    def test_the_seed_fixes_the_episode(self) -> None:
        """In every process, whatever was played before."""
        self._require_none_of(SEEDED)

    def _require_none_of(self, checks: Collection[str]) -> None:
        allowed = self.option("allowed")
        for found in self.diagnosis().findings:
            require(
                found.check not in checks or found.check in allowed,
                f"{self.subject}, {found} ({found.check})",
            )
