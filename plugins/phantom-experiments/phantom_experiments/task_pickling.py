"""Sends what a study uses to other processes: by name where that is possible, else by value."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import FunctionType, MemberDescriptorType
from typing import Any, Final

import cloudpickle
import msgspec

import phantom_core as ph

_SETTINGS: Final = (
    *("frozen", "eq", "order", "array_like", "gc", "repr_omit_defaults", "omit_defaults"),
    *("forbid_unknown_fields", "weakref", "dict", "cache_hash", "tag", "tag_field"),
)
_MADE_BY_MSGSPEC: Final = ("__match_args__", "__annotations__", "__slots__", "__dict__", "__weakref__")


def pickled(value: Any) -> bytes:
    """Return a value as another process of this machine is sent it.

    Classes and functions that the process can import are sent by name; lambdas, functions within functions,
    and what is defined in a notebook, by value.

    Raises:
        ConfigError: if it cannot be pickled.
    """
    return _dumped(value, _Pickler, "Define what it uses at the top level of a module, or use workers=1.")


def pickled_by_value(value: Any) -> bytes:
    """Return a value for a process that cannot import scripts and files of this one, as on another machine.

    Only what belongs to an installed package is sent by name. What is defined in the script, beside it, in
    the current folder, in a file that a reference names, or in a notebook is sent by value; so are message
    payloads. `pickle.loads` reads it.

    Raises:
        ConfigError: if it cannot be pickled.
    """
    return _dumped(value, _ValuePickler, "Put what it uses into a package that is installed there.")


def _dumped(value: Any, pickler: Callable[[io.BytesIO], cloudpickle.Pickler], advice: str) -> bytes:
    content = io.BytesIO()
    try:
        pickler(content).dump(value)
    except Exception as error:  # whatever pickling raises about a user's object
        raise ph.errors.ConfigError(
            f"The study cannot be sent to another process: {ph.tools.error_text(error)}. {advice}"
        ) from error
    return content.getvalue()


class _Pickler(cloudpickle.Pickler):  # type: ignore[misc]  # it has no types
    """Pickles by value only what has no name in a module that another process can import."""

    def reducer_override(self, obj: Any) -> Any:
        """Leave classes and functions with an importable name to pickle, which sends the name."""
        if isinstance(obj, (type, FunctionType)) and self._is_sent_by_name(obj):
            place = ph.tools.reference_to(obj) or ""
            if place.rpartition(":")[0].endswith(".py"):  # of a file that no module name leads to
                return _loaded, (place,)
            return NotImplemented
        if isinstance(obj, type) and issubclass(obj, msgspec.Struct):
            return _reduced_struct(obj)
        return super().reducer_override(obj)

    def _is_sent_by_name(self, obj: type | FunctionType) -> bool:
        """Tell whether a process that imports the script, too, finds a class or function by its name."""
        if obj.__module__ == "__main__" and not getattr(sys.modules["__main__"], "__file__", None):
            return False  # a notebook, or `python -c`
        return _has_name(obj)


class _ValuePickler(_Pickler):
    """Pickles by name only what belongs to an installed package."""

    def reducer_override(self, obj: Any) -> Any:
        """Send a model by its parts, so that its class is the one that others refer to."""
        if isinstance(obj, ph.Model):
            return _model, (obj.make_env.env_class, dict(obj.make_env.env_config), obj.policies)
        if isinstance(obj, (type, FunctionType)) and _has_name(obj) and not self._is_sent_by_name(obj):
            module = sys.modules[obj.__module__]
            if (
                obj.__module__ != "__main__"
                and module.__name__ not in cloudpickle.list_registry_pickle_by_value()
            ):
                cloudpickle.register_pickle_by_value(module)
                try:
                    return super().reducer_override(obj)
                finally:
                    cloudpickle.unregister_pickle_by_value(module)
        return super().reducer_override(obj)

    def _is_sent_by_name(self, obj: type | FunctionType) -> bool:
        """Tell whether a class or function is found by its name where scripts and their files are not."""
        place = (ph.tools.reference_to(obj) or "").rpartition(":")[0]
        return _has_name(obj) and not place.endswith(".py")


def _loaded(place: str) -> Any:
    return ph.tools.load_reference(place, setting="A part of the study", folder=Path())


def _has_name(obj: type | FunctionType) -> bool:
    """Tell whether the name of a class or function leads back to it, in this process."""
    found: Any = sys.modules.get(obj.__module__ or "")
    for part in obj.__qualname__.split("."):
        found = getattr(found, part, None)
    return found is obj


def _model(env_class: Any, env_config: Mapping[str, Any], policies: Any) -> ph.Model:
    return ph.Model(ph.load_model(env_class).with_config(env_config).make_env, policies)


def _reduced_struct(cls: type[msgspec.Struct]) -> tuple[Any, ...]:
    """Return how to make a struct, such as a message payload, again: cloudpickle loses its fields."""
    own = vars(cls)
    defaults = dict(zip(reversed(cls.__struct_fields__), reversed(cls.__struct_defaults__), strict=False))
    namespace = {
        "__annotations__": own.get("__annotations__", {}),
        "__module__": cls.__module__,
        "__qualname__": cls.__qualname__,
        "__doc__": cls.__doc__,
        **{name: _default(defaults[name]) for name in own.get("__annotations__", {}) if name in defaults},
    }
    known = (*namespace, *_MADE_BY_MSGSPEC, *cls.__struct_fields__)
    rest = {
        name: value
        for name, value in own.items()
        if name not in known
        and not name.startswith("__struct_")
        and not isinstance(value, MemberDescriptorType)
    }
    config = {name: getattr(cls.__struct_config__, name) for name in _SETTINGS}
    return _struct, (type(cls), cls.__name__, cls.__bases__, namespace, config), rest, None, None, _set_all


def _default(value: Any) -> Any:
    factory = getattr(value, "factory", None) if type(value).__module__.startswith("msgspec") else None
    return _Factory(factory) if factory is not None else value


class _Factory:
    """Stands for a default that is made anew each time; msgspec's own cannot be pickled."""

    def __init__(self, factory: Callable[[], Any]) -> None:
        self.factory = factory


def _struct(
    kind: type, name: str, bases: tuple[type, ...], namespace: Mapping[str, Any], config: Mapping[str, Any]
) -> type:
    made = {
        key: msgspec.field(default_factory=value.factory) if isinstance(value, _Factory) else value
        for key, value in namespace.items()
    }
    cls: type = kind(name, bases, made, **config)
    return cls


def _set_all(cls: type, values: Mapping[str, Any]) -> None:
    for name, value in values.items():
        setattr(cls, name, value)
