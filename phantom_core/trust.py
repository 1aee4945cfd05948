"""Whether a file was written here, and what may be imported for one that was not.

Loading a run, a checkpoint or a recording imports the classes that it names, so a stranger's file could run
any code. What is written here is therefore signed with a key of the user, kept in the user's state directory.
What has no valid signature is loaded inside `untrusted`, where `ph.tools.load_reference` refuses what is no
class of an installed plugin. A component whose settings may name code in another way asks `check_may_import`
before it imports it.

    signature = ph.trust.sign("acme-notes", content)
    with ph.trust.untrusted(f"The notes {path}", unless=ph.trust.is_signed("acme-notes", content, signature)):
        ...
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import logging
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from pathlib import Path
from typing import Final

from phantom_core.errors import TrustError

__all__ = [
    "check_may_import",
    "check_may_read",
    "is_signed",
    "key_file",
    "sign",
    "unsigned",
    "untrusted",
    "untrusted_source",
]

_PREFIX: Final = "hmac-sha256:"
_KEY_BYTES: Final = 32

_source: ContextVar[str] = ContextVar("phantom_untrusted_source", default="")
_signs_nothing: ContextVar[bool] = ContextVar("phantom_signs_nothing", default=False)
_log = logging.getLogger("phantom_core")


def sign(purpose: str, content: bytes) -> str:
    """Return a signature of content by the user's key, such as `"hmac-sha256:5f…"`.

    Args:
        purpose: what the content is, so that one signature is not valid for something else.
        content: what must not change.

    Without a key, because the state directory cannot be written for instance, it is empty, and a warning
    says so once.
    """
    if _signs_nothing.get():
        return ""
    path = key_file()
    try:
        key = _key(path)
    except (OSError, TrustError) as error:
        _warn(path, str(error))
        return ""
    return _PREFIX + _digest(key, purpose, content)


def is_signed(purpose: str, content: bytes, signature: object) -> bool:
    """Return whether a signature is that of `sign` for the same purpose, content and user.

    Raises:
        TrustError: if others can read the key.
    """
    if not isinstance(signature, str) or not signature.startswith(_PREFIX):
        return False
    try:
        key = _read_key(key_file())
    except OSError:  # there is none, so that nothing was signed with it
        return False
    return hmac.compare_digest(_PREFIX + _digest(key, purpose, content), signature)


def key_file() -> Path:
    """Return where the key is, such as `~/.local/state/phantom/key`; on Linux `XDG_STATE_HOME` moves it."""
    import platformdirs  # needs some milliseconds

    return platformdirs.user_state_path("phantom", appauthor=False) / "key"


@contextmanager
def untrusted(source: str, *, unless: bool = False) -> Iterator[None]:
    """Refuse inside the block to import what a file names, but for classes of installed plugins.

    Args:
        source: the beginning of the sentence that refuses, such as `"The run runs/market-1"`.
        unless: whether the source is trusted, so that the block imports as everywhere else.
    """
    token = _source.set("" if unless else source)
    try:
        yield
    finally:
        _source.reset(token)


@contextmanager
def unsigned(*, unless: bool = False) -> Iterator[None]:
    """Sign nothing inside the block: what goes on from a stranger's file remains a stranger's."""
    token = _signs_nothing.set(not unless)
    try:
        yield
    finally:
        _signs_nothing.reset(token)


def untrusted_source() -> str:
    """Return the source of the innermost block `untrusted`; an empty string outside."""
    return _source.get()


def check_may_import(name: str, setting: str) -> None:
    """Raise `TrustError` inside a block `untrusted`, instead of importing what a setting names."""
    _check(
        f"{name!r} as {setting}, which was not imported: expected the name of a registered component, or a "
        "class of an installed plugin that fits there"
    )


def check_may_read(variable: str, setting: str) -> None:
    """Raise `TrustError` inside a block `untrusted`, instead of reading an environment variable."""
    _check(f"the environment variable {variable!r} as {setting}, which was not read: it may be a secret")


def _check(what: str) -> None:
    source = _source.get()
    if source:
        raise TrustError(
            f"{source} was not written here, or was changed since. It names {what}. If you trust who wrote "
            "it, with all the code that it names, use --trust or trust=True, or sign it once: phantom runs "
            "trust RUN."
        )


def _digest(key: bytes, purpose: str, content: bytes) -> str:
    return hmac.new(key, purpose.encode() + b"\0" + content, hashlib.sha256).hexdigest()


def _key(path: Path) -> bytes:
    """Return the key; make it, for the user alone, if there is none."""
    with contextlib.suppress(FileNotFoundError):
        return _read_key(path)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}-{secrets.token_hex(4)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(secrets.token_bytes(_KEY_BYTES))
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):  # another process was quicker
            os.link(temporary, path)
    finally:
        temporary.unlink()
    return _read_key(path)


def _read_key(path: Path) -> bytes:
    if os.name == "posix" and path.stat().st_mode & 0o077:
        raise TrustError(
            f"The key {path}, which signs what is written here, can be read by others. Expected that only "
            f"you can: chmod 600 {path}, or delete it, after which earlier runs are not trusted."
        )
    key = path.read_bytes()
    if len(key) != _KEY_BYTES:
        raise TrustError(
            f"The key {path}, which signs what is written here, has {len(key)} bytes. Expected {_KEY_BYTES}. "
            "Delete it, after which earlier runs are not trusted."
        )
    return key


@cache  # once in each process
def _warn(path: Path, reason: str) -> None:
    _log.warning(
        "What is written is not signed, so loading it needs --trust or trust=True: the key %s cannot be "
        "used: %s",
        path, reason,
    )  # fmt: skip
