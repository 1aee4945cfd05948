"""Toy envs that break down, or that look after what they hand out. They are registered nowhere."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from typing import Any

import phantom_core as ph
from phantom_testing.toy_agents import Form
from phantom_testing.toy_envs import IdentityEnv


class BrokenDownError(Exception):
    """What `FailingEnv` raises."""


class FailingEnv(IdentityEnv):
    """An identity env that raises in the eighth step that it makes."""

    def __init__(self, *, observes: Form = "discrete", acts: Form = "discrete") -> None:
        super().__init__(observes=observes, acts=acts)
        self._steps_left = 7

    def pre_message_resolution(self) -> None:
        """Count the step."""
        super().pre_message_resolution()
        if self._steps_left == 0:
            raise BrokenDownError("the env of the conformance kit breaks down here")
        self._steps_left -= 1


class RewindableEnv:
    """An identity env of which a twin can be made that stands where it stands."""

    def __init__(self, **config: Any) -> None:
        self._config = config
        self._calls: list[tuple[str, Any]] = []
        self._env = IdentityEnv(**config)

    def reset(self, seed: int | None = None, options: Any = None) -> Any:
        """Start an episode."""
        self._calls.append(("reset", seed))
        return self._env.reset(seed=seed, options=options)

    def step(self, actions: Mapping[ph.AgentID, ph.Action]) -> Any:
        """Play one step."""
        self._calls.append(("step", copy.deepcopy(dict(actions))))
        return self._env.step(actions)

    def twin(self) -> RewindableEnv:
        """Return another one, in which the same was done."""
        twin = RewindableEnv(**self._config)
        for method, argument in self._calls:
            getattr(twin, method)(argument)
        return twin

    def __getattr__(self, name: str) -> Any:
        return getattr(self.__dict__["_env"], name)


class WatchfulEnv(IdentityEnv):
    """An identity env whose observations are arrays; it remembers them, and a copy of each."""

    def __init__(self, *, observes: Form = "box", acts: Form = "discrete") -> None:
        super().__init__(observes=observes, acts=acts)
        self._seen: list[tuple[ph.AgentID, Any, Any]] = []
        for agent in self.strategic_agents:
            self._watch(agent)

    def changed(self) -> Iterator[tuple[ph.AgentID, Any, Any]]:
        """Yield agent, observation as it was and as it is now, for those that were changed."""
        for agent_id, observation, as_it_was in self._seen:
            if (observation != as_it_was).any():
                yield agent_id, as_it_was, observation

    def _watch(self, agent: ph.StrategicAgent) -> None:
        encode = agent.encode_observation

        def watched(ctx: ph.Context) -> Any:
            observation: Any = encode(ctx)
            self._seen.append((agent.id, observation, observation.copy()))
            return observation

        agent.encode_observation = watched  # type: ignore[method-assign]  # of this one agent
