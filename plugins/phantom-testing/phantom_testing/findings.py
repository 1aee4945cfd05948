"""What the doctor finds: `Finding` and `Diagnosis`, data only; and what follows from each kind of finding."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, Literal, NamedTuple, TypeAlias

import phantom_core as ph

Severity: TypeAlias = Literal["error", "warning", "note"]


class Kind(NamedTuple):
    """How bad a kind of finding is, and what training does with it."""

    severity: Severity
    consequence: str


_STATE_ERROR: Final = "A trainer that needs the global state, as mappo, stops with an EnvError."

KINDS: Final[Mapping[str, Kind]] = MappingProxyType(
    {
        "env-raised": Kind("error", "Training ends with this error."),
        "no-strategic-agent": Kind(
            "note", "It can be simulated (phantom simulate), not trained: no agent can be given a policy."
        ),
        "no-space": Kind(
            "error", "Training is refused before its first iteration: no policy can be built for the agent."
        ),
        "no-end-flags": Kind(
            "error",
            "The collector stops the run with a KeyError in the first such step in which an agent ends.",
        ),
        "observation-outside-space": Kind("error", "The collector stops the run with an ObservationError."),
        "observation-clipped": Kind("note", "What policies see of it is not what the env showed."),
        "observation-cast": Kind("note", "Training casts it to the smaller type of its space in each step."),
        "observation-dtype": Kind("error", "The collector stops the run with an ObservationError."),
        "observation-not-a-number": Kind("error", "The collector stops the run with an ObservationError."),
        "observation-infinite": Kind("error", "The collector stops the run with an ObservationError."),
        "observation-for-nobody": Kind("error", "The collector stops the run: the id has no policy."),
        "reward-for-nobody": Kind("error", "The collector stops the run: the id has no policy."),
        "reward-not-a-number": Kind("error", "The collector stops the run with an EnvError."),
        "reward-not-finite": Kind("error", "The collector stops the run with an EnvError."),
        "no-allowed-action": Kind(
            "warning", "A policy that heeds masks has nothing to choose from; the others ignore the mask."
        ),
        "never-observes": Kind("warning", "Its policy is never asked, and learns nothing from it."),
        "never-acts": Kind("warning", "Its policy is never asked, and learns nothing from it."),
        "observes-no-more": Kind(
            "warning",
            "Its policy is not asked again; what it earns until the end counts for its last decision.",
        ),
        "no-time-limit": Kind(
            "warning", "Evaluations, and trainers that collect whole episodes, may play one for ever."
        ),
        "global-random": Kind(
            "warning",
            "No seed of a run reaches it: two runs with one seed differ, and copies of the env shift each "
            "other's draws.",
        ),
        "seed-does-not-fix-the-episode": Kind(
            "warning", "Neither runs nor evaluations can be repeated, and no episode can be replayed."
        ),
        "leak-between-episodes": Kind(
            "warning",
            "An episode depends on those before it: evaluations change with their number of episodes, no "
            "episode can be replayed, and a run that is resumed goes on differently.",
        ),
        "incomplete-state": Kind(
            "warning", "A run that is resumed between two episodes goes on differently, and nothing says so."
        ),
        "incomplete-episode-state": Kind(
            "warning", "A run that is resumed in mid-episode goes on differently, and nothing says so."
        ),
        "unrestorable-state": Kind("error", "No checkpoint can be written, or none be resumed from."),
        "hash-order": Kind(
            "warning", "A run with the same seed differs in each process, unless PYTHONHASHSEED is set."
        ),
        "unstable-id": Kind(
            "warning", "The repr of an id names the agent's random streams: they differ in each process."
        ),
        "observation-changed-later": Kind(
            "note",
            "The collector keeps copies, so trainers learn from what was observed; other code that keeps "
            "observations finds the later values in them.",
        ),
        "observation-scale": Kind(
            "note",
            "A network hardly sees what changes so little, and saturates where numbers are so large: on five "
            "seeds of MountainCarContinuous-v0 ppo earned 0, and on four of them 93 once observations and "
            "rewards were normalised.",
        ),
        "late-reward": Kind(
            "note",
            "What a decision has to do with a reward that comes so much later is learned slowly: after "
            "300,000 steps ppo was at -113 in LunarLander-v3, on average of five seeds, and at 202 with what "
            "the message says.",
        ),
        "reward-scale": Kind(
            "note",
            "The critic of ppo learns slowly, and what it gets wrong drowns what a decision earned: after "
            "100,000 steps Pendulum-v1 was at -1056 on average of five seeds, and with normalised rewards "
            "at -186.",
        ),
        "state-raised": Kind(
            "error", "A trainer that needs the global state, as mappo, stops with this error."
        ),
        "state-without-space": Kind(
            "note", "No trainer asks for it; the critic of mappo sees what all agents observe instead."
        ),
        "state-outside-space": Kind("error", _STATE_ERROR),
        "state-cast": Kind("note", "Training casts it to the smaller type of its space in each step."),
        "state-dtype": Kind("error", _STATE_ERROR),
        "state-not-a-number": Kind("error", _STATE_ERROR),
        "state-infinite": Kind("error", _STATE_ERROR),
        "state-changed-later": Kind(
            "note",
            "The collector keeps copies, so trainers learn from it as it was; other code that keeps states "
            "finds the later values in them.",
        ),
        "state-changes-the-episode": Kind(
            "warning",
            "A trainer that needs the global state, as mappo, learns from other episodes than those that "
            "evaluations and recordings play.",
        ),
        "unbounded-action-space": Kind(
            "note",
            "The policy 'random' draws from a normal or exponential distribution there, and nothing clips "
            "what other policies choose.",
        ),
        "late-joiner": Kind(
            "note",
            "It gets the policy whose class or predicate holds for it; a list of ids cannot match it, and "
            "without a policy for it the collector stops the run with a PolicyMappingError.",
        ),
        "no-end": Kind("note", "Evaluations, and trainers that collect whole episodes, may play long ones."),
    }
)
"""By name, every kind of finding."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing in an env that will bite.

    Attributes:
        check: the name of the kind of finding, such as `"observation-dtype"`.
        message: what was found, what was expected and what to do, in a sentence or two.
        agent_id: the agent that it is about; None: the env.
        step: the step of the episode, 0 for the reset; None: no single step.
        seed: the seed of the episode: `env.reset(seed=...)` shows it again; None: no single episode.
    """

    check: str
    message: str
    agent_id: ph.AgentID | None = None
    step: int | None = None
    seed: int | None = None

    @property
    def severity(self) -> Severity:
        """`error`: training stops. `warning`: it goes wrong unseen. `note`: it may be as it should."""
        return KINDS[self.check].severity

    @property
    def consequence(self) -> str:
        """What collector and trainers do with it."""
        return KINDS[self.check].consequence

    def __str__(self) -> str:
        """Return where it is, and the message."""
        place = [] if self.agent_id is None else [f"agent {self.agent_id!r}"]
        if self.step is not None:
            place.append("reset" if self.step == 0 else f"step {self.step}")
        return f"{', '.join(place)}: {self.message}" if place else self.message


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """What the doctor found in an env.

    Attributes:
        findings: the first of each kind and agent, in the order in which they were met.
        num_episodes: episodes played with random actions, without those played again.
        num_steps: steps of these episodes.
        not_checked: what could not be looked at, and why, one sentence each.
        trainers: for each installed trainer, why it cannot train the env's agents; None: it can.
    """

    findings: tuple[Finding, ...]
    num_episodes: int
    num_steps: int
    not_checked: tuple[str, ...] = ()
    trainers: Mapping[str, str | None] = field(default_factory=dict)

    @property
    def will_bite(self) -> bool:
        """Whether there is an error or a warning."""
        return any(finding.severity != "note" for finding in self.findings)
