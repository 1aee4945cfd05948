"""Save and load state without pickle, in a folder written atomically; agent ids and spaces as JSON values."""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import os
import shutil
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
from gymnasium import spaces

from phantom_core import trust
from phantom_core.component_config import is_whole
from phantom_core.errors import CheckpointError, error_text
from phantom_core.training.stale_files import OLD, REMOVED
from phantom_core.types import AgentID, PolicyID
from phantom_core.writing import temporary_beside

FORMAT: Final = 2
"""The format this version writes. Older formats can be read; 1 had no manifest."""

MANIFEST: Final = "manifest.json"
_FILES: Final = ("state.json", "arrays.npz")

_ARRAY: Final = "__array__"
_NOT_FINITE: Final = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}
_REPR: Final = "repr"
_PLAIN_IDS: Final = (str, int, float, bool, type(None))


def save_checkpoint(folder: Path, state: Mapping[str, Any], about: Mapping[str, Any] | None = None) -> None:
    """Write a state of NumPy arrays and JSON values, nested in dicts and lists.

    A manifest has the size and the SHA-256 of each file, what is to be noted `about` the state, and a
    signature, see `ph.trust`. All is
    written to a temporary folder, flushed to disk and renamed, so `folder` never holds a partial checkpoint.
    If the rename fails, the old checkpoint is restored. Only a crash between the two renames can leave the
    old checkpoint under a name that ends with `-old`; in a run directory the next run restores it.

    Raises:
        CheckpointError: if a value has another type, or the folder cannot be written, such as because the
            folder that it is in is missing.
    """
    arrays: list[np.ndarray[Any, Any]] = []
    tree = _encode(state, "", arrays)
    temporary = temporary_beside(folder)
    try:
        temporary.mkdir()  # without parents: a run directory that was removed is not made again
        with (temporary / "arrays.npz").open("wb") as file:
            named: dict[str, Any] = {f"a{number}": array for number, array in enumerate(arrays)}
            np.savez(file, **named)
            sync(file)
        with (temporary / "state.json").open("w", encoding="utf-8") as file:
            json.dump({"format": FORMAT, "state": tree}, file, indent=1, allow_nan=False)
            sync(file)
        with (temporary / MANIFEST).open("w", encoding="utf-8") as file:
            files = {name: _facts_of(temporary / name) for name in _FILES}
            manifest = {"format": FORMAT, "files": files, **(about or {})}
            json.dump(manifest | {"signature": trust.sign(MANIFEST, _signed_part(manifest))}, file, indent=1)
            sync(file)
        sync_folder(temporary)
        _replace_folder(temporary, folder)
    except OSError as error:
        raise CheckpointError(f"The checkpoint {folder} cannot be written: {error}.") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)  # already renamed on success


def check_state(state: Mapping[str, Any]) -> None:
    """Raise `CheckpointError` if a state holds anything but NumPy arrays and JSON values."""
    _encode(state, "", [])


def load_checkpoint(folder: Path) -> dict[str, Any]:
    """Load a state written by `save_checkpoint`.

    Raises:
        CheckpointError: if the checkpoint is missing, damaged, or has a newer format.
    """
    try:
        _check_files(folder)
        document = json.loads((folder / "state.json").read_text(encoding="utf-8"))
        _check_format(document["format"], folder)
        with (folder / "arrays.npz").open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            state = _decode(document["state"], arrays)
        return dict(state)
    except CheckpointError:
        raise
    except Exception as error:  # json, zipfile and NumPy raise various errors for a damaged file
        raise CheckpointError(f"The checkpoint {folder} cannot be read: {error_text(error)}.") from error


def check_files(folder: Path) -> None:
    """Raise `CheckpointError` if the files of a checkpoint are not as they were written.

    They are read, but nothing is loaded into memory, so that a large one is checked too.
    """
    try:
        _check_files(folder)
    except CheckpointError:
        raise
    except Exception as error:  # as in load_checkpoint
        raise CheckpointError(f"The checkpoint {folder} cannot be read: {error_text(error)}.") from error


def is_signed(folder: Path) -> bool:
    """Return whether the manifest of a checkpoint is as it was written here, by its signature."""
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    if not isinstance(manifest, dict):
        return False
    return trust.is_signed(MANIFEST, _signed_part(manifest), manifest.get("signature"))


def sign_manifest(folder: Path) -> None:
    """Sign a checkpoint that somebody else wrote; one of format 1 gets a manifest."""
    path = folder / MANIFEST
    temporary = temporary_beside(path)
    manifest = {"format": FORMAT, "files": {name: _facts_of(folder / name) for name in _FILES}}
    if path.exists():
        manifest = json.loads(path.read_text(encoding="utf-8"))
    signed = manifest | {"signature": trust.sign(MANIFEST, _signed_part(manifest))}
    try:
        with temporary.open("w", encoding="utf-8") as file:
            json.dump(signed, file, indent=1)
            sync(file)
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise CheckpointError(f"{path} cannot be written: {error.strerror}.") from error


