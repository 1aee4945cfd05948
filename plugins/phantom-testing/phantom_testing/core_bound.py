"""Which versions of the core a plugin made today works with."""

from __future__ import annotations

from typing import Final

from packaging.specifiers import SpecifierSet
from packaging.version import Version

import phantom_core as ph

CORE_DISTRIBUTION: Final = "phantom-rl-core"
_LATE: Final = 9999
"""The number of a patch, or of a minor version, that is far away."""


def core_bound() -> str:
    """Return a version specifier for the core: the installed minor version, such as `>=0.2,<0.3`."""
    version = Version(ph.__version__)
    return f">={version.major}.{version.minor},<{version.major}.{version.minor + 1}"


def bound_problem(specifier: str) -> str:
    """Say what is wrong with a version specifier for the core, as half a sentence; nothing if it is right.

    >>> bound_problem("")
    'admits versions that do not exist yet, such as 0.3, and versions before 0.2'
    """
    version = Version(ph.__version__)
    major, minor, allowed = version.major, version.minor, SpecifierSet(specifier)

    def admits(*parts: int) -> bool:
        return allowed.contains(".".join(map(str, parts)), prereleases=True)

    problems = []
    if not admits(major, minor, _LATE):
        problems.append(f"excludes later patches of {major}.{minor}")
    later = [(major, minor + 1), (major + 1, 0), (major, _LATE)]
    found = next((parts for parts in later if admits(*parts, 0)), None)
    if found is not None:
        name = f"{found[0]}.{'x' if found[1] == _LATE else found[1]}"
        problems.append(f"admits versions that do not exist yet, such as {name}")
    earlier = [
        (0, 0),
        *((major, number) for number in range(minor)),
        *((number, _LATE) for number in range(major)),
    ]
    if any(admits(*parts, _LATE) for parts in earlier):
        before = f"versions before {major}.{minor}"
        problems.append(before if found is not None else f"admits {before}")
    return ", and ".join(problems)
