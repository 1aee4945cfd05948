"""`Draws`: random draws for every member of a population, each determined by what it is called."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

import phantom_core as ph
from phantom_arrays.counter_bits import Bits, member_offsets, mix

_BLOCK: Final = 1 << 14
"""So many draws are made at once, so that what is between stays in the cache of a core."""

_U = np.uint64
_11, _32 = _U(11), _U(32)
_MOST: Final = 2**32

Floats: TypeAlias = NDArray[np.float64]
_Finish: TypeAlias = Callable[[Bits, int], NDArray[Any]]


def _to_uniform(x: Bits, _: int) -> NDArray[Any]:
    np.right_shift(x, _11, out=x)
    return x * 2.0**-53


def _to_integers(x: Bits, count: int) -> NDArray[Any]:
    np.right_shift(x, _32, out=x)
    np.multiply(x, _U(count), out=x)
    np.right_shift(x, _32, out=x)
    return x.view(np.int64)


def _to_high_bits(x: Bits, _: int) -> NDArray[Any]:
    return np.right_shift(x, _32, out=x)


def _to_bits(x: Bits, _: int) -> NDArray[Any]:
    return x


class Clock:
    """The step that populations of one world are in.

    Attributes:
        keys: uint64 array [L, B]; the keys of each copy in this step, and in some after it; None: before the
        first.
        now: which of these steps is the current one.
    """

    __slots__ = ("keys", "now")

    def __init__(self) -> None:
        self.keys: Bits | None = None
        self.now = 0


class _Scope:
    """The draws that one call of a method makes, in their order."""

    __slots__ = ("ahead", "names", "path")

    def __init__(self, path: tuple[object, ...]) -> None:
        self.path = path
        self.names: list[np.uint64] = []
        self.ahead: list[tuple[Bits, _Finish, int, NDArray[Any]]] = []  # for these steps, made so

    def name(self, number: int) -> np.uint64:
        while number >= len(self.names):
            self.names.append(_U(ph.seeding.name_key((*self.path, len(self.names)))))
        return self.names[number]


class Draws:
    """Random draws for all members of a population at once: `self.draw` of a population.

    Each method returns one draw for each row, member i of copy b. What it is depends only on

    - the seed and the step of copy b's episode,
    - the population's name, the method that draws (the handler, and the round of messages),
    - the number of the draw among those of that call, and
    - i.

    So it does not depend on other copies, nor on their number, nor on which members are alive. The bits are
    those of SplitMix64, see `phantom_arrays.counter_bits`. Draws may be made while an env is reset or
    stepped. Arrays that are returned hold until the end of the step: copy what you keep in a place that is no
    declared state.
    """

    def __init__(self, population: str, sizes: NDArray[np.int64], clock: Clock | None = None) -> None:
        """Prepare for copies of these sizes."""
        self._clock = Clock() if clock is None else clock
        self._population, self._sizes = population, sizes
        self._rows, self._copies = int(sizes.sum()), len(sizes)
        is_even = bool(len(sizes)) and bool((sizes == sizes[0]).all())
        self._width = int(sizes[0]) if is_even else 0  # 0: the copies have not the same number of members
        self._offsets = member_offsets(self._numbers())
        self._members: NDArray[np.int64] | None = None  # their numbers, once somebody asks for another one
        self._scopes: dict[tuple[object, ...], _Scope] = {}
        # what the draws of the method are called that is called now
        self.path: tuple[object, ...] | None = None
        self.number = 0  # of the next draw of that method

    # ------------------------------------------------------------------ what worlds call

    def begin_step(self, keys: Bits, now: int) -> None:
        """Called before each step with the keys [L, B] of some steps; the current one is `now`."""
        self._clock.keys, self._clock.now = keys, now

    def enter(self, path: tuple[object, ...]) -> None:
        """Called before a method of the population: draws are numbered anew, under the name of the method."""
        self.path, self.number = path, 0

    @contextmanager
    def elsewhere(self) -> Iterator[None]:
        """Draw for something else, under a name of its own, and then go on as if nothing had been drawn."""
        kept = self.path, self.number
        try:
            yield
        finally:
            self.path, self.number = kept

    # ------------------------------------------------------------------ what models call

    def bits(self) -> Bits:
        """Return 64 random bits for each row, as a uint64 array."""
        found: Bits = self._drawn(_to_bits)
        return found

    def uniform(self, low: Any = 0.0, high: Any = 1.0) -> Floats:
        """Return draws from [low, high), as a float64 array; the bounds are numbers or arrays by row.

        `low + (high - low) u` with u = (bits >> 11) / 2⁵³.
        """
        unit: Floats = self._drawn(_to_uniform)
        if type(low) is float and type(high) is float and low == 0.0 and high == 1.0:
            return unit
        self._check(low, "low")
        self._check(high, "high")
        found: Floats = low + (high - low) * unit
        return found

    def integers(self, low: Any, high: Any = None) -> NDArray[np.int64]:
        """Return draws from low, ..., high - 1, or with one argument n from 0, ..., n - 1, as an int64 array.

        `((bits >> 32) n) >> 32` (Lemire 2019 without its rejections): no integer is more likely than another
        by more than 1 in 2³² / n. The bounds are integers or arrays of integers by row.

        Raises:
            phantom_core.errors.EnvError: if there is no integer between the bounds, or more than 2³² of them.
        """
        first, end = (0, low) if high is None else (low, high)
        if type(first) is int and type(end) is int and 0 < end - first <= _MOST:
            found: NDArray[np.int64] = self._drawn(_to_integers, end - first)
            return found + first if first else found
        count = np.subtract(end, first)
        if count.dtype.kind not in "iu" or not 0 < count.min() <= count.max() <= _MOST:
            given = f"{low!r}" if high is None else f"{low!r}, {high!r}"
            raise ph.errors.EnvError(
                f"draw.integers({given}) of {self._population!r}: expected integers with low < high, at most "
                f"2**32 of them. With one argument n it draws from 0 to n - 1."
            )
        if not count.ndim:
            return np.asarray(self._drawn(_to_integers, int(count)) + np.int64(first))
        self._check(count, "the number of integers")
        high_bits: Bits = self._drawn(_to_high_bits)
        scaled: NDArray[np.int64] = ((high_bits * count.astype(_U)) >> _32).view(np.int64)
        return scaled + first

    def other_member(self) -> NDArray[np.int64]:
        """Return for each row another member of its copy, each as likely as the others, as an int64 array.

        A draw k from 0, ..., N - 2, which is k + 1 from the row's own number on. Who is alive is not asked.

        Raises:
            phantom_core.errors.EnvError: if a copy has only one member.
        """
        if self._sizes.min() <= 1:
            raise ph.errors.EnvError(
                f"draw.other_member() of {self._population!r}: a copy has 1 member. Expected at least 2 "
                "members in each copy."
            )
        count = self._width - 1 if self._width else np.repeat(self._sizes - 1, self._sizes)
        if self._members is None:
            self._members = self._numbers()
        found = self.integers(count).reshape(-1, len(self._members))
        return (found + (found >= self._members)).reshape(-1)

    def normal(self, loc: Any = 0.0, scale: Any = 1.0) -> Floats:
        """Return normal draws, as a float64 array; the parameters are numbers or arrays by row.

        `loc + scale √(-2 log(1 - u)) cos(2π v)` with two uniform draws u and v (Box and Muller 1958).
        """
        radius, angle = self.uniform(), self.uniform()
        self._check(loc, "loc")
        self._check(scale, "scale")
        found = np.log1p(-radius)
        found *= -2.0
        np.sqrt(found, out=found)
        found *= np.cos(2.0 * math.pi * angle)
        if not (type(loc) is float and type(scale) is float and loc == 0.0 and scale == 1.0):
            found = loc + scale * found
        return found

    def exponential(self, scale: Any = 1.0) -> Floats:
        """Return exponential draws with mean `scale`, a number or an array by row: `-scale log(1 - u)`."""
        self._check(scale, "scale")
        found: Floats = -scale * np.log1p(-self.uniform())
        return found

    def choice(self, weights: Any) -> NDArray[np.int64]:
        """Return for each row one of 0, ..., K - 1, each as likely as its weight says, as an int64 array.

        The smallest k with `u Σw < w₀ + ... + wₖ`.

        Args:
            weights: K numbers that are not negative, or an array [rows, K].

        Raises:
            phantom_core.errors.EnvError: if a weight is negative or not finite, or all of a row are zero.
        """
        given = np.asarray(weights, np.float64)
        is_shaped = given.ndim in (1, 2) and given.shape[-1] and given.shape[:-1] in ((), (self._rows,))
        totals = given.cumsum(-1) if is_shaped else given
        if (
            not is_shaped
            or not (given >= 0.0).all()
            or not (totals[..., -1] > 0.0).all()
            or not np.isfinite(totals).all()
        ):
            raise ph.errors.EnvError(
                f"draw.choice() of {self._population!r} got weights of shape {given.shape}: {weights!r}. "
                "Expected K finite numbers that are not negative, nor all zero, or such numbers for each of "
                f"the {self._rows} rows."
            )
        unit = self.uniform()
        if given.ndim == 1:
            found: NDArray[np.int64] = totals.searchsorted(unit * totals[-1], side="right")
        else:
            found = (totals <= (unit * totals[:, -1])[:, None]).sum(1)
        last = given.shape[-1] - 1 - (given[..., ::-1] > 0.0).argmax(-1)  # u Σw may be rounded up to Σw
        return np.asarray(np.minimum(found, last))

    def permutation(self) -> NDArray[np.int64]:
        """Return for each copy its members 0, ..., N - 1 in random order, one copy after the other.

        They are sorted by 64 random bits each.
        """
        bits = self.bits()
        if self._width:
            found = bits.reshape(self._copies, self._width).argsort(1, kind="stable")
            rows: NDArray[np.int64] = found.reshape(-1).astype(np.int64, copy=False)
            return rows
        ends = self._sizes.cumsum()
        each = (
            bits[end - size : end].argsort(kind="stable") for end, size in zip(ends, self._sizes, strict=True)
        )
        return np.concatenate([*each, np.zeros(0, np.int64)])

    # ------------------------------------------------------------------ how

    def _numbers(self) -> NDArray[np.int64]:
        """Return the number of each member: of one copy, if all have the same; else of all rows."""
        sizes = [self._width] if self._width else self._sizes.tolist()
        return np.concatenate([*map(np.arange, sizes), np.zeros(0, np.int64)])

    def _drawn(self, finish: _Finish, parameter: int = 0) -> Any:
        """Return what `finish` makes of the bits of the next draw and of a parameter."""
        path, clock = self.path, self._clock
        keys = clock.keys
        if path is None or keys is None:
            raise ph.errors.EnvError(
                f"{self._population!r} draws outside of an episode. Draw in the methods that an env calls "
                "while it is reset or stepped."
            )
        scope = self._scopes.get(path)
        if scope is None:
            scope = self._scopes[path] = _Scope((self._population, *path))
        number = self.number
        self.number = number + 1
        steps = len(keys)
        if steps == 1:
            return self._made(keys, scope.name(number), finish, parameter).reshape(-1)
        if number < len(scope.ahead):
            drawn_for, by, of, drawn = scope.ahead[number]
            if drawn_for is keys and by is finish and of == parameter:
                return drawn[clock.now]
        drawn = self._made(keys, scope.name(number), finish, parameter)
        scope.ahead[number : number + 1] = [(keys, finish, parameter, drawn)]
        return drawn[clock.now]

    def _made(self, keys: Bits, name: np.uint64, finish: _Finish, parameter: int) -> NDArray[Any]:
        """Return draws [L, rows] for the keys [L, B]."""
        steps = len(keys)
        named = keys + name
        if not self._width:
            x = np.repeat(named, self._sizes, axis=1)
            x += self._offsets
            return finish(mix(x, np.empty_like(x)), parameter)
        groups = named.reshape(-1, 1)
        width = self._width
        if len(groups) * width <= _BLOCK:
            x = groups + self._offsets
            return finish(mix(x, np.empty_like(x)), parameter).reshape(steps, -1)
        return self._made_in_blocks(groups, finish, parameter).reshape(steps, -1)

    def _made_in_blocks(self, groups: Bits, finish: _Finish, parameter: int) -> NDArray[Any]:
        """Return draws [L B, N], made block by block."""
        width, made = self._width, None
        high = max(1, _BLOCK // width)
        for top in range(0, len(groups), high):
            for left in range(0, width, _BLOCK):
                x = groups[top : top + high] + self._offsets[left : left + _BLOCK]
                block = finish(mix(x, np.empty_like(x)), parameter)
                if made is None:
                    made = np.empty((len(groups), width), block.dtype)
                made[top : top + high, left : left + _BLOCK] = block
        assert made is not None
        return made

    def _check(self, value: Any, what: str) -> None:
        """Raise if an argument is an array that is not one by row."""
        shape = getattr(value, "shape", ())
        if shape not in ((), (self._rows,)):
            raise ph.errors.EnvError(
                f"A draw of {self._population!r} got {what} of shape {shape}. Expected a number, or an array "
                f"with one for each of its {self._rows} rows."
            )
