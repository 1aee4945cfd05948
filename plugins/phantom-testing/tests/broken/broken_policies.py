"""Policies with one defect each, and one without."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import gymnasium as gym
import numpy as np

import phantom_core as ph


class CorrectPolicy(ph.Policy):
    """A linear policy on arrays."""

    def __init__(
        self, observation_space: gym.Space[Any], action_space: gym.Space[Any], **config: Any
    ) -> None:
        super().__init__(observation_space, action_space, **config)
        if not isinstance(observation_space, gym.spaces.Box) or not isinstance(
            action_space, gym.spaces.Discrete
        ):
            raise ph.errors.ConfigError("a linear policy needs a Box and a Discrete space")
        self.weights = np.zeros((observation_space.shape[0], int(action_space.n)))

    def seed(self, rng: np.random.Generator) -> None:
        self.weights = rng.normal(size=self.weights.shape)

    def compute_action(self, observation: Any) -> int:
        return int(np.argmax(observation @ self.weights))

    def sample_actions(self, observations: Any, rng: ph.RowStreams) -> tuple[Sequence[int], dict[str, Any]]:
        noise = rng.uniforms(self.weights.shape[1])
        return np.argmax(observations @ self.weights + noise, axis=1).tolist(), {"noise": noise[:, 0]}

    def state_dict(self) -> dict[str, Any]:
        return {"weights": self.weights.copy()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.weights = np.array(state["weights"])


class LeavesTheSpace(CorrectPolicy):
    """Counts from one."""

    def sample_actions(self, observations: Any, rng: ph.RowStreams) -> tuple[Sequence[int], dict[str, Any]]:
        actions, extras = super().sample_actions(observations, rng)
        return [action + 3 for action in actions], extras


class DiffersTogether(CorrectPolicy):
    """Its fast way is another way."""

    def compute_actions(self, observations: Any) -> list[int]:
        return np.argmin(observations @ self.weights, axis=1).tolist()


class ChangesItsMind(CorrectPolicy):
    """Counts how often it was asked."""

    def compute_actions(self, observations: Any) -> list[int]:
        actions = super().compute_actions(observations)
        self.weights[0, 0] += 1e-9
        return actions


class DrawsElsewhere(CorrectPolicy):
    """Draws from the operating system."""

    def sample_actions(self, observations: Any, rng: ph.RowStreams) -> tuple[Sequence[int], dict[str, Any]]:
        fresh = np.random.default_rng()
        return [int(fresh.integers(3)) for _ in observations], {}


class WeightsOfItsOwn(CorrectPolicy):
    """Draws its weights from the operating system."""

    def seed(self, rng: np.random.Generator) -> None:
        super().seed(np.random.default_rng())


class DrawsGlobally(CorrectPolicy):
    """Draws from the process-wide generator, and uses nothing of it."""

    def sample_actions(self, observations: Any, rng: ph.RowStreams) -> tuple[Sequence[int], dict[str, Any]]:
        random.random()  # noqa: S311  this is its defect
        return super().sample_actions(observations, rng)


class ShortExtras(CorrectPolicy):
    """Tells about all actions at once."""

    def sample_actions(self, observations: Any, rng: ph.RowStreams) -> tuple[Sequence[int], dict[str, Any]]:
        actions, extras = super().sample_actions(observations, rng)
        return actions, {"noise": extras["noise"][:1]}


class LoadsNothing(CorrectPolicy):
    """Forgets to load."""

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        pass


class HandsOutWeights(CorrectPolicy):
    """Its state is itself."""

    def state_dict(self) -> dict[str, Any]:
        return {"weights": self.weights}


class ScalesInPlace(CorrectPolicy):
    """Scales what it was handed, where it is."""

    def sample_actions(self, observations: Any, rng: ph.RowStreams) -> tuple[Sequence[int], dict[str, Any]]:
        observations *= 1.0 - 1e-3
        return super().sample_actions(observations, rng)


class KeepsTheLast(CorrectPolicy):
    """Adds what it saw last to what it sees."""

    last: Any = None

    def sample_actions(self, observations: Any, rng: ph.RowStreams) -> tuple[Sequence[int], dict[str, Any]]:
        seen = observations if self.last is None else 3.0 * self.last - 2.0 * observations
        self.last = observations
        return super().sample_actions(seen, rng)


class LosesItsWeights(CorrectPolicy):
    """Leaves its weights at home."""

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "weights": -self.weights}

    def __deepcopy__(self, memo: Any) -> "LosesItsWeights":
        twin = type(self)(self.observation_space, self.action_space)
        twin.weights = self.weights.copy()
        return twin


class CorrectRecurrent(ph.RecurrentPolicy):
    """Does again what its agent saw first."""

    def initial_state(self) -> Any:
        return {"first": np.int64(-1), "count": (np.zeros(2),)}

    def compute_actions(self, observations: Any, state: Any) -> Any:
        first = np.where(state["first"] < 0, observations, state["first"])
        return first.tolist(), {"first": first, "count": (state["count"][0] + 1,)}


class RemembersItself(CorrectRecurrent):
    """Keeps what it remembers in an attribute, for all agents."""

    sight = -1

    def compute_actions(self, observations: Any, state: Any) -> Any:
        actions, after = super().compute_actions(observations, state)
        if state["count"][0].any():
            actions = [self.sight] * len(actions)
        else:
            self.sight = actions[0]
        return actions, after


class MixesAgents(CorrectRecurrent):
    """Returns one state for all."""

    def compute_actions(self, observations: Any, state: Any) -> Any:
        actions, after = super().compute_actions(observations, state)
        return actions, {**after, "count": (after["count"][0].mean(axis=0),)}


class TakesTurns(CorrectPolicy):
    """Answers otherwise every other time."""

    turn = 0

    def compute_action(self, observation: Any) -> int:
        self.turn += 1
        return self.turn % 3


class HasItsOwnGenerator(CorrectPolicy):
    """Explores with a generator that it was seeded with."""

    def seed(self, rng: np.random.Generator) -> None:
        super().seed(rng)
        self.own = rng.spawn(1)[0]

    def sample_actions(self, observations: Any, rng: ph.RowStreams) -> tuple[Sequence[int], dict[str, Any]]:
        return self.own.integers(3, size=len(observations)).tolist(), {}


class DrawsByPlace(CorrectPolicy):
    """Explores with the same draws in every call, by place in the batch."""

    def sample_actions(self, observations: Any, rng: ph.RowStreams) -> tuple[Sequence[int], dict[str, Any]]:
        return np.random.default_rng(3).integers(3, size=len(observations)).tolist(), {}


class NormalisesTheBatch(CorrectPolicy):
    """Takes the mean of the batch away first."""

    def compute_actions(self, observations: Any) -> list[int]:
        centred = observations - observations.mean(axis=0) if len(observations) > 1 else observations
        return np.argmax(centred @ self.weights, axis=1).tolist()


class DiffersInCrowds(CorrectPolicy):
    """Has a faster way for more than 16 rows, which is wrong."""

    def compute_actions(self, observations: Any) -> list[int]:
        if len(observations) > 16:
            return np.argmin(observations @ self.weights, axis=1).tolist()
        return super().compute_actions(observations)


@dataclass(frozen=True)
class CountingConfig:
    """Settings with a list."""

    asked: list[int] = field(default_factory=list)
    """How often it was asked."""


class CountsInItsConfig(CorrectPolicy):
    """Counts in its settings."""

    config_class = CountingConfig

    def sample_actions(self, observations: Any, rng: ph.RowStreams) -> tuple[Sequence[int], dict[str, Any]]:
        self.config.asked[:] = [len(observations)]
        return super().sample_actions(observations, rng)


@dataclass(frozen=True)
class ScaleConfig:
    """Settings with a scale."""

    scale: float = 1.0
    """What the noise is multiplied with."""


class ReplacesItsConfig(CorrectPolicy):
    """Anneals its settings."""

    config_class = ScaleConfig

    def sample_actions(self, observations: Any, rng: ph.RowStreams) -> tuple[Sequence[int], dict[str, Any]]:
        actions, extras = super().sample_actions(observations, rng)
        self.config = ScaleConfig(0.5)
        return actions, {"noise": extras["noise"] * self.scale}

    def seed(self, rng: np.random.Generator) -> None:
        super().seed(rng)
        self.scale = self.config.scale


class IgnoresItsScale(CorrectPolicy):
    """Has a setting that nobody reads."""

    config_class = ScaleConfig


class KeepsWhatItLoads(CorrectPolicy):
    """Goes on in the array that it loads."""

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.weights = np.asarray(state["weights"])


class LeavesTheSpaceAtTheEdge(CorrectPolicy):
    """Takes an action that does not exist where observations are as high as they can be."""

    def compute_action(self, observation: Any) -> int:
        return 3 if np.min(observation) >= 1.0 else super().compute_action(observation)


class LeavesTheSpaceSeldom(CorrectPolicy):
    """Takes an action that does not exist in 3 of 100 cases."""

    def sample_actions(self, observations: Any, rng: ph.RowStreams) -> tuple[Sequence[int], dict[str, Any]]:
        draws = rng.uniform()
        return [3 if d > 0.97 else int(3 * d / 0.97) % 3 for d in draws], {}
