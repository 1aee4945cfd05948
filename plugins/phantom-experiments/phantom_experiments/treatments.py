"""Treatments: what is different in the worlds that a study compares; `at` makes a shock."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np

import phantom_core as ph
from phantom_experiments.env_changes import env_path

Change: TypeAlias = Callable[[Any, np.random.Generator], object]
"""Called with the env and a generator of its own; what it returns is ignored."""


@dataclass(frozen=True)
class Shock:
    """A change of the world before a step; made by `at`.

    Attributes:
        step: before which step it comes; 1 is the first.
        change: what changes the env.
    """

    step: int
    change: Change

    def apply(self, env: Any, episode_seed: int, number: int) -> None:
        """Change the env; `number` tells the shocks of a treatment apart."""
        self.change(env, ph.seeding.make_rng(episode_seed, "shock", self.step, number))


@dataclass(frozen=True)
class Treatment:
    """What is different in one of the worlds: changes of `env_config`, and shocks.

    Attributes:
        name: its name.
        changes: values by dotted name, as in a point; they override those of the point.
        shocks: the shocks, in the order of their steps.
    """

    name: str
    changes: Mapping[str, Any] = field(default_factory=dict)
    shocks: Sequence[Shock] = ()

    def description(self) -> dict[str, Any]:
        """Return what `study.json` says of it."""
        return {
            "changes": {
                name: value if _is_json(value) else repr(value) for name, value in self.changes.items()
            },
            "shocks": [
                [one.step, getattr(one.change, "__qualname__", repr(one.change))] for one in self.shocks
            ],
        }


def at(step: int, change: Change) -> Shock:
    """Return a shock: `change(env, rng)` is called before a step is played.

    The generator is a stream of its own: it follows from the seed of the episode and the step, so that
    nothing else draws other numbers than without the shock, and every treatment with a shock at this step
    draws the same. Who acts in the step has observed before; the values that are recorded after it are the
    first that may differ.

    Args:
        step: before which step; 1 is the first one, before which the env was just reset.
        change: changes the env and its agents.

    Raises:
        ConfigError: if the step is no positive integer, or the change cannot be called.
    """
    if not isinstance(step, int) or isinstance(step, bool) or step < 1:
        raise ph.errors.ConfigError(f"at got step={step!r}. Expected a positive integer.")
    if not callable(change):
        raise ph.errors.ConfigError(
            f"at got change={change!r}. Expected a function of the env and a generator, such as def "
            "crash(env, rng): env.price /= 2."
        )
    return Shock(step, change)


def parse_treatments(given: Mapping[str, Any] | None) -> tuple[Treatment, ...]:
    """Return the treatments of a study; without any, one that changes nothing, called `"base"`.

    Raises:
        ConfigError: if one is neither changes nor shocks.
    """
    if given is None:
        return (Treatment("base"),)
    if not isinstance(given, Mapping) or not given:
        raise ph.errors.ConfigError(
            f"treatments is {given!r}. Expected treatments by name, such as {{'off': {{}}, 'on': "
            "{'tax': 0.1}}."
        )
    return tuple(_treatment(name, value) for name, value in given.items())


def _treatment(name: Any, value: Any) -> Treatment:
    if not isinstance(name, str) or not name:
        raise ph.errors.ConfigError(f"A treatment is called {name!r}. Expected a text that is not empty.")
    changes: dict[str, Any] = {}
    shocks: list[Shock] = []
    for part in value if isinstance(value, (list, tuple)) else [value]:
        if isinstance(part, Shock):
            shocks.append(part)
        elif isinstance(part, Mapping):
            changes |= part
        else:
            raise ph.errors.ConfigError(
                f"The treatment {name!r} has {part!r}. Expected changes of the env by name, such as "
                "{'tax': 0.1}, px.at(step, change), or a list of these."
            )
    for key in changes:
        env_path(key)
    return Treatment(name, changes, tuple(sorted(shocks, key=lambda shock: shock.step)))


def _is_json(value: Any) -> bool:
    return value is None or isinstance(value, (bool, int, float, str))
