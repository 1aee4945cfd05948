"""What is wrong with the global state, `env.state()`, that critics of several agents learn from."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import gymnasium as gym

import phantom_core as ph
from phantom_testing.episode_trace import fingerprint
from phantom_testing.findings import Finding
from phantom_testing.observation_checks import STATE, find_misfit
from phantom_testing.play_episode import EnvCheck, Moment


class StateCheck(EnvCheck):
    """Whether each global state is in `state_space`, finite, and stays as it was returned."""

    def __init__(self) -> None:
        self._newest: tuple[int, Any, str] | None = None

    def look(self, moment: Moment) -> Iterator[Finding]:
        """Compare the state with its space, and the one before with how it was."""
        env: Any = moment.env
        space = getattr(env, "state_space", None)
        if space is None:
            if isinstance(env, ph.PhantomEnv) and type(env).state is not ph.PhantomEnv.state:
                message = "it has state(), but its state_space is None. Set it to the space of state()."
                yield Finding(check="state-without-space", message=message)
        elif not isinstance(space, gym.Space):
            message = f"its state_space is {space!r}. Set it to a gymnasium space."
            yield Finding(check="state-outside-space", message=message)
        elif moment.state_error:
            yield moment.finding("state-raised", moment.state_error)
        else:
            misfit = find_misfit(space, moment.state, described=STATE)
            if misfit is not None:
                yield moment.finding(*misfit)
            yield from self._changed_later(moment)

    def _changed_later(self, moment: Moment) -> Iterator[Finding]:
        if moment.step > 0 and self._newest is not None:
            step, earlier, print_then = self._newest
            if fingerprint(earlier) != print_then:
                yield moment.finding(
                    "state-changed-later",
                    f"the global state of step {step} changed in place until step {moment.step}. If other "
                    "code than trainers keeps it, let state() return a copy.",
                )
        self._newest = moment.step, moment.state, fingerprint(moment.state)
