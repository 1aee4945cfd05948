"""Names as MLflow takes them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

MAX_LENGTH: Final = 250

_REFUSED: Final = re.compile(r"[^\w.\- /]")
_NO_FOLDERS: Final = ("", ".", "..")


class MlflowNames:
    """Gives each name of a run one that MLflow takes; different names stay different.

    MLflow refuses characters other than letters, digits, `_`, `-`, `.`, blanks and `/`, paths that lead
    elsewhere, and more than 250 characters. Names that it takes are kept, unless another name has
    become the same before: then a number is appended.

    >>> names = MlflowNames()
    >>> names["rewards/SHOP"], names["stock, in %"], names["stock; in %"]
    ('rewards/SHOP', 'stock_ in _', 'stock_ in __2')

    Attributes:
        by_name: the names that were given so far.
    """

    def __init__(self, by_name: Mapping[str, str] | None = None) -> None:
        """Give the names that were given before, if there are any."""
        self.by_name: dict[str, str] = dict(by_name or {})
        self._taken = set(self.by_name.values())

    def __getitem__(self, name: object) -> str:
        """Return the name under which a value is written."""
        key = str(name)
        if key not in self.by_name:
            found = self.by_name[key] = self._free(_accepted(key))
            self._taken.add(found)
        return self.by_name[key]

    def _free(self, name: str) -> str:
        """Return a name that no other has, of a length that MLflow takes."""
        candidate = name if len(name) <= MAX_LENGTH else name[:MAX_LENGTH].rstrip("/.")
        number = 2
        while candidate in self._taken:
            end = f"_{number}"
            candidate = name[: MAX_LENGTH - len(end)] + end
            number += 1
        return candidate


def _accepted(name: str) -> str:
    """Return a name that is a relative path of accepted characters."""
    parts = _REFUSED.sub("_", name).split("/")
    path = "/".join("_" * max(1, len(part)) if part in _NO_FOLDERS else part for part in parts)
    return f"__{path[2:]}" if path.startswith("..") else path
