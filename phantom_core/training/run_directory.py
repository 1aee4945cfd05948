"""`RunDirectory`: reads and writes `run.json`, `config.toml`, the final policies and checkpoints."""

from __future__ import annotations

import contextlib
import dataclasses
import enum
import json
import os
import re
import secrets
import shutil
import stat
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import msgspec
import tomli_w

from phantom_core.errors import (
    CheckpointError,
    ConfigError,
    PhantomError,
    RunDirectoryError,
    TrustError,
    error_text,
    listing,
)
from phantom_core.policies.past_policies import PastPolicies
from phantom_core.policies.policy import BasePolicy, made_policy
from phantom_core.reading import read_file
from phantom_core.secrets import FromEnvironment, masked, masked_names, read_environment
from phantom_core.training import checkpoint
from phantom_core.training.checkpoint import load_checkpoint, save_checkpoint
from phantom_core.training.references import load_reference, reference_to
from phantom_core.training.run_json import decode_run
from phantom_core.training.stale_files import sweep_runs
from phantom_core.trust import check_may_import, is_signed, sign, untrusted
from phantom_core.types import PolicyID
from phantom_core.writing import locked, temporary_beside

POLICIES: Final = "policies"
CHECKPOINTS: Final = "checkpoints"
RUN_FILE: Final = "run.json"
CONFIG_FILE: Final = "config.toml"

_NUMBERED: Final = re.compile(r"iteration-([0-9]{6,18})").fullmatch
_SPACES: Final = ("observation_space", "action_space")
_REFERENCE: Final = "__reference__"
_TUPLE: Final = "__tuple__"
_ENVIRONMENT: Final = "__environment__"


