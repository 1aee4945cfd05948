"""The exceptions that phantom_core raises.

PhantomError
├── ConfigError               a setting of a run, a component or an env is wrong
│   ├── UnknownNameError      a name that is not registered
│   ├── AmbiguousNameError    a name that several distributions register
│   └── PolicyMappingError    agents and policies do not fit together
├── PluginError               a plugin cannot be found, imported, built or started
│   ├── IncompatiblePluginError   its requirement on the core is not met
│   └── HookError             a hook implementation raised or is misspelt
├── EnvError                  an env or one of its agents broke a rule
│   ├── NetworkError          a message that the network does not allow
│   ├── NeighbourError        access to an agent that is not a neighbour; also a KeyError
│   ├── ResolverError         messages that cannot be resolved
│   ├── StageError            a transition that is not allowed
│   ├── ObservationError      an observation outside its space
│   └── EpisodeError          a step before reset, or after the end
├── RecordingError            a recording that cannot be written, read or replayed
├── CheckpointError           a checkpoint that cannot be written or read
├── RunDirectoryError         a run directory that cannot be written or read
└── TrustError                a file that was not written here names code, or the key is of no use

Each message says what happened (with the value), what was expected and what to do.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable, Iterable
from pathlib import Path


class PhantomError(Exception):
    """Base class of all exceptions that phantom_core raises."""

    def __reduce__(self) -> tuple[Callable[..., PhantomError], tuple[object, ...]]:
        """Make the exception picklable, independently of the parameters of its class."""
        return _again, (type(self), self.args, self.__dict__)


class ConfigError(PhantomError):
    """A setting of a run, a component or an env is wrong."""


class UnknownNameError(ConfigError):
    """A name that is not registered.

    Attributes:
        kind: the kind of component, such as `"trainer"`.
        name: the unknown name.
        known: the registered names.
    """

    def __init__(self, message: str, *, kind: str, name: str, known: tuple[str, ...]) -> None:
        super().__init__(message)
        self.kind = kind
        self.name = name
        self.known = known


class AmbiguousNameError(ConfigError):
    """A name that several distributions register.

    Attributes:
        kind: the kind of component, such as `"trainer"`.
        name: the ambiguous name.
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
    """The installed core does not match the plugin's version requirement."""


class HookError(PluginError):
    """A hook implementation raised, is misspelt or has the wrong signature."""


class EnvError(PhantomError):
    """An env or one of its agents broke a rule."""


class NetworkError(EnvError):
    """A message that the network does not allow."""


class NeighbourError(EnvError, KeyError):
    """Access to an agent that is not a neighbour."""

    def __str__(self) -> str:
        """Return the message itself; `KeyError` would return its repr."""
        return Exception.__str__(self)


class ResolverError(EnvError):
    """Messages that cannot be resolved."""


class StageError(EnvError):
    """A stage moved to a stage that is not one of its next stages.

    Attributes:
        stage: the id of the stage.
        next_stage: the stage that its handler returned.
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
    """A recording that cannot be written, read or replayed."""


class CheckpointError(PhantomError):
    """A checkpoint that cannot be written or read."""


class RunDirectoryError(PhantomError):
    """A run directory that cannot be written or read."""


class TrustError(PhantomError):
    """A file that was not written here names code that was not imported, or the user's key is of no use."""


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


def with_article(noun: str) -> str:
    """Return a noun with its indefinite article, by its first letter.

    >>> with_article("Env"), with_article("policy")
    ('an Env', 'a policy')
    """
    return f"{'an' if noun.lower().startswith(tuple('aeiou')) else 'a'} {noun}"


def listing(values: Iterable[object]) -> str:
    """Join values for a message: `'a', 'b'`, or `none` if there are no values.

    >>> listing(["SHOP", 3])
    "'SHOP', 3"
    """
    return ", ".join(repr(value) for value in values) or "none"


def error_text(error: BaseException) -> str:
    """Return the class name and text of an exception, for use in a sentence.

    If `str(error)` raises, only the class name is returned.

    >>> error_text(ValueError("no such day.")), error_text(KeyError())
    ('ValueError: no such day', 'KeyError')
    """
    try:
        text = without_stop(error)
    except Exception:
        text = ""
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def error_place(error: BaseException) -> str:
    """Return where user code raised, such as ` (boom.py, line 7, in decode_action)`, or an empty string.

    It is the innermost frame outside phantom_core, the standard library and, if possible, installed packages.
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
    """Return a text without a full stop at the end, for use inside a sentence.

    >>> without_stop("no such day.")
    'no such day'
    """
    return str(error).rstrip().removesuffix(".")
