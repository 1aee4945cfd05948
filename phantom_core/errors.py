"""Every exception that phantom_core raises on purpose.

PhantomError
├── ConfigError               a setting of a run, a component or an env is wrong
│   ├── UnknownNameError      a name that nothing is registered under
│   ├── AmbiguousNameError    a name that several distributions register
│   └── PolicyMappingError    agents and policies do not fit together
├── PluginError               a plugin cannot be found, imported, built or started
│   ├── IncompatiblePluginError   its requirement on the core is not met
│   └── HookError             a hook implementation raised or is misspelt
├── EnvError                  an env or one of its agents broke a rule
│   ├── NetworkError          a message that the network does not allow
│   ├── NeighbourError     a look at an agent that is no neighbour; also a KeyError
│   ├── ResolverError         messages that cannot be resolved
│   ├── StageError            a stage that moved where it may not
│   ├── ObservationError      an observation outside its space
│   └── EpisodeError          a step before reset, or after the end
├── RecordingError            a recording that cannot be written, read or played again
├── CheckpointError           a checkpoint that cannot be written or read
└── RunDirectoryError         a run directory that cannot be written or read

Each message says what happened (with the value), what was expected and what to do.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable, Iterable
from pathlib import Path


class PhantomError(Exception):
    """Base class of every exception that phantom_core raises on purpose."""

    def __reduce__(self) -> tuple[Callable[..., PhantomError], tuple[object, ...]]:
        """Let it travel between processes, whatever arguments its class takes."""
        return _again, (type(self), self.args, self.__dict__)


class ConfigError(PhantomError):
    """A setting of a run, a component or an env is wrong."""


class UnknownNameError(ConfigError):
    """A name that nothing is registered under.

    Attributes:
        kind: what was looked for, such as `"trainer"`.
        name: the name that was asked for.
        known: the names that are registered.
    """

    def __init__(self, message: str, *, kind: str, name: str, known: tuple[str, ...]) -> None:
        super().__init__(message)
        self.kind = kind
        self.name = name
        self.known = known


class AmbiguousNameError(ConfigError):
    """A name that several distributions register.

    Attributes:
        kind: what was looked for, such as `"trainer"`.
        name: the name that was asked for.
        choices: the qualified names (`distribution:name`) to choose from.
    """

    def __init__(self, message: str, *, kind: str, name: str, choices: tuple[str, ...]) -> None:
        super().__init__(message)
        self.kind = kind
        self.name = name
        self.choices = choices


class PolicyMappingError(ConfigError):
    """Agents and policies do not fit together."""


class PluginError(PhantomError):
    """A plugin cannot be found, imported, built or started.

    Attributes:
        plugin: the name of the plugin.
    """

    def __init__(self, message: str, *, plugin: str) -> None:
        super().__init__(message)
        self.plugin = plugin


class IncompatiblePluginError(PluginError):
    """The plugin's requirement on the core is not met by the installed core."""


class HookError(PluginError):
    """A hook implementation raised, is misspelt or has the wrong shape."""


class EnvError(PhantomError):
    """An env or one of its agents broke a rule."""


class NetworkError(EnvError):
    """A message that the network does not allow."""


class NeighbourError(EnvError, KeyError):
    """A look at an agent that is no neighbour."""

    def __str__(self) -> str:
        """Return the message as it is; a KeyError shows its repr."""
        return Exception.__str__(self)


class ResolverError(EnvError):
    """Messages that cannot be resolved."""


class StageError(EnvError):
    """A stage moved to what is not one of its next stages.

    Attributes:
        stage: the id of the stage.
        next_stage: what its handler returned.
        allowed: the ids of its next stages.
    """

    def __init__(self, *, stage: object, next_stage: object, allowed: tuple[object, ...]) -> None:
        advice = "Return one of those" if next_stage is not None else "Let its handler return one of those"
        super().__init__(
            f"Stage {stage!r} moved to {next_stage!r}, which is not one of its next stages: "
            f"{listing(allowed)}. {advice}, or add it to next_stages."
        )
        self.stage = stage
        self.next_stage = next_stage
        self.allowed = allowed


class ObservationError(EnvError):
    """An observation outside its space."""


class EpisodeError(EnvError):
    """A step before the first reset, or after the end of the episode."""


class RecordingError(PhantomError):
    """A recording that cannot be written, read or played again."""


class CheckpointError(PhantomError):
    """A checkpoint that cannot be written or read."""


class RunDirectoryError(PhantomError):
    """A run directory that cannot be written or read."""


def _again(cls: type[PhantomError], args: tuple[object, ...], attributes: dict[str, object]) -> PhantomError:
    error = cls.__new__(cls, *args)
    error.__dict__.update(attributes)
    return error


def did_you_mean(name: object, known: Iterable[object]) -> str:
    """Return ` Did you mean 'x'?` for the nearest known name, or an empty string.

    >>> did_you_mean("pppo", ["ppo", "q-learning"])
    " Did you mean 'ppo'?"
    >>> did_you_mean("zzz", ["ppo"])
    ''
    """
    by_text = {str(candidate): candidate for candidate in known}
    nearest = difflib.get_close_matches(str(name), by_text, n=1)
    return f" Did you mean {by_text[nearest[0]]!r}?" if nearest else ""


def listing(values: Iterable[object]) -> str:
    """Join values for a message: `'a', 'b'`, or `none` when there are none.

    >>> listing(["SHOP", 3])
    "'SHOP', 3"
    """
    return ", ".join(repr(value) for value in values) or "none"


def told(error: BaseException) -> str:
    """Return the class and the text of an exception, to stand in a sentence.

    An exception of a stranger's may raise when it is asked for its text; then there is none.

    >>> told(ValueError("no such day.")), told(KeyError())
    ('ValueError: no such day', 'KeyError')
    """
    try:
        text = without_stop(error)
    except Exception:
        text = ""
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def place_of(error: BaseException) -> str:
    """Return where a user's code raised, such as ` (boom.py, line 7, in decode_action)`, or an empty string.

    That is the innermost frame outside phantom_core and the standard library, and outside installed
    packages if there is one.
    """
    own, installed = "", ""
    traceback = error.__traceback__
    while traceback is not None:
        code = traceback.tb_frame.f_code
        path, name = code.co_filename, "" if code.co_name.startswith("<") else f", in {code.co_name}"
        place = f" ({Path(path).name}, line {traceback.tb_lineno}{name})"
        traceback = traceback.tb_next
        if path.startswith(("<", _CORE)):
            continue
        if "site-packages" in path:
            installed = place
        elif not path.startswith(_STANDARD_LIBRARY):
            own = place
    return own or installed


_CORE = f"{Path(__file__).parent}{os.sep}"
_STANDARD_LIBRARY = f"{Path(os.__file__).parent}{os.sep}"


def without_stop(error: object) -> str:
    """Return a text without the full stop at its end, so that a sentence can go on.

    >>> without_stop("no such day.")
    'no such day'
    """
    return str(error).rstrip().removesuffix(".")
