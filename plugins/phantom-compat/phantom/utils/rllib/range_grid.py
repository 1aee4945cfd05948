"""Every combination of the values of the ranges that are anywhere in a value."""

import copy
from collections.abc import Sequence
from typing import Any

from phantom.utils.nesting import collect_instances_of_type_with_paths, update_val
from phantom.utils.ranges import Range


class RangeGrid:
    """The points of a grid: the range that was found first varies the slowest.

    A range that is in several places has one value in all of them at each point. Without ranges there is one
    point.
    """

    def __init__(self, value: Any) -> None:
        """Find the ranges; the value itself stays as it is."""
        import phantom_experiments as px  # takes time, which most programs do not need

        self._value = value
        found: list[tuple[Any, Any]] = collect_instances_of_type_with_paths(Range, value)
        self._paths = [paths for _, paths in found]
        self._names = _names([one for one, _ in found])
        self._design = px.Design((), ({},))
        for place, (one, _) in enumerate(found):
            values = tuple({str(place): own} for own in one.values())
            self._design *= px.Design((str(place),), values)

    def __len__(self) -> int:
        return len(self._design)

    def params(self, point: int) -> dict[str, Any]:
        """Return the value of each range at a point, by its name; those without are called `range-k`.

        They are counted from the last one that was found.
        """
        return dict(zip(self._names, self._values(point), strict=True))

    def value_at(self, point: int) -> Any:
        """Return a deep copy of the value, with those of a point in place of the ranges."""
        filled = copy.deepcopy(self._value)
        for paths, own in zip(self._paths, self._values(point), strict=True):
            for path in paths:
                filled = update_val(filled, path, own)
        return filled

    def _values(self, point: int) -> list[Any]:
        return list(self._design[point].values())


def _names(ranges: Sequence[Any]) -> list[Any]:
    given = [getattr(one, "name", None) for one in ranges]
    left = sum(not name for name in given)
    names = []
    for name in given:
        left -= not name
        names.append(name or f"range-{left}")
    return names
