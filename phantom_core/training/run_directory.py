"""Where a run writes: `run.json`, `config.toml` and the final policies; and how to read them."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import msgspec
import tomli_w

from phantom_core.errors import CheckpointError, ConfigError, RunDirectoryError, listing, told
from phantom_core.policies.policy import Policy
from phantom_core.training.checkpoint import load_checkpoint, save_checkpoint
from phantom_core.training.references import load_reference, reference_to
from phantom_core.training.space_codec import decode_space, encode_space
from phantom_core.types import PolicyID

POLICIES: Final = "policies"
RUN_FILE: Final = "run.json"
CONFIG_FILE: Final = "config.toml"


@dataclass(frozen=True, slots=True)
class RunDirectory:
    """The folder of one run.

    Attributes:
        path: `<parent>/<name>-<utc timestamp>-<short id>`.
    """

    path: Path

    @classmethod
    def create(cls, parent: str | Path, name: str) -> RunDirectory:
        """Make the folder of a new run.

        Raises:
            RunDirectoryError: if it cannot be made.
        """
        safe = re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-.") or "run"
        stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
        path = Path(parent) / f"{safe}-{stamp}-{secrets.token_hex(3)}"
        try:
            path.mkdir(parents=True)
        except OSError as error:
            raise RunDirectoryError(
                f"No run directory can be made in {Path(parent)}: {error.strerror}. Choose another "
                "place with --run-dir, or run_dir=."
            ) from error
        return cls(path)

    @classmethod
    def open(cls, path: str | Path) -> RunDirectory:
        """Return the folder of an earlier run.

        Raises:
            RunDirectoryError: if it is none.
        """
        path = Path(path)
        if not (path / RUN_FILE).is_file():
            raise RunDirectoryError(
                f"{path} is no run directory: it has no {RUN_FILE}. Name a folder such as "
                "runs/<name>-<time>-<id>."
            )
        return cls(path)

    def write_run(self, facts: Mapping[str, Any]) -> None:
        """Write `run.json`, at once or not at all."""
        encoded = msgspec.json.format(msgspec.json.encode(facts, enc_hook=repr), indent=1)
        self._write(RUN_FILE, encoded)

    def write_config(self, config: Mapping[str, Any]) -> None:
        """Write `config.toml`: the settings of the run as a run file."""
        self._write(CONFIG_FILE, tomli_w.dumps(config).encode())

    def read_run(self) -> dict[str, Any]:
        """Return what `run.json` holds.

        Raises:
            RunDirectoryError: if it cannot be read.
        """
        try:
            facts = json.loads((self.path / RUN_FILE).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise RunDirectoryError(f"{self.path / RUN_FILE} cannot be read: {error}.") from error
        assert isinstance(facts, dict)
        return facts

    def save_policies(self, policies: Mapping[PolicyID, Policy]) -> Path:
        """Write policies so that `load_policies` gives them back; return the folder.

        Raises:
            CheckpointError: if the state of a policy is not arrays and JSON values.
        """
        save_checkpoint(
            self.path / POLICIES,
            {policy_id: _encode(policy) for policy_id, policy in policies.items()},
        )
        return self.path / POLICIES

    def _write(self, name: str, content: bytes) -> None:
        temporary = self.path / f".{name}-{secrets.token_hex(4)}"
        try:
            temporary.write_bytes(content)
            temporary.replace(self.path / name)
        except OSError as error:
            raise RunDirectoryError(f"{self.path / name} cannot be written: {error.strerror}.") from error


def load_policies(
    run: str | Path, policy_classes: Mapping[PolicyID, type[Policy]] | None = None
) -> dict[PolicyID, Policy]:
    """Return the final policies of a run, for use, as frozen opponents or for a warm start.

    Args:
        run: the run directory.
        policy_classes: policy class by id, for policies whose class cannot be imported, such as one
            that was defined in a notebook.

    Raises:
        RunDirectoryError: if it is no run directory.
        CheckpointError: if a policy cannot be read or rebuilt.
    """
    directory = RunDirectory.open(run)
    saved = load_checkpoint(directory.path / POLICIES)
    return {
        policy_id: _decode(policy_id, data, policy_classes or {}, directory.path)
        for policy_id, data in saved.items()
    }


def _encode(policy: Policy) -> dict[str, Any]:
    config = {} if policy.config is None else msgspec.to_builtins(policy.config, enc_hook=reference_to)
    return {
        "class": reference_to(type(policy)),
        "config": config,
        "observation_space": encode_space(policy.observation_space),
        "action_space": encode_space(policy.action_space),
        "state": policy.state_dict(),
    }


def _decode(
    policy_id: PolicyID,
    data: Mapping[str, Any],
    policy_classes: Mapping[PolicyID, type[Policy]],
    folder: Path,
) -> Policy:
    policy_class = policy_classes.get(policy_id)
    if policy_class is None:
        if data["class"] is None:
            raise CheckpointError(
                f"The class of policy {policy_id!r} cannot be imported: it was defined inside a function or "
                f"a session. Pass it: load_policies(run, policy_classes={{{policy_id!r}: TheClass}})."
            )
        try:
            policy_class = load_reference(
                data["class"], setting=f"class of policy {policy_id!r}", folder=folder
            )
        except ConfigError as error:
            raise CheckpointError(str(error)) from error
    if not (isinstance(policy_class, type) and issubclass(policy_class, Policy)):
        raise CheckpointError(
            f"The class of policy {policy_id!r} is {policy_class!r}. Expected a subclass of Policy."
        )
    spaces = decode_space(data["observation_space"]), decode_space(data["action_space"])
    try:
        policy = policy_class(*spaces, **data["config"])
        policy.load_state_dict(data["state"])
    except Exception as error:
        raise CheckpointError(
            f"Policy {policy_id!r} ({policy_class.__name__}) could not be rebuilt from "
            f"{listing(data['state'])}: {told(error)}."
        ) from error
    return policy
