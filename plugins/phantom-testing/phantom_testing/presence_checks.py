"""Who takes part: agents that join late, never observe, never act or observe no more; endless episodes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

import phantom_core as ph
from phantom_testing.findings import Finding
from phantom_testing.play_episode import EnvCheck, Moment

_SILENCE = 10
"""So many steps without an observation at the end of an episode are more than a turn of the others."""


class JoinerCheck(EnvCheck):
    """Whether agents come that were not there after the first reset: one note for each class of them."""

    def __init__(self) -> None:
        self._known: tuple[ph.AgentID, ...] | None = None
        self._told: set[type] = set()

    def look(self, moment: Moment) -> Iterator[Finding]:
        """Compare who observes with who was there."""
        strategic = moment.env.strategic_agent_ids
        if self._known is None:
            self._known = tuple(strategic)
        for agent_id in moment.observations:
            if agent_id not in strategic:
                yield moment.finding(
                    "observation-for-nobody",
                    f"there is an observation for it, but no such agent acts."
                    f"{ph.tools.did_you_mean(agent_id, strategic)} Those that act: "
                    f"{ph.tools.listing(strategic)}.",
                    agent_id,
                )
            elif agent_id not in self._known and type(moment.env.agents[agent_id]) not in self._told:
                joined = type(moment.env.agents[agent_id])
                self._told.add(joined)
                yield moment.finding(
                    "late-joiner",
                    f"it was not there after the first reset. Select the policy of each {joined.__name__} "
                    "that joins by its class or by a predicate.",
                    agent_id,
                )


class PresenceCheck(EnvCheck):
    """Whether each agent observes and acts, and goes on doing so."""

    def __init__(self) -> None:
        self._there: dict[ph.AgentID, None] = {}  # at the last moment that was looked at
        self._strategic: dict[ph.AgentID, None] = {}  # those that were there before a step
        self._observed: set[ph.AgentID] = set()
        self._acted: set[ph.AgentID] = set()
        self._last: dict[ph.AgentID, int] = {}
        self._gap: defaultdict[ph.AgentID, int] = defaultdict(int)
        self._ended: set[ph.AgentID] = set()

    def look(self, moment: Moment) -> Iterator[Finding]:
        """Note who observes, who was asked and who ended."""
        if moment.step == 0:
            self._last, self._ended = {}, set()
        else:
            self._strategic |= self._there
        self._there = dict.fromkeys(moment.env.strategic_agent_ids)
        for agent_id in () if moment.is_over else moment.observations:  # the last one is for learners only
            self._gap[agent_id] = max(
                self._gap[agent_id], moment.step - self._last.get(agent_id, moment.step)
            )
            self._last[agent_id] = moment.step
        self._observed |= set(moment.observations)
        self._acted |= set(moment.asked)
        if moment.result is not None and not moment.is_over:
            flags = (moment.result.terminations, moment.result.truncations)
            self._ended |= {i for ends in flags for i, is_end in ends.items() if is_end}
        return iter(())

    def end(self, moment: Moment) -> Iterator[Finding]:
        """Look for agents that were still there and observed no more."""
        for agent_id, last in self._last.items():
            silence = moment.step - last
            if agent_id not in self._ended and silence > max(_SILENCE, 2 * self._gap[agent_id]):
                yield Finding(
                    check="observes-no-more",
                    message=f"it observed in step {last} and not again until step {moment.step}. Let it "
                    "observe, or end it with is_terminated().",
                    agent_id=agent_id,
                    step=last,
                    seed=moment.seed,
                )

    def finish(self) -> Iterator[Finding]:
        """Look for agents that never observed, or never acted, though there was time to."""
        for agent_id in self._strategic:
            if agent_id not in self._observed:
                yield Finding(
                    check="never-observes",
                    message="it never observed. Let encode_observation() return something when its turn "
                    "comes, or make it a plain Agent.",
                    agent_id=agent_id,
                )
            elif agent_id not in self._acted:
                yield Finding(
                    check="never-acts",
                    message="it observed, but it was never its turn to act. Give it a turn, or make it a "
                    "plain Agent.",
                    agent_id=agent_id,
                )


class EndCheck(EnvCheck):
    """Whether episodes end."""

    def end(self, moment: Moment) -> Iterator[Finding]:
        """Look whether the episode was over when the doctor stopped."""
        env = moment.env
        if moment.is_over or getattr(env, "num_steps", None) is not None:
            return
        if hasattr(env, "num_steps"):
            check, advice = "no-time-limit", "The env has no time limit: set num_steps."
        else:
            check, advice = "no-end", "Give the env a time limit if it needs one."
        yield Finding(
            check=check,
            message=f"the episode did not end within {moment.step} steps of random actions. {advice}",
            seed=moment.seed,
        )


class GlobalRandomCheck(EnvCheck):
    """Whether the env draws from the generators of the whole process."""

    def look(self, moment: Moment) -> Iterator[Finding]:
        """Look which generators were used since the last moment."""
        for name in moment.global_draws:
            yield moment.finding("global-random", global_random_message(name))


def global_random_message(name: str) -> str:
    """Return what to do instead of drawing from a process-wide generator."""
    other = "self.random" if name == "random" else "self.rng"
    return f"the env uses the global generator of {name}. Draw from {other} of the agent or the env instead."
