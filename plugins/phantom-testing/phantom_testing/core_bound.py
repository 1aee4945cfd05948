"""Which versions of the core a plugin made today works with."""

from __future__ import annotations

from typing import Final

from packaging.version import Version

import phantom_core as ph

CORE_DISTRIBUTION: Final = "phantom-rl-core"


def core_bound() -> str:
    """Return a version specifier for the core: the installed minor version, such as `>=0.2,<0.3`."""
    version = Version(ph.__version__)
    return f">={version.major}.{version.minor},<{version.major}.{version.minor + 1}"
