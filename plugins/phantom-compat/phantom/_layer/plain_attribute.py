"""Names that belong to programs, though the core uses them for something."""

from typing import Any


class PlainAttribute:
    """An attribute that is what the program sets it to, and does not exist before."""

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        try:
            return self if instance is None else instance.__dict__[f"_own_{self._name}"]
        except KeyError:
            raise AttributeError(
                f"{type(instance).__name__!r} object has no attribute {self._name!r}"
            ) from None

    def __set__(self, instance: Any, value: Any) -> None:
        instance.__dict__[f"_own_{self._name}"] = value

    def __delete__(self, instance: Any) -> None:
        del instance.__dict__[f"_own_{self._name}"]
