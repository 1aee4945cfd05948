"""An env where it lives: `MeasuredEnv` steps and measures it; `CopyFacts` says what it is like elsewhere."""

from __future__ import annotations

import copy
from collections import defaultdict
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import gymnasium as gym

from phantom_core.envs.env import PhantomEnv
from phantom_core.envs.reward_ledger import step_with_numbers
from phantom_core.envs.step_result import MultiAgentEnv, StepResult
from phantom_core.errors import ConfigError, EnvError, PhantomError, error_place, error_text
from phantom_core.metrics import Metric, Mode, record_metrics, reduce_metrics
from phantom_core.policies.policy_mapping import PolicySpec, policies_for
from phantom_core.rollouts.copy_state import decode_values, digest, encode_values, generators_of
from phantom_core.rollouts.snapshot import snapshot
from phantom_core.secrets import Secrets, masked
from phantom_core.types import Action, AgentID, Observation, PolicyID

_NEEDED: Final = ("reset", "step", "close", "agents", "strategic_agent_ids", "observation_spaces")


@dataclass(slots=True)
class CopyFacts:
    """What a copy of an env says about itself, as the driver knows it."""

    acting_agent_ids: Container[AgentID] | None  # who may act in the next step; None: everybody
    strategic_agent_ids: tuple[AgentID, ...]
    observation_spaces: dict[AgentID, gym.Space[Any]]
    action_spaces: dict[AgentID, gym.Space[Any]]
    state_space: gym.Space[Any] | None = None  # of the global state; None: there is none
    saves_episodes: bool = False  # whether an episode that goes on can be saved without its actions
    clips_observations: bool = False  # whether observations are clipped to the bounds of their space

    @classmethod
    def of(cls, env: MultiAgentEnv) -> CopyFacts:
        """Ask an env."""
        ids = tuple(env.strategic_agent_ids)
        spaces = env.observation_spaces, env.action_spaces
        seen, done = ({i: of_all[i] for i in ids} for of_all in spaces)
        return cls(
            acting_ids(env, ids),
            ids,
            seen,
            done,
            getattr(env, "state_space", None),
            bool(getattr(env, "saves_episodes", False)),
            bool(getattr(env, "clips_observations", False)),
        )


def acting_ids(env: MultiAgentEnv, agent_ids: Sequence[AgentID]) -> tuple[AgentID, ...] | None:
    """Return which of these agents may act in the next step; None: everybody."""
    acting = env.acting_agent_ids
    return None if acting is None else tuple(agent_id for agent_id in agent_ids if agent_id in acting)


def check_is_env(candidate: object, needed: Iterable[str] = _NEEDED) -> None:
    """Raise `ConfigError` if a class or object lacks a needed attribute of a multi-agent env."""
    missing = [name for name in needed if name not in dir(candidate) and not hasattr(candidate, name)]
    if missing:
        kind = candidate if isinstance(candidate, type) else type(candidate)
        name = kind.__name__
        if issubclass(kind, gym.Env):
            raise ConfigError(
                f"{name} is a single-agent Gymnasium env. Wrap it: ph.GymnasiumEnv({name}). Where an env is "
                "given by its name, write a function that returns this, and name the function."
            )
        advice = "Derive it from ph.PhantomEnv, or wrap a single-agent env in ph.GymnasiumEnv."
        raise ConfigError(f"{name} is no multi-agent env: it has no {missing[0]}. {advice}")


def made_env(env_class: Callable[..., MultiAgentEnv], env_config: Mapping[str, Any]) -> MultiAgentEnv:
    """Make an env; raise `EnvError` if the constructor raises."""
    try:
        return env_class(**copy.deepcopy(dict(env_config)))
    except PhantomError:
        raise
    except Exception as error:  # a user's constructor may raise anything
        if isinstance(env_class, type):  # "not an env" says more than a wrong argument
            check_is_env(env_class, ("step",))
        raise EnvError(
            f"{getattr(env_class, '__name__', repr(env_class))} could not be made: "
            f"{Secrets.of(env_config).hide(error_text(error))}{error_place(error)}. "
            f"Its env_config: {masked(dict(env_config))}."
        ) from error


