"""`state` and `parameter`: what members of a population have, as arrays with one row for each member."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

import phantom_core as ph


class Field:
    """What a population declares: an array with one row for each member, at its name.

    Reading it gives the array itself. Setting it writes into the array, so no two names ever share one.
    """

    def __init__(
        self, dtype: DTypeLike, first: Any, shape: tuple[int, ...], *, is_public: bool, is_fixed: bool
    ) -> None:
        self.dtype, self.first, self.shape = np.dtype(dtype), first, shape
        self.is_public, self.is_fixed = is_public, is_fixed
        self.name = ""

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    # There is no __get__: Python then finds the array in the population's own __dict__ at full speed.
    def __set__(self, population: Any, value: Any) -> None:
        values = population.__dict__
        own = values.get(self.name)
        if value is own:
            return  # as after `self.stock -= 1`
        if not population.is_bound:
            self._keep(population, value)
        elif type(value) is np.ndarray and value.dtype == own.dtype and value.shape == own.shape:
            try:
                own[...] = value
            except ValueError:
                raise self._unwritable(population) from None
        else:
            self._write(population, own, value)

    def _keep(self, population: Any, value: Any) -> None:
        """Keep what `__init__` sets."""
        if not self.is_fixed:
            raise ph.errors.ConfigError(
                f"{type(population).__name__}.{self.name} is state, which begins anew in each episode, but "
                f"it is set in __init__. Declare how it begins: {self.name} = pa.state(dtype, first), or "
                "declare it as pa.parameter."
            )
        population.__dict__[self.name] = value

    def _unwritable(self, population: Any) -> ph.errors.EnvError:
        cure = "join() and leave()" if self.name == "alive" else "pa.state for what changes"
        return ph.errors.EnvError(
            f"{type(population).__name__}.{self.name} is set, but it cannot be written. Use {cure}."
        )

    def _write(self, population: Any, own: NDArray[Any], value: Any) -> None:
        """Write values into the array, by row or one for all."""
        if not own.flags.writeable:
            raise self._unwritable(population)
        found = np.asarray(value)
        if found.shape not in ((), own.shape):
            raise ph.errors.EnvError(
                f"{type(population).__name__}.{self.name} is set to an array of shape {found.shape}. "
                f"Expected {own.shape}, a row for each member in each copy, or one number."
            )
        try:
            np.copyto(own, found, casting="same_kind")
        except TypeError:
            raise ph.errors.EnvError(
                f"{type(population).__name__}.{self.name} is {own.dtype}, but is set to {found.dtype}. "
                f"Convert it: x.astype(np.{own.dtype}), or declare it as {found.dtype}."
            ) from None

    def checked(self) -> Field:
        """Return it, or raise `ConfigError` if its first value does not fit."""
        first = self.first
        if callable(first) or first is None:
            return self
        try:
            np.copyto(np.empty(self.shape, self.dtype), np.asarray(first), casting="same_kind")
        except (TypeError, ValueError):
            raise ph.errors.ConfigError(
                f"State of dtype {self.dtype} and shape {self.shape} cannot begin with {first!r}. Give a "
                "value that fits, or a function of the population that returns an array with a row for each "
                "member."
            ) from None
        return self


def state(
    dtype: DTypeLike, first: Any = None, shape: tuple[int, ...] = (), *, is_public: bool = False
) -> Any:
    """Declare something that each member has and that changes in an episode: an array [rows, *shape].

    At each reset, the rows of the copies that are reset get their first value; other copies are not touched.

    Args:
        dtype: the type of its elements.
        first: its first value; None: zero, or False. One value for every member, or a function of the
            population that returns an array with a row for each member. The function may draw (`lambda self:
            self.draw.integers(3, 9)`), and may read what is declared before.
        shape: the shape of what each member has.
        is_public: whether neighbours see it: `self.view("shops").price`.

    Raises:
        phantom_core.errors.ConfigError: if the first value does not fit.
    """
    begins = np.dtype(dtype).type(0) if first is None else first
    return Field(dtype, begins, shape, is_public=is_public, is_fixed=False).checked()


def parameter(
    dtype: DTypeLike, default: Any = None, shape: tuple[int, ...] = (), *, is_public: bool = False
) -> Any:
    """Declare something that each member has and that stays as it is: an array [rows, *shape].

    Set it in `__init__`, to one value or to one for each member. Copies of an env may have different values,
    as in a grid of experiments; everything else that `__init__` sets is the same in all copies of a batch.

    Args:
        dtype: the type of its elements.
        default: the value, unless `__init__` sets another; None: it must be set.
        shape: the shape of what each member has.
        is_public: whether neighbours see it.

    Raises:
        phantom_core.errors.ConfigError: if the default does not fit.
    """
    return Field(dtype, default, shape, is_public=is_public, is_fixed=True).checked()


def parameter_rows(population: Any, field: Field, size: int) -> NDArray[Any]:
    """Return a parameter of the members of one copy; raise `ConfigError` if it does not fit."""
    value = population.__dict__.get(field.name, field.first)
    name = f"{type(population).__name__}.{field.name}"
    if value is None:
        raise ph.errors.ConfigError(
            f"{name} is declared as a parameter, but it has no value. Set it in __init__, or give it a "
            "default."
        )
    rows = np.empty((size, *field.shape), field.dtype)
    found = np.asarray(value)
    if found.shape not in (field.shape, rows.shape):
        raise ph.errors.ConfigError(
            f"{name} has shape {found.shape}. Expected {field.shape} for all members, or {rows.shape}, a row "
            f"for each member of {population.name!r}."
        )
    try:
        np.copyto(rows, found, casting="same_kind")
    except TypeError:
        raise ph.errors.ConfigError(
            f"{name} is declared as {field.dtype}, but is set to {found.dtype}."
        ) from None
    return rows


def fields_of_class(cls: type) -> dict[str, Field]:
    """Return what a class of populations and its bases declare, in order."""
    found: dict[str, Field] = {}
    for ancestor in reversed(cls.__mro__):
        for name, value in vars(ancestor).items():
            if isinstance(value, Field):
                found.pop(name, None)
                found[name] = value
    return found
