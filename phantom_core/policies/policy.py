"""Policies map observations to actions: `Policy`, `RecurrentPolicy` with a memory, `PolicyByCopy`.

The layout of a batch of observations or actions is described in `policies/batching.py`.
"""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Final, Self, TypeAlias

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from phantom_core.component_config import make_config
from phantom_core.errors import ConfigError
from phantom_core.policies.batching import rows_of
from phantom_core.secrets import revealed
from phantom_core.seeding import RowStreams
from phantom_core.types import Action, Observation

BatchedObservations: TypeAlias = Any
"""B observations: an array [B, ...] for Box, MultiDiscrete and MultiBinary spaces, a list of B ints for
Discrete spaces, a dict or tuple of arrays for Dict and Tuple spaces, a list for any other space."""

PolicyState: TypeAlias = Any
"""The memory of a recurrent policy: arrays, nested in dicts or tuples."""

_SPACES: Final = ("observation_space", "action_space")


class BasePolicy(ABC):
    """What every policy has: derive from `Policy`, `RecurrentPolicy` or `PolicyByCopy`.

    Attributes:
        config_class: frozen dataclass of the settings; None: the settings, if any, are parameters of
            `__init__`.
        acts_randomly: whether the actions of the trained policy are sampled. The collector then calls
            `sample_actions`, whose random numbers are derived from the run's seed, even if the policy is
            not trained.
        observation_space: the space of the observations.
        action_space: the space of the actions.
        config: the settings, an instance of `config_class`; None without a `config_class`.
        given_settings: the settings that were passed to the constructor, by name, with or without a
            `config_class`. A saved policy is constructed from them, before `load_state_dict` is called.
    """

    config_class: ClassVar[type | None] = None
    acts_randomly: ClassVar[bool] = False
    given_settings: dict[str, Any]

    def __new__(cls, *args: Any, **settings: Any) -> Self:
        """Store the settings in `given_settings`, however the subclass declares them."""
        policy = super().__new__(cls)
        names = tuple(inspect.signature(cls.__init__).parameters)[1:] if len(args) > len(_SPACES) else ()
        positional = zip(names[len(_SPACES) :], args[len(_SPACES) :], strict=False)
        given = {**dict(positional), **settings}
        policy.given_settings = {name: value for name, value in given.items() if name not in _SPACES}
        return policy

    def __init__(
        self, observation_space: gym.Space[Any], action_space: gym.Space[Any], **config: Any
    ) -> None:
        """Build the config from the settings; raise ConfigError if one is unknown or has the wrong type."""
        self.observation_space = observation_space
        self.action_space = action_space
        self.config: Any = make_config(type(self), config)

    def env_actions(self, actions: Sequence[Action]) -> Sequence[Action]:
        """Return the actions to step the env with, for the actions that `sample_actions` returned.

        The collector stores the sampled actions and steps the env with these. The default returns the
        sampled actions. A Gaussian policy learns from unbounded actions and clips them here.
        """
        return actions

    def seed(self, rng: np.random.Generator) -> None:
        """Called once after construction: initialise weights, keep a generator for `compute_action`."""

    def state_dict(self) -> dict[str, Any]:
        """Return the state that training changes: NumPy arrays and JSON values, nested in dicts and lists."""
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore the state that `state_dict` returned."""


class Policy(BasePolicy):
    """Chooses actions for the agents that use it; each depends on the observation alone.

    A policy that only acts overrides `compute_action`. A policy that is trained also overrides
    `sample_actions` (its behaviour during training), `state_dict` and `load_state_dict`.
    """

    @abstractmethod
    def compute_action(self, observation: Observation) -> Action:
        """Return the action of the trained policy. It must not use the random streams of training."""

    def compute_actions(self, observations: BatchedObservations) -> Sequence[Action]:
        """Return the actions of the trained policy for B observations.

        Args:
            observations: an array [B, ...] for Box, MultiDiscrete and MultiBinary spaces, a list of B
                ints for Discrete spaces, a dict or tuple of arrays for Dict and Tuple spaces, a list for
                any other space. Arrays are read-only and only valid during the call: copy what you keep.

        Returns:
            B actions, as an array or a list. The default calls `compute_action` for each observation.
        """
        return [self.compute_action(observation) for observation in rows_of(observations)]

    def sample_actions(
        self, observations: BatchedObservations, rng: RowStreams
    ) -> tuple[Sequence[Action], Mapping[str, Sequence[Any]]]:
        """Return actions for training, and extras such as log-probabilities.

        Args:
            observations: B observations, of any agents in any copies of the env, in the layout of
                `compute_actions`.
            rng: draws one row of random numbers for each observation.

        Returns:
            B actions, and the extras by name, each of length B. The names are the same in every call; the
            collector stores the extras with the actions. The default returns `compute_actions` without
            extras.
        """
        return self.compute_actions(observations), {}


class RecurrentPolicy(BasePolicy):
    """Chooses actions by the observation and by what it remembers of the agent's episode.

    The memory is a state of each agent in each copy of the env, kept by whoever plays the policy. It is
    `initial_state()` before the agent's first decision in an episode, and then what the last decision
    returned. A policy keeps none of it in its own attributes: it is asked for many agents at once.

    A batch of B states has the arrays of `initial_state()` with B rows each. A trainer finds the states
    before the first decision of each trajectory in `batch.initial_states`.
    """

    @abstractmethod
    def initial_state(self) -> PolicyState:
        """Return the state of an agent that has decided nothing: arrays, nested in dicts or tuples.

        It is the same every time, but for what training changes.
        """

    @abstractmethod
    def compute_actions(
        self, observations: BatchedObservations, state: PolicyState
    ) -> tuple[Sequence[Action], PolicyState]:
        """Return the actions of the trained policy for B observations, and the states after them.

        Args:
            observations: B observations, in the layout of `Policy.compute_actions`.
            state: the states of the B agents: arrays [B, ...], nested as `initial_state` nests them. They
                are read-only and only valid during the call.
        """

    def sample_actions(
        self, observations: BatchedObservations, rng: RowStreams, state: PolicyState
    ) -> tuple[Sequence[Action], Mapping[str, Sequence[Any]], PolicyState]:
        """Return actions for training, extras such as log-probabilities, and the states after them.

        Args:
            observations: B observations, of any agents in any copies of the env.
            rng: draws one row of random numbers for each observation.
            state: the states of the B agents, as for `compute_actions`.

        Returns:
            B actions, the extras by name, each of length B and with the same names in every call, and B
            states. The default returns `compute_actions` without extras.
        """
        actions, after = self.compute_actions(observations, state)
        return actions, {}, after


class PolicyByCopy(BasePolicy):
    """Chooses actions by parameters of its own in each copy of the env: independent experiments side by side.

    A trainer whose plan is `is_independent` makes it, and only as many copies as it was made for can play it.
    Everybody else is given the policy of one copy, which `of_copy` returns.

    Attributes:
        num_copies: how many copies it has parameters for.
    """

    num_copies: int

    @abstractmethod
    def compute_actions(
        self, observations: BatchedObservations, env_indices: NDArray[np.int64]
    ) -> Sequence[Action]:
        """Return the actions of the trained policy for B observations.

        Args:
            observations: B observations, in the layout of `Policy.compute_actions`, but of a Discrete space
                an int64 array [B].
            env_indices: int64 array [B]: the copy of the env of each. It is only valid during the call.
        """

    def sample_actions(
        self, observations: BatchedObservations, rng: RowStreams, env_indices: NDArray[np.int64]
    ) -> tuple[Sequence[Action], Mapping[str, Sequence[Any]]]:
        """Return actions for training, and extras, as `Policy.sample_actions` does.

        Args:
            observations: B observations, in the layout of `Policy.compute_actions`.
            rng: draws one row of random numbers for each observation.
            env_indices: the copy of the env of each, as for `compute_actions`.
        """
        return self.compute_actions(observations, env_indices), {}

    @abstractmethod
    def of_copy(self, env_index: int) -> Policy:
        """Return the policy of one copy, with parameters of its own."""

    def check_copies(self, policy_id: str, num_copies: int) -> None:
        """Raise `ConfigError` if it is to be played in another number of copies."""
        if num_copies != self.num_copies:
            raise ConfigError(
                f"Policy {policy_id!r} has parameters for {self.num_copies:,} copies of the env, but is to "
                f"be played in {num_copies:,}. Play the policy of one of them: "
                f"policies[{policy_id!r}].of_copy(0), where policies = ph.load_policies(run) for a saved run."
            )


def made_policy(
    policy_class: type[BasePolicy],
    observation_space: gym.Space[Any],
    action_space: gym.Space[Any],
    settings: Mapping[str, Any],
) -> BasePolicy:
    """Construct a policy. What was read from the environment is plain text to it, and saved as its source."""
    plain = revealed(settings)
    policy = policy_class(observation_space, action_space, **plain)
    policy.given_settings |= {name: value for name, value in settings.items() if plain[name] is not value}
    return policy
