"""Secrets in settings: read from the environment, and masked in what is written or logged.

A text setting `"env:NAME"` is read from the environment variable `NAME`, and written as `"env:NAME"`. A text
under a key that ends in `password`, `secret`, `token` or `api_key` is masked, and so is a password in a URL:

>>> masked({"user": "bob", "api_key": "sk-1", "uri": "http://bob:sesame@host", "num_tokens": 5})
{'user': 'bob', 'api_key': '***masked***', 'uri': 'http://bob:***@host', 'num_tokens': 5}
"""

from __future__ import annotations

import logging
import os
import re
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final, Self, TypeAlias

from phantom_core.errors import ConfigError
from phantom_core.trust import check_may_read

__all__ = ["MASK", "FromEnvironment", "Secrets", "masked", "masked_names", "read_environment", "revealed"]

MASK: Final = "***masked***"
"""Stands for a secret text in what is written or logged."""

_MASKED_PASSWORD: Final = "***"  # noqa: S105  stands for one in a URL
_UNTOUCHED: Final = ("", "none", MASK)  # nothing; None, as a run file has it; masked before
_LEAST: Final = 4  # characters: a shorter secret would be found in any word of a message

_SECRET_KEY: Final = re.compile(r"(password|secret|token|apikey)s?$")
_VARIABLE: Final = re.compile(r"env:([A-Za-z_][A-Za-z0-9_]*)")
_URL: Final = re.compile(
    r"(?P<start>://[^\s/?#:\[]*:)"
    r"(?P<password>[^\s/?#]+(?=@)|(?!\d+[/?#])[^\s@]+(?=@))"  # which some libraries let hold / ? and #
)

_Place: TypeAlias = tuple[str | int, ...]  # the keys, and the indices in lists, that lead to a text


class FromEnvironment(str):
    """A text that was read from the environment; its repr is where it came from.

    Attributes:
        source: the setting as it was given and is written, such as `"env:API_KEY"`.
    """

    __slots__ = ("source",)
    source: str

    def __new__(cls, value: str, source: str) -> Self:
        """Make the text `value`, which came from `source`."""
        text = super().__new__(cls, value)
        text.source = source
        return text

    def __repr__(self) -> str:
        return repr(self.source)

    def __reduce__(self) -> tuple[type[FromEnvironment], tuple[str, str]]:
        """Copy and pickle it with its source."""
        return FromEnvironment, (str(self), self.source)


def read_environment(settings: Any, name: str) -> Any:
    """Return settings in which each text `"env:NAME"` is read from the environment.

    Args:
        settings: a value, or a dict or list of values, nested in any way.
        name: what messages call it, such as `"env_config"`.

    Raises:
        ConfigError: if there is no such variable.
        TrustError: if the settings are those of a file that was not written here, see `ph.trust`.
    """

    def read(text: str, place: _Place) -> str:
        found = _VARIABLE.fullmatch(text)
        if found is None:
            return text
        variable = found[1]
        check_may_read(variable, _dotted(name, place))
        if variable not in os.environ:
            raise ConfigError(
                f"{_dotted(name, place)} = {text!r}, but there is no environment variable {variable!r}. "
                f"Set it: export {variable}=…"
            )
        return FromEnvironment(os.environ[variable], text)

    try:
        return _changed(settings, read)
    except RecursionError:  # it contains itself, so it cannot be written either, which is said then
        return settings


def revealed(settings: Any) -> Any:
    """Return settings in which what was read from the environment is plain text.

    >>> revealed([FromEnvironment("sesame", "env:WORD")])
    ['sesame']
    """
    return _changed(settings, lambda text, _: str(text) if isinstance(text, FromEnvironment) else text)


def masked(settings: Any, key: str = "") -> Any:
    """Return settings for people and files, with a mask in place of each secret.

    What was read from the environment is `"env:NAME"` again. Only texts are masked; an empty one, and what
    is in objects, is not.

    Args:
        settings: a value, or a dict or list of values, nested in any way.
        key: the key of the value, if it has one.

    >>> masked("sesame", "dbPassword"), masked(8, "token"), masked({"tokens": ["a", 2]})
    ('***masked***', 8, {'tokens': ['***masked***', 2]})
    """
    try:
        return _changed(settings, _mask, (key,))
    except RecursionError:  # it contains itself
        return MASK


def masked_names(settings: Any, name: str = "") -> list[str]:
    """Return the dotted names of the settings that hold a mask; lists are named as wholes.

    >>> masked_names({"api_key": "***masked***", "hosts": ["http://:***@a"], "port": 8}, "env_config")
    ['env_config.api_key', 'env_config.hosts']
    """
    found: dict[str, None] = {}

    def look(text: str, place: _Place) -> str:
        if MASK in text or any(url["password"] == _MASKED_PASSWORD for url in _URL.finditer(text)):
            in_list = (number for number, part in enumerate(place) if isinstance(part, int))
            found[_dotted(name, place[: next(in_list, None)])] = None
        return text

    _changed(settings, look)
    return list(found)


