"""`Policy`: from observation to action."""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Final, Self

import gymnasium as gym
import numpy as np

from phantom_core.component_config import make_config
from phantom_core.policies.batching import BatchedObservations, rows_of
from phantom_core.seeding import RowStreams
from phantom_core.types import Action, Observation

_SPACES: Final = ("observation_space", "action_space")


class Policy(ABC):
    """Chooses actions for the agents that use it.

    A policy that only acts overrides `compute_action`. One that is trained also overrides
    `sample_actions` (how it behaves while it learns), `state_dict` and `load_state_dict`.

    Attributes:
        config_class: frozen dataclass of the settings; None: the policy takes its settings, if any, as
            parameters of its own `__init__`.
        acts_randomly: whether the finished policy draws at random too. The collector then asks
            `sample_actions`, whose draws follow from the run's seed, even where it is not trained.
        observation_space: the space of the observations it gets.
        action_space: the space of the actions it returns.
        config: the settings, an instance of `config_class`; None without one.
        given_settings: the settings as the constructor got them, by name, whether there is a
            `config_class` or not. A saved policy is built again from them, before `load_state_dict`.
    """

    config_class: ClassVar[type | None] = None
    acts_randomly: ClassVar[bool] = False
    given_settings: dict[str, Any]

    def __new__(cls, *args: Any, **settings: Any) -> Self:
        """Note the settings, however the subclass declares them."""
        policy = super().__new__(cls)
        names = tuple(inspect.signature(cls.__init__).parameters)[1:] if len(args) > len(_SPACES) else ()
        positional = zip(names[len(_SPACES) :], args[len(_SPACES) :], strict=False)
        given = {**dict(positional), **settings}
        policy.given_settings = {name: value for name, value in given.items() if name not in _SPACES}
        return policy

    def __init__(
        self, observation_space: gym.Space[Any], action_space: gym.Space[Any], **config: Any
    ) -> None:
        """Check the settings.

        Raises:
            ConfigError: if a setting is unknown or has the wrong type.
        """
        self.observation_space = observation_space
        self.action_space = action_space
        self.config: Any = make_config(type(self), config)

    @abstractmethod
    def compute_action(self, observation: Observation) -> Action:
        """Return the action of the finished policy. It never draws from the streams of training."""

    def compute_actions(self, observations: BatchedObservations) -> Sequence[Action]:
        """Return the actions of the finished policy for B observations.

        Args:
            observations: an array [B, ...] for Box, MultiDiscrete and MultiBinary spaces, a list of B
                ints for a Discrete one, a dict or tuple of arrays for Dict and Tuple, a list for
                anything else. Arrays can only be read, and only during the call: copy what you keep.

        Returns:
            B actions, as an array or a list. The default asks `compute_action` for each.
        """
        return [self.compute_action(observation) for observation in rows_of(observations)]

    def sample_actions(
        self,
        observations: BatchedObservations,
        rng: RowStreams,
    ) -> tuple[Sequence[Action], Mapping[str, Sequence[Any]]]:
        """Return actions to learn from, and what the trainer wants to know about them later.

        Args:
            observations: of any number of agents in any number of copies of the env, batched as
                `compute_actions` gets them.
            rng: draws one row of random numbers for each observation.

        Returns:
            B actions, and extras by name (the same names in every call), each of length B, that the
            collector keeps with the actions, such as log-probabilities. The default is
            `compute_actions` without extras.
        """
        return self.compute_actions(observations), {}

    def env_actions(self, actions: Sequence[Action]) -> Sequence[Action]:
        """Return what the env gets for actions that `sample_actions` returned: a sequence as long.

        The collector keeps the actions as they were sampled and steps the env with these. The default
        is the actions themselves; a Gaussian policy learns from unbounded ones and clips them here.
        """
        return actions

    def seed(self, rng: np.random.Generator) -> None:
        """Called once after construction: draw first weights, keep a generator for `compute_action`."""

    def state_dict(self) -> dict[str, Any]:
        """Return all that training changes: NumPy arrays and JSON values, nested in dicts and lists."""
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over what `state_dict` returned."""
