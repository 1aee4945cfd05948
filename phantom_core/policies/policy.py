"""`Policy`, the base class of every policy: it maps observations to actions, one or a batch of them.

| space | a batch of B elements |
|---|---|
| Box, MultiDiscrete, MultiBinary | an array [B, ...] |
| Discrete | an int64 array [B]; for a `Policy` a list of ints, which indexes a table much faster |
| Dict | a dict of batches, by key |
| Tuple | a tuple of batches |
| anything else | a list of B elements |

Arrays and containers are those of `gymnasium.vector.utils`.
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
from phantom_core.seeding import RowStreams
from phantom_core.types import Action, Observation

BatchedObservations: TypeAlias = Any
"""B observations, in the layout above."""

_SPACES: Final = ("observation_space", "action_space")


class Policy(ABC):
    """Chooses actions for the agents that use it.

    A policy that only acts overrides `compute_action`. A policy that is trained also overrides
    `sample_actions` (its behaviour during training), `state_dict` and `load_state_dict`.

    Attributes:
        config_class: frozen dataclass of the settings; None: the settings, if any, are parameters of
            `__init__`.
        acts_randomly: whether `compute_action` samples. The collector then calls `sample_actions`, whose
            random numbers are derived from the run's seed, even if the policy is not trained.
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


def num_rows(batch: Any) -> int:
    """Return B.

    >>> num_rows({"price": np.zeros((5, 2)), "stock": [0, 1, 2, 3, 4]})
    5
    """
    while isinstance(batch, (dict, tuple)):
        batch = next(iter(batch.values() if isinstance(batch, dict) else batch))
    return len(batch)


def rows_of(batch: Any) -> list[Any]:
    """Return the B elements as a list; they share no memory with the batch.

    >>> rows_of({"price": np.array([0.5, 0.7]), "stock": [3, 4]})
    [{'price': 0.5, 'stock': 3}, {'price': 0.7, 'stock': 4}]
    """
    if isinstance(batch, np.ndarray):
        return batch.tolist() if batch.ndim == 1 else list(batch.copy())
    if isinstance(batch, dict):
        parts = [rows_of(part) for part in batch.values()]
        return [dict(zip(batch, row, strict=True)) for row in zip(*parts, strict=True)]
    if isinstance(batch, tuple):
        return list(zip(*map(rows_of, batch), strict=True))
    return list(batch)


def slice_rows(batch: Any, start: int, stop: int) -> Any:
    """Return the rows from `start` to `stop`, in the same layout."""
    if isinstance(batch, Mapping):
        return {key: slice_rows(part, start, stop) for key, part in batch.items()}
    if isinstance(batch, tuple):
        return tuple(slice_rows(part, start, stop) for part in batch)
    rows: np.ndarray[Any, Any] | Sequence[Any] = batch
    return rows[start:stop]


def take_rows(batch: Any, rows: NDArray[np.int64]) -> Any:
    """Return these rows, in the same layout, in memory of their own."""
    if isinstance(batch, Mapping):
        return {key: take_rows(part, rows) for key, part in batch.items()}
    if isinstance(batch, tuple):
        return tuple(take_rows(part, rows) for part in batch)
    if isinstance(batch, np.ndarray):
        return batch.take(rows, axis=0)
    return [batch[row] for row in rows.tolist()]


def join_rows(batches: Sequence[Any]) -> Any:
    """Return the rows of batches of one layout as one batch, in memory of its own."""
    first = batches[0]
    if isinstance(first, Mapping):
        return {key: join_rows([batch[key] for batch in batches]) for key in first}
    if isinstance(first, tuple):
        return tuple(map(join_rows, zip(*batches, strict=True)))
    if isinstance(first, np.ndarray):
        return np.concatenate(batches)
    return [value for batch in batches for value in batch]