def check_apart(envs: Sequence[MultiAgentEnv]) -> None:
    """Raise `ConfigError` if two envs are one object, or adapters of one object."""
    owners: dict[int, int] = {}
    for number, env in enumerate(envs):
        for part in _played_by(env, set()):
            if owners.setdefault(id(part), number) != number:
                raise ConfigError(
                    f"Two copies of {type(env).__name__} are to play one and the same {type(part).__name__} "
                    "object, so each would disturb the episodes of the other. Let the function that makes "
                    "the env make a new one each time it is called."
                )


def _played_by(env: object, seen: set[int]) -> Iterator[object]:
    """Yield an env and the envs inside of it."""
    if id(env) not in seen and all(hasattr(type(env), name) for name in ("reset", "step", "close")):
        seen.add(id(env))
        yield env
        for part in getattr(env, "__dict__", {}).values():
            yield from _played_by(part, seen)


class MeasuredEnv:
    """Steps one env and reads its metrics, which need the env's own objects."""

    def __init__(self, env: MultiAgentEnv) -> None:
        self.env = env
        self.step = self._step = step_with_numbers(env)
        self._carried: dict[str, Any] | None = None  # into the episode that goes on
        self._metrics: Mapping[str, Metric] = {}
        self._mode: Mode = "train"
        self._values: defaultdict[str, list[Any]] = defaultdict(list)

    def measure(self, metrics: Mapping[str, Metric], mode: Mode) -> None:
        """Record these metrics after each step from now on."""
        self._metrics, self._mode = metrics, mode
        self.step = self._step_and_measure if metrics else self._step

    def reset(self, seed: int) -> dict[AgentID, Observation]:
        """Start an episode; return the first observations."""
        self._values.clear()
        self._carried = self.carried_over()
        return self.env.reset(seed=seed)[0]

    def carried_over(self) -> dict[str, Any] | None:
        """Return what the env carries from this episode to the next; None: nothing."""
        env: Any = self.env
        return snapshot(env.state_dict()) if hasattr(env, "state_dict") else None

    def carried_in(self) -> dict[str, Any] | None:
        """Return what the env carried into the episode that goes on."""
        return self._carried

    def carry(self, state: Mapping[str, Any]) -> None:
        """Let the env carry into the next episode what it did before that episode the last time."""
        env: Any = self.env
        env.load_state_dict(state)

    def episode_state(self) -> dict[str, Any]:
        """Return where the episode stands that goes on, of an env that saves its episodes.

        Raises `CheckpointError` if the values of a metric are none that can be saved.
        """
        env: Any = self.env
        framework = env.episode_state() if isinstance(env, PhantomEnv) else None
        return {
            "env": snapshot(env.state_dict()),
            "framework": framework,
            "metrics": encode_values(self._values),
        }

    def restore_episode(self, seed: int, state: Mapping[str, Any]) -> None:
        """Stand where an episode stood when `episode_state` was called."""
        env: Any = self.env
        self.reset(seed)
        env.load_state_dict(state["env"])
        if isinstance(env, PhantomEnv):
            env.restore_episode(state["framework"])
        self._values.update(decode_values(state["metrics"]))

    def state(self) -> Any:
        """Return the global state."""
        env: Any = self.env
        return env.state()

    def take_metrics(self) -> dict[str, Any]:
        """Return the reduced metrics of the episode that just ended."""
        return reduce_metrics(self._metrics, self._values, self._mode) if self._metrics else {}

    def policies_for(self, agent_id: AgentID, specs: Mapping[PolicyID, PolicySpec]) -> list[PolicyID]:
        """Return the policies whose rule holds for an agent that joined."""
        return policies_for(self.env.agents[agent_id], specs)

    def fingerprint(self) -> str:
        """Return a hash of the states of the env's named generators."""
        return digest(generators_of(self.env))

    def _step_and_measure(self, actions: Mapping[AgentID, Action]) -> StepResult:
        result = self._step(actions)
        record_metrics(self.env, self._metrics, self._values)
        return result
