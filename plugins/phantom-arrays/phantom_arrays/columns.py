"""`Columns`: a payload that holds what many members say, or hear, as arrays."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Mapping
from typing import Any, ClassVar, Self, get_args, get_origin, get_type_hints

import msgspec
import numpy as np
from numpy.typing import NDArray

import phantom_core as ph


@ph.msg_payload()
class Columns(
    msgspec.Struct, frozen=True, eq=False, array_like=True, kw_only=True, tag=True, tag_field="class"
):
    """What a population and an agent of a network send each other: one message, with a row for each member.

    Derive a class from it, and declare the dtype of each column:

    >>> class Orders(Columns):
    ...     size: NDArray[np.int64]
    >>> Orders([3, 1], member=[0, 7])
    Orders(size=array([3, 1]), member=array([0, 7]))

    A column has a value for each row, or is given as one value for all. It is copied and cannot be written,
    so a message stays as it was sent. A population that sends gives no `member`; whoever receives finds it.
    `@ph.msg_payload(receiver_type=...)` may restrict a class, as that of any payload.

    Attributes:
        member: int64 array [rows]; whom each row is of, as the number of a member of the population. None,
            for what an agent sends: all members, in order.

    Raises:
        phantom_core.errors.ConfigError: if a class declares a column in another way.
        phantom_core.errors.EnvError: if a column is not of its dtype, or has not as many rows as another.
    """

    member: Any = None

    dtypes: ClassVar[Mapping[str, np.dtype[Any]] | None] = None
    """The dtype of each column; None: not known yet, because a name in an annotation is not defined yet."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Look at what the class declares."""
        super().__init_subclass__(**kwargs)
        cls.dtypes = None
        with contextlib.suppress(NameError):
            cls.dtypes = _declared(cls)

    def of(self, member: NDArray[np.int64] | None) -> Self:
        """Return the same columns as those of other members."""
        found = copy.copy(self)
        if member is not None:
            member.flags.writeable = False
        msgspec.structs.force_setattr(found, "member", member)
        return found

    def __post_init__(self) -> None:
        """Make arrays of the columns."""
        dtypes = type(self).dtypes
        if dtypes is None:
            dtypes = type(self).dtypes = _declared(type(self))
        columns = {} if self.member is None else {"member": _members(self)}
        for name, dtype in dtypes.items():
            columns[name] = _column(self, name, dtype)
        lengths = {name: len(column) for name, column in columns.items() if column.ndim}
        if len(set(lengths.values())) > 1:
            each = ", ".join(f"{name} {length}" for name, length in lengths.items())
            raise ph.errors.EnvError(
                f"{type(self).__name__} has columns of several lengths: {each}. Give a value for each row, "
                "or one for all."
            )
        for name, found in columns.items():
            column = found
            if lengths and not column.ndim:
                column = np.full(next(iter(lengths.values())), column)
            if column.base is not None or column.flags.writeable:
                column = column.copy() if column is found else column
                column.flags.writeable = False
            msgspec.structs.force_setattr(self, name, column)


def _declared(cls: type[Columns]) -> dict[str, np.dtype[Any]]:
    """Return the dtype of each column; raise `ConfigError` if one is not declared so."""
    found: dict[str, np.dtype[Any]] = {}
    for name, hint in get_type_hints(cls).items():
        if name == "member" or get_origin(hint) is ClassVar:
            continue
        inner = get_args(get_args(hint)[-1]) if get_origin(hint) is np.ndarray else ()
        kind = inner[0] if inner else None
        if not (isinstance(kind, type) and issubclass(kind, np.generic) and np.dtype(kind).kind in "biuf"):
            text = hint.__name__ if isinstance(hint, type) and get_origin(hint) is None else hint
            raise ph.errors.ConfigError(
                f"{cls.__name__}.{name} is declared as {text}. Expected an array of bools, integers or "
                f"floats, such as {name}: NDArray[np.int64], with NDArray of numpy.typing."
            )
        found[name] = np.dtype(kind)
    return found


def _members(payload: Columns) -> NDArray[np.int64]:
    found = np.asarray(payload.member)
    if found.ndim != 1 or (found.size and found.dtype.kind not in "iu"):
        raise ph.errors.EnvError(
            f"{type(payload).__name__}.member is {payload.member!r}. Expected an array of integers: the "
            "number of a member for each row."
        )
    return found.astype(np.int64, copy=False)


def _column(payload: Columns, name: str, dtype: np.dtype[Any]) -> NDArray[Any]:
    value = getattr(payload, name)
    what = f"{type(payload).__name__}.{name}"
    try:
        found: NDArray[Any] = np.asarray(value)
    except ValueError:
        raise ph.errors.EnvError(f"{what} is {value!r}, which is no array of {dtype}.") from None
    if found.dtype == dtype:
        return found
    if not found.size:
        return found.astype(dtype)
    try:
        return found.astype(dtype, casting="same_kind")
    except TypeError:
        raise ph.errors.EnvError(
            f"{what} is declared as {dtype}, but is sent as {found.dtype}. Convert it: "
            f"x.astype(np.{dtype}), or declare it as {found.dtype}."
        ) from None