def remove_checkpoint(folder: Path) -> None:
    """Remove a checkpoint; it is renamed first, so that no half of it is ever seen under its name."""
    old = temporary_beside(folder, REMOVED)
    with contextlib.suppress(OSError):
        folder.rename(old)
        shutil.rmtree(old, ignore_errors=True)


def _check_files(folder: Path) -> None:
    """Raise `CheckpointError` if files are no files, or not those that were written."""
    for name in (*_FILES, MANIFEST):
        path = folder / name
        if path.exists() and not path.is_file():
            raise _damaged(folder, f"{name} is no file")
    if not (folder / MANIFEST).exists():
        if '"format": 1,' in (folder / "state.json").read_text(encoding="utf-8")[:100]:
            return  # of an earlier version
        raise _damaged(folder, f"it has no {MANIFEST}")
    manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    _check_format(manifest["format"], folder)
    for name in _FILES:
        if not (folder / name).exists():
            raise _damaged(folder, f"it has no {name}")
        if _facts_of(folder / name) != manifest["files"][name]:
            raise _damaged(folder, f"{name} is not as it was written")
    with zipfile.ZipFile(folder / "arrays.npz") as archive:
        declared = sum(info.file_size for info in archive.infolist())
    if declared > (folder / "arrays.npz").stat().st_size:  # NumPy does not compress them
        raise _damaged(folder, f"arrays.npz declares {declared:,} bytes, which are more than it has")


def _signed_part(manifest: Mapping[str, Any]) -> bytes:
    return json.dumps({k: v for k, v in manifest.items() if k != "signature"}, sort_keys=True).encode()


