"""Agent-based models that learn: `import phantom_core as ph`.

Every public name is an attribute of this package, imported when it is first used, or of one of its public
modules: `ph.samplers`, `ph.ranges`, `ph.encoders`, `ph.decoders`, `ph.reward_functions`, `ph.metrics`,
`ph.reading`, `ph.trust`, `ph.writing`, `ph.secrets`, `ph.errors`, `ph.seeding`, `ph.tools` and `ph.types`.
They are listed in `__init__.pyi`, which type checkers read too.
"""

from __future__ import annotations

import importlib
import re
from typing import Any

_STUB = __loader__.get_data(f"{__path__[0]}/__init__.pyi").decode()  # also from a zip
_PLACES = re.findall(r"^from (\S+) import (\w+)", _STUB, re.MULTILINE)  # module or package, name
_PUBLIC_MODULES = {
    name: f"{package}.{name}"
    for package, name in _PLACES
    if package in ("phantom_core", "phantom_core.world")
}
_IN_DISTRIBUTIONS = {  # what the core had once: the names of each distribution that has them now
    "phantom-pettingzoo": "PettingZooEnv to_aec to_parallel",
    "phantom-recording": "EpisodePrinter RecordedEpisode RecordedMessage RecordedStep Recorder "
    "read_recording replay",
    "phantom-testing": "Diagnosis Finding diagnose testing",
}
_MODULE_BY_NAME = {name: module for module, name in _PLACES if name not in _PUBLIC_MODULES}

__all__ = sorted([*_MODULE_BY_NAME, *_PUBLIC_MODULES, "__version__"])  # noqa: PLE0605  a list all the same


def __getattr__(name: str) -> Any:
    if name in _MODULE_BY_NAME:
        value: Any = getattr(importlib.import_module(_MODULE_BY_NAME[name]), name)
    elif name in _PUBLIC_MODULES:
        value = importlib.import_module(_PUBLIC_MODULES[name])
    elif name == "__version__":
        value = importlib.import_module("phantom_core.installed.discovery").core_version()
    else:
        raise AttributeError(f"module 'phantom_core' has no attribute {name!r}{_its_place(name)}")
    globals()[name] = value
    return value


def _its_place(name: str) -> str:
    """Return where a name is that the core had once, as the end of a sentence; else an empty string."""
    for distribution, names in _IN_DISTRIBUTIONS.items():
        if name in names.split():
            package = distribution.replace("-", "_")
            place = package if name == "testing" else f"{package}.{name}"
            return f": it is {place} now. To install it: pip install {distribution}"
    for module in ("decoders", "encoders", "ranges", "reward_functions", "samplers"):
        if name in importlib.import_module(_PUBLIC_MODULES[module]).__all__:
            return f". It is ph.{module}.{name}."
    return ""


def __dir__() -> list[str]:
    return list(__all__)
