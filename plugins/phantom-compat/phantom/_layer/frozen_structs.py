"""Frozen dataclasses that cost an eighth: structs of msgspec that look and behave like them.

A frozen dataclass sets each field through `object.__setattr__`; a struct of msgspec is filled in C.
"""

import dataclasses
from dataclasses import FrozenInstanceError
from typing import Any, TypeVar

import msgspec

ClassT = TypeVar("ClassT", bound=type)

_OWN_WAYS = {  # methods with which a class would notice that it became a struct
    "__init__", "__new__", "__post_init__", "__slots__", "__setattr__", "__delattr__", "__getattr__",
    "__getattribute__", "__hash__", "__eq__", "__repr__", "__init_subclass__", "__reduce__", "__getstate__",
}  # fmt: skip
_MADE_ANEW = {"__dict__", "__weakref__", "__annotations__"}


class Frozen:
    """What a frozen dataclass refuses, and how it prints and hashes."""

    __slots__ = ()

    def __setattr__(self, name: str, value: object) -> None:
        raise FrozenInstanceError(f"cannot assign to field {name!r}")

    def __delattr__(self, name: str) -> None:
        raise FrozenInstanceError(f"cannot delete field {name!r}")

    def __hash__(self) -> int:
        return hash(tuple(self.__dict__.values()))

    @property
    def __dict__(self) -> dict[str, Any]:  # type: ignore[override]  # a struct has none; `vars` uses this
        return {name: getattr(self, name) for name in self.__struct_fields__}  # type: ignore[attr-defined]  # of structs

    def __repr__(self) -> str:
        fields = ", ".join(f"{name}={value!r}" for name, value in self.__dict__.items())
        return f"{type(self).__qualname__}({fields})"


def freeze(cls: ClassT) -> ClassT:
    """Make a class a frozen dataclass: as a struct, unless the class could tell the difference."""
    if issubclass(cls, Frozen):  # it derives from one that is a struct, and so became one
        return show_as_dataclass(cls)
    own = dict(vars(cls))
    frozen: Any = dataclasses.dataclass(frozen=True)(cls)
    if not _is_plain(cls, own):
        return frozen  # type: ignore[no-any-return]  # it is the class that came in
    fields = dataclasses.fields(frozen)
    kept = own.keys() - _MADE_ANEW - {field.name for field in fields}
    struct: Any = msgspec.defstruct(
        cls.__name__,
        [_struct_field(field) for field in fields],
        bases=(Frozen, msgspec.Struct),
        namespace={name: own[name] for name in own if name in kept},
        weakref=True,
    )
    struct.__qualname__ = cls.__qualname__
    struct.__doc__ = frozen.__doc__
    return show_as_dataclass(struct)  # type: ignore[no-any-return]  # a class in place of a class


def show_as_dataclass(struct: ClassT) -> ClassT:
    """Let `dataclasses.fields`, `asdict` and `replace` work with a struct."""
    cls: Any = struct
    names, defaults = cls.__struct_fields__, cls.__struct_defaults__
    required = len(names) - len(defaults)
    fields = [
        (name, Any) if index < required else (name, Any, _default(defaults[index - required]))
        for index, name in enumerate(names)
    ]
    twin: Any = dataclasses.make_dataclass(cls.__name__, fields, frozen=True)
    cls.__dataclass_fields__ = twin.__dataclass_fields__
    cls.__dataclass_params__ = twin.__dataclass_params__
    return struct


def _is_plain(cls: type, own: dict[str, Any]) -> bool:
    declared: dict[str, dataclasses.Field[Any]] = vars(cls)["__dataclass_fields__"]
    return (
        type(cls) is type
        and cls.__bases__ == (object,)
        and _OWN_WAYS.isdisjoint(own)
        and len(declared) == len(dataclasses.fields(cls))  # else some are class variables
        and all(
            f.init and f.repr and f.compare and f.hash is None and not f.kw_only for f in declared.values()
        )
        and not any(_uses_super(value) for value in own.values())
    )


def _uses_super(value: Any) -> bool:
    """Tell whether a method refers to its class, as `super()` does: that would be the class it had before."""
    functions = [getattr(value, name, None) for name in ("fget", "fset", "__func__")] + [value]
    codes = [getattr(function, "__code__", None) for function in functions]
    return any("__class__" in code.co_freevars for code in codes if code is not None)


def _struct_field(field: dataclasses.Field[Any]) -> tuple[str, Any] | tuple[str, Any, Any]:
    if field.default is not dataclasses.MISSING:
        return field.name, field.type, field.default
    if field.default_factory is not dataclasses.MISSING:
        return field.name, field.type, msgspec.field(default_factory=field.default_factory)
    return field.name, field.type


def _default(default: Any) -> Any:
    if isinstance(default, dataclasses.Field):
        raise TypeError(f"A payload that derives from another one has {default!r}. Give it a plain default.")
    factory = getattr(default, "factory", None)  # how msgspec notes a default_factory
    if type(default).__name__ == "Factory" and callable(factory):
        return dataclasses.field(default_factory=factory)
    return dataclasses.field(default=default)
