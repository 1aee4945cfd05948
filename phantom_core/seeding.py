"""From one seed to many named generators: the only place that makes a generator.

A stream is named by a path such as `(episode seed, "agent", "SHOP")`. The name alone decides the
stream, never the order in which streams are made, so adding an agent does not shift another's draws.
"""

from __future__ import annotations

import hashlib
import random
import secrets
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

MAX_SEED = 2**63 - 1
"""Seeds are integers from 0 to this number, so that they fit into a TOML file."""

_BLOCK = 1024


def name_key(name: object) -> int:
    """Return a 64-bit integer that depends on the `repr` of a name only.

    It does not change between processes (unlike `hash`), Python versions or machines.

    >>> name_key("SHOP") == name_key("SHOP"), name_key("1") == name_key(1)
    (True, False)
    """
    return int.from_bytes(hashlib.blake2b(repr(name).encode(), digest_size=8).digest(), "big")


def derive_seed(seed: int, *path: object) -> int:
    """Return the seed of the child of `seed` named by `path`: an integer in [0, 2**63).

    >>> derive_seed(1, "episode", 0, 3) == derive_seed(1, "episode", 0, 3)
    True
    """
    return name_key((seed, *path)) >> 1


def unit_draw(seed: int, *path: object) -> float:
    """Return one uniform draw in [0, 1) that the name alone decides: for thousands of draws, each by name.

    >>> unit_draw(1, "connection", "A", "B") == unit_draw(1, "connection", "A", "B")
    True
    """
    return (derive_seed(seed, *path) >> 10) / 2.0**53  # 53 bits: never rounds up to 1


def small_seed(seed: int | None) -> int | None:
    """Return a seed modulo 2**31; None stays None. Many envs of other libraries take no larger ones.

    >>> small_seed(7), small_seed(2**31 + 7), small_seed(None)
    (7, 7, None)
    """
    return None if seed is None else seed % 2**31


def make_rng(seed: int, *path: object) -> np.random.Generator:
    """Return the NumPy generator of the child of `seed` named by `path`."""
    return np.random.Generator(np.random.PCG64([seed, *map(name_key, path)]))


def make_random(seed: int, *path: object) -> random.Random:
    """Return the standard library's generator of the child of `seed` named by `path`.

    A scalar draw from it costs about a sixth of a scalar draw from NumPy.
    """
    key = seed
    for name in path:
        key = (key << 64) | name_key(name)
    return random.Random(key)  # noqa: S311  simulation, not cryptography


def fresh_seed() -> int:
    """Return a seed from the operating system, for whoever gave none."""
    return secrets.randbits(63)


class UniformStream:
    """Uniform draws in [0, 1) one at a time, at the price of a list access.

    It draws blocks from a NumPy generator, so the numbers are those of `rng.random()`.
    """

    __slots__ = ("_block", "_rng", "_unused")

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng
        self._block: Mapping[str, Any] = rng.bit_generator.state  # the state that made the block
        self._unused: list[float] = []

    def random(self) -> float:
        """Return the next draw."""
        if not self._unused:
            self._block = self._rng.bit_generator.state
            self._unused = self._rng.random(_BLOCK)[::-1].tolist()
        return self._unused.pop()

    def take(self, number: int) -> list[float]:
        """Return the next so many draws, in order: much faster than one at a time."""
        unused = self._unused
        if 0 < number <= len(unused):
            found = unused[-number:]
            del unused[-number:]
            found.reverse()
            return found
        return [self.random() for _ in range(number)]

    def restart(self, rng: np.random.Generator) -> None:
        """Draw from another generator from now on."""
        self._rng, self._unused = rng, []

    def state_dict(self) -> dict[str, Any]:
        """Return the position of the stream: the generator's state and the draws left in its block."""
        generator = self._block if self._unused else self._rng.bit_generator.state
        return {"generator": generator, "unused": len(self._unused)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from the position that `state_dict` returned."""
        unused = int(state["unused"])
        self._rng.bit_generator.state = state["generator"]
        self._block = self._rng.bit_generator.state
        self._unused = self._rng.random(_BLOCK)[::-1][:unused].tolist() if unused else []


_BIT_GENERATORS: Final = ("PCG64", "PCG64DXSM", "MT19937", "Philox", "SFC64")


def generator_states(owner: object) -> dict[str, Any]:
    """Return the states of the generators of Python and NumPy that are attributes of an object, by name."""
    found: dict[str, Any] = {}
    for name, value in getattr(owner, "__dict__", {}).items():
        if isinstance(value, np.random.Generator):
            found[name] = value.bit_generator.state
        elif isinstance(value, random.Random) and not isinstance(value, random.SystemRandom):
            version, words, gauss = value.getstate()
            found[name] = {"version": version, "words": list(words), "gauss": gauss}
    return found


def restore_generators(owner: object, states: Mapping[str, Any]) -> None:
    """Put generators where they stood when `generator_states` was called; those that are missing are made.

    Raises:
        ValueError: if a state is none of a generator of Python or NumPy.
    """
    for name, state in states.items():
        value = getattr(owner, name, None)
        if "words" in state:
            value = value if isinstance(value, random.Random) else random.Random()  # noqa: S311  for simulations
            value.setstate((int(state["version"]), tuple(state["words"]), state["gauss"]))
        else:
            kind = state["bit_generator"]
            if kind not in _BIT_GENERATORS:
                raise ValueError(f"{kind!r} is no bit generator of NumPy")
            if not isinstance(value, np.random.Generator):
                value = np.random.Generator(getattr(np.random, kind)())
            value.bit_generator.state = state
        setattr(owner, name, value)


class RowStreams:
    """Random draws for a batch, where each row has a stream of its own.

    A policy that samples a batch of B actions draws from this instead of from one generator, so
    that what happens in one copy of an env does not depend on how many copies there are.
    """

    __slots__ = ("_groups", "_number", "_streams")

    def __init__(self, streams: Sequence[UniformStream]) -> None:
        self._streams, self._number = streams, len(streams)
        groups: list[list[Any]] = []  # a stream, and how many rows in a row have it
        for stream in streams:
            if groups and groups[-1][0] is stream:
                groups[-1][1] += 1
            else:
                groups.append([stream, 1])
        self._groups = [(stream.take, number) for stream, number in groups]

    def __len__(self) -> int:
        return self._number

    def of_rows(self, rows: NDArray[np.int64]) -> RowStreams:
        """Return the streams of some rows, for a batch of these."""
        return RowStreams([self._streams[row] for row in rows.tolist()])

    def uniform(self) -> list[float]:
        """Return B draws in [0, 1), one for each row."""
        if len(self._groups) == self._number:
            return [stream.random() for stream in self._streams]
        return [draw for take, rows in self._groups for draw in take(rows)]

    def uniforms(self, width: int) -> NDArray[np.float64]:
        """Return draws in [0, 1) as a float64 array [B, width]."""
        found: list[float] = []
        for take, rows in self._groups:
            found += take(rows * width)
        return np.array(found, np.float64).reshape(self._number, width)

    def normals(self, width: int) -> NDArray[np.float64]:
        """Return standard normal draws as a float64 array [B, width] (Box and Muller 1958)."""
        draws = self.uniforms(2 * width)
        radius, angle = draws[:, :width], draws[:, width:]
        return np.sqrt(-2.0 * np.log1p(-radius)) * np.cos(2.0 * np.pi * angle)
