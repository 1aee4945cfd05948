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

_BLOCK: Final = 1024
"""So many draws a stream makes at once."""
_MANY: Final = 16
"""So many streams lend draws; fewer are asked one by one."""
_LOAN: Final = 2**18
"""So many draws are borrowed at once at most."""
_NOTHING: Final = np.empty(0)


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

    __slots__ = ("_block", "_borrower", "_lent", "_rest", "_rng", "_unused")

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng
        self._block: Mapping[str, Any] = rng.bit_generator.state  # the state that made the block
        self._unused: list[float] = []  # what is left of the block, backwards
        self._rest = _NOTHING  # the same as an array, if there is no list of it
        self._lent = _NOTHING  # what was left, while somebody draws from it
        self._borrower: RowStreams | None = None

    def random(self) -> float:
        """Return the next draw."""
        if not self._unused:
            self._have_some()
        return self._unused.pop()

    def take(self, number: int) -> list[float]:
        """Return the next so many draws, in order: much faster than one at a time."""
        if not number:
            return []
        if not self._unused:
            self._have_some()
        unused = self._unused
        if number <= len(unused):
            found = unused[-number:]
            del unused[-number:]
            found.reverse()
            return found
        many: list[float] = self.take_array(number).tolist()
        return many

    def take_array(self, number: int) -> NDArray[np.float64]:
        """Return the next so many draws as an array, which is faster still for more than a block."""
        first = self.take(min(number, self.at_hand()))
        missing = number - len(first)
        if not missing:
            return np.array(first, np.float64)
        whole = self._rng.random(missing // _BLOCK * _BLOCK)
        return np.concatenate([first, whole, self.take(missing % _BLOCK)])

    def at_hand(self) -> int:
        """Return how many draws there are before the generator is asked again: at least one."""
        if not self._unused:
            self._have_rest()
        return len(self._unused) or len(self._rest)

    def lend(self, borrower: RowStreams, number: int) -> NDArray[np.float64]:
        """Lend the next so many draws, which are at hand, until `take_back`."""
        if self._unused:
            self._rest, self._unused = np.array(self._unused[::-1], np.float64), []
        self._borrower, self._lent, self._rest = borrower, self._rest, _NOTHING
        return self._lent[:number]

    def take_back(self, number: int) -> None:
        """Go on after the first so many draws that were lent."""
        self._borrower, self._rest, self._lent = None, self._lent[number:], _NOTHING

    def restart(self, rng: np.random.Generator) -> None:
        """Draw from another generator from now on."""
        self._return_loan()
        self._rng, self._unused, self._rest = rng, [], _NOTHING

    def state_dict(self) -> dict[str, Any]:
        """Return the position of the stream: the generator's state and the draws left in its block."""
        self._return_loan()
        unused = len(self._unused) + len(self._rest)
        return {"generator": self._block if unused else self._rng.bit_generator.state, "unused": unused}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from the position that `state_dict` returned."""
        self._return_loan()
        unused = int(state["unused"])
        self._rng.bit_generator.state = state["generator"]
        self._block = self._rng.bit_generator.state
        self._unused, self._rest = [], self._rng.random(_BLOCK)[_BLOCK - unused :] if unused else _NOTHING

    def _have_some(self) -> None:
        """Have a list of draws, where there is none or it is lent."""
        self._have_rest()
        self._unused, self._rest = self._rest[::-1].tolist(), _NOTHING

    def _have_rest(self) -> None:
        """Have an array of draws, where there is no list of them or it is lent."""
        self._return_loan()
        if not len(self._rest):
            self._block = self._rng.bit_generator.state
            self._rest = self._rng.random(_BLOCK)

    def _return_loan(self) -> None:
        if self._borrower is not None:
            self._borrower.give_back()


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

    Many streams lend it draws for several calls, as one array; whoever else asks one of them gets what was
    not used first. So the numbers are the same as if each row asked its stream by itself.
    """

    __slots__ = ("_ahead", "_groups", "_loan", "_number", "_share", "_streams", "_used")

    def __init__(self, streams: Sequence[UniformStream]) -> None:
        self._number = len(streams)
        groups: list[list[Any]] = []  # a stream, and how many rows in a row have it
        for stream in streams:
            if groups and groups[-1][0] is stream:
                groups[-1][1] += 1
            else:
                groups.append([stream, 1])
        self._groups = [(stream, number) for stream, number in groups]
        self._streams: list[UniformStream] = [stream for stream, _ in groups]
        shares = {number for _, number in groups}
        is_alike = len(shares) == 1 and len(set(map(id, self._streams))) == len(groups) >= _MANY
        self._share = shares.pop() if is_alike else 0  # how many rows each stream has, if it may lend
        self._ahead = 1  # for how many calls draws are borrowed
        self._loan: NDArray[np.float64] | None = None  # [draws, streams]
        self._used = 0  # how many draws of each stream

    def __len__(self) -> int:
        return self._number

    def of_rows(self, rows: NDArray[np.int64]) -> RowStreams:
        """Return the streams of some rows, for a batch of these."""
        streams = [stream for stream, number in self._groups for _ in range(number)]
        return RowStreams([streams[row] for row in rows.tolist()])

    def uniform(self) -> list[float]:
        """Return B draws in [0, 1), one for each row."""
        if self._share:
            found = self._borrowed(self._share)
            if found is not None:
                return found.ravel().tolist()
        if len(self._groups) == self._number:
            return [stream.random() for stream in self._streams]
        return [draw for stream, rows in self._groups for draw in stream.take(rows)]

    def uniforms(self, width: int) -> NDArray[np.float64]:
        """Return draws in [0, 1) as a float64 array [B, width]."""
        if self._share and width:
            borrowed = self._borrowed(self._share * width)
            if borrowed is not None:
                return borrowed.reshape(self._number, width)
        if self._number * width > _BLOCK * len(self._groups):
            parts = [stream.take_array(rows * width) for stream, rows in self._groups]
            return np.concatenate(parts).reshape(self._number, width)
        found: list[float] = []
        for stream, rows in self._groups:
            found += stream.take(rows * width)
        return np.array(found, np.float64).reshape(self._number, width)

    def normals(self, width: int) -> NDArray[np.float64]:
        """Return standard normal draws as a float64 array [B, width] (Box and Muller 1958)."""
        draws = self.uniforms(2 * width)
        radius, angle = draws[:, :width], draws[:, width:]
        return np.sqrt(-2.0 * np.log1p(-radius)) * np.cos(2.0 * np.pi * angle)

    def give_back(self) -> None:
        """Let the streams go on after the draws that were used of those that they lent."""
        if self._loan is not None:
            self._loan, self._ahead = None, 1
            for stream in self._streams:
                stream.take_back(self._used)

    def _borrowed(self, number: int) -> NDArray[np.float64] | None:
        """Return the next draws of each stream [streams, number]; None if not all have so many at hand."""
        if self._loan is None or self._used + number > len(self._loan):
            ahead = 2 * self._ahead if self._loan is not None else 1
            self.give_back()
            at_hand = self._streams[0].at_hand()
            most = max(number, _LOAN // len(self._streams))
            wanted = min(number * ahead, most, at_hand) // number * number
            if not wanted or any(stream.at_hand() != at_hand for stream in self._streams):
                return None
            lent = [stream.lend(self, wanted) for stream in self._streams]
            self._loan = np.ascontiguousarray(np.array(lent).T)
            self._used, self._ahead = 0, ahead
        found = self._loan[self._used : self._used + number]
        self._used += number
        return np.ascontiguousarray(found.T)