@dataclass(frozen=True, slots=True)
class RunDirectory:
    """The folder of one run: `<parent>/<name>-<utc timestamp>-<short id>`."""

    path: Path
    identity: tuple[int, int] | None = None  # of the folder that was made; None: it was there before

    @classmethod
    def create(cls, parent: str | Path, name: str) -> RunDirectory:
        """Create the folder of a new run; raise `RunDirectoryError` if that fails."""
        safe = re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-.") or "run"
        stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
        path = Path(parent) / f"{safe}-{stamp}-{secrets.token_hex(3)}"
        try:
            path.mkdir(parents=True)
        except (OSError, ValueError) as error:  # ValueError: a null character in the path
            reason = getattr(error, "strerror", None) or error
            problem = f"No run directory can be made in {str(parent)!r}: {reason}"
            advice = "Choose another place with --run-dir, or run_dir=."
            raise RunDirectoryError(f"{problem}. {advice}") from error
        sweep_runs(path.parent)
        return cls(path, _identity(path.stat()))

    @classmethod
    def open(cls, path: str | Path) -> RunDirectory:
        """Open the folder of an earlier run; raise `RunDirectoryError` if it is none."""
        path = Path(path)
        if not (path / RUN_FILE).is_file():
            for parent in list(path.parents)[:2]:
                if (parent / RUN_FILE).is_file():
                    raise RunDirectoryError(f"{path} is only a part of a run. Name the run: {parent}")
            runs = sorted(path.glob(f"*/{RUN_FILE}"), key=lambda file: file.stat().st_mtime)
            example = runs[-1].parent if runs else "runs/<name>-<time>-<id>"
            advice = f"Name a folder such as {example}."
            raise RunDirectoryError(f"{path} is no run directory: it has no {RUN_FILE}. {advice}")
        return cls(path)

    def write_run(self, facts: Mapping[str, Any]) -> None:
        """Write `run.json` atomically; if there is no room for that, in the place of the old one."""
        try:
            encoded = msgspec.json.encode(facts, enc_hook=repr)
            indented = msgspec.json.format(encoded, indent=1)
        except UnicodeEncodeError:  # an id with a lone surrogate, which JSON can escape
            encoded = indented = json.dumps(facts, default=repr, indent=1).encode()
        try:
            self._write(RUN_FILE, indented)
        except RunDirectoryError:
            if self._absence() or not _overwrite(self.path / RUN_FILE, encoded):
                raise

    def write_config(self, config: Mapping[str, Any]) -> str:
        """Write `config.toml`, the settings of the run as a run file, and return its signature."""
        content = tomli_w.dumps(config).encode()
        self._write(CONFIG_FILE, content)
        return sign(CONFIG_FILE, content)

    def is_signed(self) -> bool:
        """Return whether `config.toml` is as it was written here, by its signature in `run.json`."""
        try:
            content = read_file(self.path / CONFIG_FILE)
        except OSError:
            return False
        return is_signed(CONFIG_FILE, content, self.read_run().get("signature"))

    def sign(self) -> None:
        """Sign `config.toml`, the final policies and all checkpoints, as if they had been written here.

        Raises:
            RunDirectoryError: if `run.json` cannot be read or written.
            CheckpointError: if a checkpoint is damaged; then nothing is signed.
        """
        facts, config = self.read_run(), self.path / CONFIG_FILE
        signed = [folder for folder in self.checkpoints() if load_checkpoint(folder)]
        for folder in signed:
            checkpoint.sign_manifest(folder)
        if config.is_file():
            self.write_run(facts | {"signature": sign(CONFIG_FILE, config.read_bytes())})

    def read_run(self) -> dict[str, Any]:
        """Return the contents of `run.json`; raise `RunDirectoryError` if it cannot be read."""
        try:
            return decode_run(read_file(self.path / RUN_FILE))
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            raise RunDirectoryError(f"{self.path / RUN_FILE} cannot be read: {reason}.") from error

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Let no other process resume the run while the block runs; its end, in any way, ends that.

        Raises:
            RunDirectoryError: if another process is resuming it.
        """
        with ExitStack() as stack:
            try:
                stack.enter_context(locked(self.path))
            except BlockingIOError:
                raise RunDirectoryError(
                    f"The run {self.path} is being resumed by another process. Wait for its end, or end it."
                ) from None
            yield

    def discard(self) -> None:
        """Remove the folder if it was made here: a run that cannot begin leaves nothing behind."""
        if self.identity is not None and not self._absence():
            shutil.rmtree(self.path, ignore_errors=True)

    def loss(self) -> str:
        """Return what became of the folder if nothing can be written there any more, else an empty text."""
        is_writable = os.access(self.path, os.W_OK | os.X_OK)
        return self._absence() or ("" if is_writable else "is read-only now")

    def _absence(self) -> str:
        """Return what became of the folder if it is not where it was, else an empty text."""
        try:
            found = self.path.stat()
        except (FileNotFoundError, NotADirectoryError):
            return "was deleted or renamed"
        except OSError as error:
            return f"cannot be reached: {error.strerror}"
        if not stat.S_ISDIR(found.st_mode) or self.identity not in (None, _identity(found)):
            return "was replaced by something else"
        return ""

    def save_policies(self, policies: Mapping[PolicyID, BasePolicy]) -> Path:
        """Write policies for `load_policies`, and return their folder; raise `CheckpointError` on failure."""
        self._check()
        save_checkpoint(self.path / POLICIES, encode_policies(policies))
        return self.path / POLICIES

    def numbered_checkpoints(self) -> list[tuple[int, Path]]:
        """Return the number of iterations and the folder of each checkpoint, the newest last."""
        found = [(_NUMBERED(path.name), path) for path in (self.path / CHECKPOINTS).glob("*")]
        return sorted((int(name[1]), path) for name, path in found if name and path.is_dir())

    def checkpoints(self) -> list[Path]:
        """Return the folders of all checkpoints, and last that of the final policies, if there are some."""
        policies = self.path / POLICIES
        numbered = [path for _, path in self.numbered_checkpoints()]
        return [*numbered, *([policies] if policies.is_dir() else [])]

    def save_checkpoint(self, name: str, state: Mapping[str, Any], about: Mapping[str, Any]) -> Path:
        """Write a checkpoint, and return its folder; raise `CheckpointError` on failure."""
        folder = self.path / CHECKPOINTS / name
        self._check()
        try:
            folder.parent.mkdir(exist_ok=True)  # but not the run directory, should it be gone
        except OSError as error:
            raise CheckpointError(f"The checkpoint {folder} cannot be written: {error}.") from error
        save_checkpoint(folder, state, about)
        return folder

    def newest_checkpoint_hint(self) -> str:
        """Return a sentence that names the newest checkpoint, or an empty string if there is none."""
        found = self.numbered_checkpoints()
        hint = " Its newest checkpoint, for phantom evaluate and ph.load_policies, is "
        return f"{hint}{found[-1][1]}" if found else ""

    def check_policies(self, policies: Mapping[PolicyID, BasePolicy]) -> None:
        """Raise `CheckpointError` if policies cannot be saved; nothing is written."""
        checkpoint.check_state(encode_policies(policies))

    def _write(self, name: str, content: bytes) -> None:
        self._check()
        temporary = temporary_beside(self.path / name)
        try:
            with temporary.open("wb") as file:
                file.write(content)
                checkpoint.sync(file)
            temporary.replace(self.path / name)
            checkpoint.sync_folder(self.path)
        except OSError as error:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)
            raise RunDirectoryError(f"{self.path / name} cannot be written: {error.strerror}.") from error

    def _check(self) -> None:
        """Raise `RunDirectoryError` if it is lost: another folder in its place is not ours to write to."""
        loss = self.loss()
        if loss:
            raise RunDirectoryError(f"The run directory {self.path} {loss}.")


def _identity(found: os.stat_result) -> tuple[int, int]:
    return found.st_dev, found.st_ino


def _overwrite(path: Path, content: bytes) -> bool:
    """Write into an existing file of JSON, for which a full disk may have room; return whether it had.

    The file gets its length first, by blanks at its end, which JSON permits: only that needs room.
    """
    with contextlib.suppress(OSError), path.open("r+b", buffering=0) as file:
        length = file.seek(0, os.SEEK_END)
        while length < len(content):
            length += file.write(b" " * (len(content) - length))
        file.seek(0)
        file.write(content.ljust(length))
        checkpoint.sync(file)
        return True
    return False


def load_policies(
    run: str | Path,
    policy_classes: Mapping[PolicyID, type[BasePolicy]] | None = None,
    *,
    trust: bool = False,
) -> dict[PolicyID, BasePolicy]:
    """Load the final policies of a run, such as for evaluation, as frozen opponents or for a warm start.

    Args:
        run: the run directory, or the folder of a checkpoint in it.
        policy_classes: policy class by id, for classes that cannot be imported, such as those defined in a
            notebook, or that are not to be taken from what the run names.
        trust: whether to import whatever the policies name, though they were not written here.

    Raises:
        RunDirectoryError: if `run` is not a run directory, or has no final policies.
        CheckpointError: if a policy cannot be read or rebuilt.
        TrustError: if the policies were not written here, and name code that is of no installed plugin.
    """
    path = Path(run)
    folder = path if is_checkpoint(path) else path / POLICIES
    if is_checkpoint(path):
        saved = load_checkpoint(path).get("policies")
    else:
        directory = RunDirectory.open(path)
        if not (path / POLICIES).exists():
            facts = directory.read_run()
            reason = "it broke off, or is still going on"
            if facts.get("status") == "diverged":
                reason = f"it diverged: {', '.join(map(str, facts.get('stop_reasons', ())))}"
            raise RunDirectoryError(
                f"The run {path} has no final policies: {reason}.{directory.newest_checkpoint_hint()}"
            )
        saved = load_checkpoint(path / POLICIES)
    if not isinstance(saved, dict):
        raise CheckpointError(f"{path} cannot be read: its policies are {saved!r}. Expected them by id.")
    classes = policy_classes or {}
    with untrusted(f"The checkpoint {folder}", unless=trust or checkpoint.is_signed(folder)):
        return {policy_id: _decode(policy_id, data, classes, path) for policy_id, data in saved.items()}


def is_checkpoint(path: Path) -> bool:
    """Return whether a path is that of a checkpoint in a run directory."""
    return path.absolute().parent.name == CHECKPOINTS and not (path / RUN_FILE).is_file()


def encode_policies(policies: Mapping[PolicyID, BasePolicy]) -> dict[str, Any]:
    """Convert policies to arrays and JSON values; raise `CheckpointError` for one that cannot be saved."""
    return {policy_id: _encode(policy_id, policy) for policy_id, policy in policies.items()}


def _encode(policy_id: PolicyID, policy: BasePolicy) -> dict[str, Any]:
    name = f"Policy {policy_id!r} ({type(policy).__name__})"
    settings = {
        key: _encode_setting(value, f"{name} has the setting {key}")
        for key, value in policy.given_settings.items()
    }
    try:
        state = policy.state_dict()
    except Exception as error:  # a plugin's policy may raise anything
        advice = "Mend its state_dict()."
        raise CheckpointError(f"{name} could not give its state: {error_text(error)}. {advice}") from error
    try:
        spaces = {key: checkpoint.encode_space(getattr(policy, key)) for key in _SPACES}
    except CheckpointError as error:
        raise CheckpointError(f"{name}: {error}") from error
    return {"class": reference_to(type(policy)), "settings": masked(settings), **spaces, "state": state}


def _encode_setting(value: Any, name: str) -> Any:
    """Convert a setting to arrays and JSON values; functions and classes become references."""
    if isinstance(value, FromEnvironment):
        return {_ENVIRONMENT: value.source}
    if isinstance(value, enum.Enum):
        reference = reference_to(type(value))
        return _checked_reference(reference and f"{reference}.{value.name}", value, name)
    if type(value) is tuple:
        return {_TUPLE: [_encode_setting(part, f"{name}[{index}]") for index, part in enumerate(value)]}
    if isinstance(value, list):
        return [_encode_setting(part, f"{name}[{index}]") for index, part in enumerate(value)]
    if isinstance(value, Mapping) and not value.keys() & {_REFERENCE, _TUPLE, _ENVIRONMENT}:
        if all(isinstance(key, str) for key in value):
            return {key: _encode_setting(part, f"{name}.{key}") for key, part in value.items()}
    elif not isinstance(value, (Mapping, tuple)):
        with contextlib.suppress(CheckpointError):
            checkpoint.check_state({"": value})
            return value
    return _checked_reference(reference_to(value), value, name)


def _checked_reference(reference: str | None, value: Any, name: str) -> dict[str, str]:
    """Return a reference after checking that importing it gives `value`."""
    if reference is not None:
        with contextlib.suppress(ConfigError):
            if load_reference(reference, setting=name, folder=Path()) == value:
                return {_REFERENCE: reference}
    raise CheckpointError(
        f"{name} = {value!r}, which cannot be saved. Expected numbers, text, arrays, lists, dicts with str "
        "keys, or functions and classes at the top level of a module. Give it one of these, or train "
        "without a run directory: run_dir=None."
    )


def _decode_setting(value: Any, name: str, folder: Path, *, is_policy_class: bool = False) -> Any:
    if isinstance(value, list):
        return [_decode_setting(part, name, folder) for part in value]
    if not isinstance(value, dict):
        return value
    if value.keys() == {_REFERENCE}:
        expected = BasePolicy if is_policy_class else object
        found = load_reference(value[_REFERENCE], setting=name, folder=folder, expected=expected)
        if not (is_policy_class or dataclasses.is_dataclass(found) or isinstance(found, enum.Enum)):
            check_may_import(value[_REFERENCE], name)
        return found
    if value.keys() == {_ENVIRONMENT}:
        return read_environment(value[_ENVIRONMENT], name)
    if value.keys() == {_TUPLE}:
        return tuple(_decode_setting(part, name, folder) for part in value[_TUPLE])
    return {key: _decode_setting(part, name, folder) for key, part in value.items()}


def _decode(
    policy_id: PolicyID, data: Mapping[str, Any], classes: Mapping[PolicyID, type[BasePolicy]], folder: Path
) -> BasePolicy:
    try:
        policy_class = classes.get(policy_id) or _load_class(policy_id, data["class"], folder)
        _check_is_unmasked(policy_id, data["settings"], folder)
        settings = {
            key: _decode_setting(
                value,
                f"setting {key} of policy {policy_id!r}",
                folder,
                is_policy_class=policy_class is PastPolicies and key == "policy_class",
            )
            for key, value in data["settings"].items()
        }
        spaces, state = [checkpoint.decode_space(data[key]) for key in _SPACES], dict(data["state"])
    except ConfigError as error:
        raise CheckpointError(str(error)) from error
    except PhantomError:
        raise
    except Exception as error:  # Gymnasium asserts, and NumPy raises OverflowError
        problem = f"cannot be read: {error_text(error)}."
        raise CheckpointError(f"Policy {policy_id!r} of {folder} {problem}") from error
    if not (isinstance(policy_class, type) and issubclass(policy_class, BasePolicy)):
        wrong = f"{policy_class!r}. Expected a subclass of Policy."
        raise CheckpointError(f"The class of policy {policy_id!r} is {wrong}")
    try:
        policy = made_policy(policy_class, spaces[0], spaces[1], settings)
        policy.load_state_dict(state)
    except TrustError:
        raise
    except Exception as error:
        raise CheckpointError(
            f"Policy {policy_id!r} ({policy_class.__name__}) could not be rebuilt from "
            f"{listing(state)}: {error_text(error)}."
        ) from error
    return policy


def _check_is_unmasked(policy_id: PolicyID, settings: Mapping[str, Any], folder: Path) -> None:
    names = masked_names(settings)
    if names:
        raise CheckpointError(
            f"Policy {policy_id!r} of {folder} cannot be made again: its settings {', '.join(names)} were "
            "masked as secrets. Train with 'env:NAME' in their place, which is read from the environment "
            "again; or make the policy yourself, and give it its state in ph.tools.load_checkpoint(...)."
        )


def _load_class(policy_id: PolicyID, reference: str | None, folder: Path) -> Any:
    if reference is None:
        raise CheckpointError(
            f"The class of policy {policy_id!r} cannot be imported: it was defined inside a function or "
            f"a session. Pass it: load_policies(run, policy_classes={{{policy_id!r}: TheClass}})."
        )
    setting = f"class of policy {policy_id!r}"
    return load_reference(reference, setting=setting, folder=folder, expected=BasePolicy)