def _facts_of(path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        return {"size": path.stat().st_size, "sha256": hashlib.file_digest(file, "sha256").hexdigest()}


def _damaged(folder: Path, reason: str) -> CheckpointError:
    return CheckpointError(f"The checkpoint {folder} is damaged: {reason}. Use another one.")


def _check_format(version: Any, folder: Path) -> None:
    if not is_whole(version):
        raise _damaged(folder, f"it has the format {version!r}, which is none")
    if version > FORMAT:
        raise CheckpointError(
            f"The checkpoint {folder} has format {version}; this version of "
            f"phantom_core reads formats up to {FORMAT}. Run: pip install -U phantom-rl-core"
        )


def _replace_folder(temporary: Path, folder: Path) -> None:
    """Rename `temporary` to `folder`; restore an existing `folder` on failure."""
    if folder.exists():
        old = temporary_beside(folder, OLD)
        folder.rename(old)
        try:
            temporary.rename(folder)
        except BaseException:
            old.rename(folder)
            raise
        sync_folder(folder.parent)
        shutil.rmtree(old, ignore_errors=True)
    else:
        temporary.rename(folder)
    sync_folder(folder.parent)


def _encode(value: Any, path: str, arrays: list[np.ndarray[Any, Any]]) -> Any:
    if isinstance(value, np.ndarray):
        if value.dtype.hasobject:
            raise CheckpointError(f"state{path} is an array of Python objects. Expected an array of numbers.")
        arrays.append(value)
        return {_ARRAY: len(arrays) - 1}
    if isinstance(value, np.generic) and not isinstance(value.item(), np.generic):
        return _encode(value.item(), path, arrays)
    if value is None or isinstance(value, (bool, int)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, str) and value not in _NOT_FINITE:
        return value
    if isinstance(value, Mapping) and all(isinstance(key, str) and key != _ARRAY for key in value):
        return {key: _encode(part, f"{path}.{key}", arrays) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_encode(part, f"{path}[{index}]", arrays) for index, part in enumerate(value)]
    expected = "Expected NumPy arrays and JSON values in dicts with str keys."
    raise CheckpointError(f"state{path} is {value!r} ({type(value).__name__}). {expected}")


def _decode(value: Any, arrays: Mapping[str, Any]) -> Any:
    if isinstance(value, str):
        return _NOT_FINITE.get(value, value)
    if isinstance(value, list):
        return [_decode(part, arrays) for part in value]
    if isinstance(value, dict):
        if value.keys() == {_ARRAY}:
            return arrays[f"a{value[_ARRAY]}"]
        return {key: _decode(part, arrays) for key, part in value.items()}
    return value


def sync(file: Any) -> None:
    """Flush a file to disk."""
    file.flush()
    os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Flush the directory entries of a folder to disk, if the platform supports it."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def encode_id(agent_id: AgentID) -> Any:
    """Return an agent id as a JSON value: tuples as lists, and all but strings and numbers by their repr.

    >>> encode_id("SHOP"), encode_id(("SHOP", 1)), encode_id(b"x")
    ('SHOP', ['SHOP', 1], {'repr': "b'x'"})
    """
    if type(agent_id) is tuple:
        return [encode_id(part) for part in agent_id]
    return agent_id if type(agent_id) in _PLAIN_IDS else {_REPR: repr(agent_id)}


def encode_mapping(policy_by_agent: Mapping[AgentID, PolicyID]) -> list[list[Any]]:
    """Return a policy mapping as a JSON value: a list of pairs, because ids need not be strings.

    >>> encode_mapping({"SHOP": "shop", 3: "rest"})
    [['SHOP', 'shop'], [3, 'rest']]
    """
    return [[encode_id(agent_id), policy_id] for agent_id, policy_id in policy_by_agent.items()]


def is_lossless(encoded: Any) -> bool:
    """Return whether `decode_id` can decode a value without known ids.

    >>> is_lossless(["SHOP", 1]), is_lossless(["SHOP", {"repr": "<Side.LEFT: 1>"}])
    (True, False)
    """
    return all(map(is_lossless, encoded)) if isinstance(encoded, list) else not isinstance(encoded, dict)


def decode_id(encoded: Any, known: Iterable[AgentID] = ()) -> AgentID:
    """Return the agent id for a JSON value. An id encoded by its repr is looked up among the known ids.

    If no known id matches, the repr is returned as a string.

    >>> decode_id(["SHOP", 1]), decode_id({"repr": "b'x'"}, ["SHOP", b"x"])
    (('SHOP', 1), b'x')
    """
    if not is_lossless(encoded):
        found = [agent_id for agent_id in known if encode_id(agent_id) == encoded]
        if found:
            return found[0]
    if isinstance(encoded, list):
        return tuple(map(decode_id, encoded))
    plain: AgentID = encoded[_REPR] if isinstance(encoded, dict) else encoded
    return plain


def encode_space(space: spaces.Space[Any]) -> dict[str, Any]:
    """Convert a space to arrays and JSON values; raise `CheckpointError` for an unsupported kind."""
    match space:
        case spaces.Box():
            return {"kind": "Box", "low": space.low, "high": space.high, "dtype": str(space.dtype)}
        case spaces.Discrete():
            return {"kind": "Discrete", "n": int(space.n), "start": int(space.start)}
        case spaces.MultiDiscrete():
            dtype = str(space.dtype)
            return {"kind": "MultiDiscrete", "nvec": space.nvec, "start": space.start, "dtype": dtype}
        case spaces.MultiBinary():
            shape = [int(n) for n in np.atleast_1d(space.n)]
            return {"kind": "MultiBinary", "n": shape, "is_flat": isinstance(space.n, int)}
        case spaces.Dict():
            return {"kind": "Dict", "spaces": [[key, encode_space(part)] for key, part in space.items()]}
        case spaces.Tuple():
            return {"kind": "Tuple", "spaces": [encode_space(part) for part in space.spaces]}
    supported = "Box, Discrete, MultiDiscrete, MultiBinary, Dict and Tuple"
    raise CheckpointError(f"The space {space} cannot be saved. Supported: {supported}.")


def decode_space(data: Mapping[str, Any]) -> spaces.Space[Any]:
    """Return the space that `encode_space` converted; raise `CheckpointError` for an unknown kind."""
    match data["kind"]:
        case "Box":
            return spaces.Box(data["low"], data["high"], dtype=np.dtype(data["dtype"]).type)
        case "Discrete":
            return spaces.Discrete(data["n"], start=data["start"])
        case "MultiDiscrete":
            return spaces.MultiDiscrete(data["nvec"], dtype=np.dtype(data["dtype"]).type, start=data["start"])
        case "MultiBinary":
            return spaces.MultiBinary(data["n"][0] if data["is_flat"] else data["n"])
        case "Dict":
            return spaces.Dict({key: decode_space(part) for key, part in data["spaces"]})
        case "Tuple":
            return spaces.Tuple([decode_space(part) for part in data["spaces"]])
    kind = data["kind"]
    raise CheckpointError(f"The checkpoint holds a space of the kind {kind!r}, which is not known here.")


def what_is_not_finite(state: Any) -> str:
    """Return the name of the first number or array in a state that is not finite; empty if all are.

    >>> what_is_not_finite({"weights": {"first": [0.0, float("nan")]}, "steps": 3})
    'weights.first'
    """
    match state:
        case Mapping():
            for name, part in state.items():
                where = what_is_not_finite(part)
                if where:
                    return f"{name}.{where}".removesuffix(".?")
        case np.ndarray() | np.generic() if state.dtype.kind in "fc":
            return "" if np.isfinite(state).all() else "?"
        case float():
            return "" if math.isfinite(state) else "?"
        case list() | tuple():
            return next(filter(None, map(what_is_not_finite, state)), "")
    return ""