@dataclass(frozen=True, slots=True)
class Secrets:
    """The secrets that some settings hold, which are replaced in texts such as messages.

    A secret of fewer than four characters is not, for it would be found in any word. A password in a URL is
    masked whether it is known or not.

    >>> Secrets.of({"api_key": "sk-123"}).hide("No route to http://:pw@host with sk-123")
    'No route to http://:***@host with ***masked***'
    """

    replacements: Mapping[str, str] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, *settings: Any) -> Secrets:
        """Return the secrets that settings hold; see `masked`."""
        found: dict[str, str] = {}

        def note(text: str, place: _Place) -> str:
            shown = _mask(text, place)
            if isinstance(text, FromEnvironment) or shown == MASK:
                found[str(text)] = shown
            found.update({url["password"]: _MASKED_PASSWORD for url in _URL.finditer(text)})
            return text

        for one in settings:
            try:
                _changed(one, note)
            except RecursionError:  # it contains itself
                continue
        found |= {repr(text)[1:-1]: shown for text, shown in found.items()}  # as messages quote it
        longest_first = sorted(found, key=len, reverse=True)
        return cls({text: found[text] for text in longest_first if len(text) >= _LEAST})

    def traced(self, settings: Any) -> Any:
        """Return settings in which texts that were read from the environment are `FromEnvironment` again."""

        def trace(text: str, _: _Place) -> str:
            source = self.replacements.get(text, "")
            return FromEnvironment(text, source) if _VARIABLE.fullmatch(source) else text

        return _changed(settings, trace)

    def hide(self, text: str) -> str:
        """Return a text without the secrets."""
        for secret, shown in self.replacements.items():
            text = text.replace(secret, shown)
        return _without_passwords(text)

    def hide_in(self, error: BaseException) -> None:
        """Replace the secrets in the texts that an exception was made with, and in those that led to it."""
        ahead, seen = [error], set[int]()
        while ahead:
            one = ahead.pop()
            seen.add(id(one))
            one.args = tuple(self.hide(part) if isinstance(part, str) else part for part in one.args)
            led = (one.__cause__, one.__context__, *getattr(one, "exceptions", ()), *one.args)
            ahead += [e for e in led if isinstance(e, BaseException) and id(e) not in seen]

    @contextmanager
    def hidden(self) -> Iterator[None]:
        """Replace the secrets in what phantom_core logs in the block, and in an exception that leaves it."""
        log = logging.getLogger("phantom_core")
        hide = self._hide_in_record  # one object, for it is removed by identity
        log.addFilter(hide)
        try:
            yield
        except BaseException as error:
            self.hide_in(error)
            raise
        finally:
            log.removeFilter(hide)

    def _hide_in_record(self, record: logging.LogRecord) -> bool:
        text = record.getMessage()
        if self.hide(text) != text:
            record.msg, record.args = self.hide(text), ()
        if record.exc_info and record.exc_info[0] is not None:  # a formatter takes what is formatted already
            record.exc_text = self.hide("".join(traceback.format_exception(*record.exc_info)).rstrip())
        return True


def _changed(value: Any, change: Callable[[str, _Place], str], place: _Place = ()) -> Any:
    """Return a value with each text in it changed; what has none that changes is returned as it is."""
    if isinstance(value, str):
        return change(value, place)
    if isinstance(value, Mapping):
        table = {key: _changed(part, change, (*place, str(key))) for key, part in value.items()}
        return table if any(table[key] is not part for key, part in value.items()) else value
    if isinstance(value, (list, tuple)):
        parts = [_changed(part, change, (*place, number)) for number, part in enumerate(value)]
        is_changed = any(new is not old for new, old in zip(parts, value, strict=True))
        return (parts if isinstance(value, list) else tuple(parts)) if is_changed else value
    return value


def _mask(text: str, place: _Place) -> str:
    if isinstance(text, FromEnvironment):
        return text.source
    if text in _UNTOUCHED or _VARIABLE.fullmatch(text):
        return text
    is_secret = any(isinstance(key, str) and _is_secret(key) for key in place)
    return MASK if is_secret else _without_passwords(text)


def _is_secret(key: str) -> bool:
    """Return whether a key is that of a secret, in any spelling: `api_key`, `apiKey`, `DB-PASSWORD`."""
    name = re.sub(r"\[\d+\]$|[^a-z0-9]", "", key.lower())  # its index in a list counts for nothing
    return _SECRET_KEY.search(name) is not None


def _without_passwords(text: str) -> str:
    return _URL.sub(rf"\g<start>{_MASKED_PASSWORD}", text) if "://" in text else text


def _dotted(name: str, place: _Place) -> str:
    keys = "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in place)
    return f"{name}{keys}".removeprefix(".")
