"""What `run.json` holds, by name and type, and reading it: whatever else is there is refused."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any, Final, NotRequired, TypedDict

import msgspec

from phantom_core.types import PolicyID

FORMAT: Final = 1
"""The format this version writes, and the newest that it reads."""

_Count = Annotated[int, msgspec.Meta(ge=0)]


class _Plugin(TypedDict):
    distribution: str
    version: str
    source: str
    sha256: str


class _Component(TypedDict):
    kind: str
    name: str
    distribution: str


class _HooksObject(TypedDict):
    name: str
    file: str
    sha256: str


class _Skipped(TypedDict):
    name: str
    status: str
    reason: str


class _Evaluation(TypedDict):
    episodes: _Count
    mean_return: float | None
    episode_returns: list[tuple[Any, list[float | None]]]
    metrics: NotRequired[dict[str, list[float | None]]]


class _Resumption(TypedDict):
    """Where the run was resumed: after how many iterations, its status before, and what is other since."""

    time: str
    iterations: _Count
    status: str
    differences: list[str]


class RunJson(TypedDict, total=False):
    """The facts about a run, those first that are there from the beginning."""

    format: Annotated[int, msgspec.Meta(ge=1)]
    name: str
    status: str
    started: str
    process: dict[str, Any]
    seed: _Count
    trainer: str
    versions: dict[str, str]
    plugins: list[_Plugin]
    components: list[_Component]
    hooks: list[_HooksObject]
    hook_order: dict[str, list[str]]
    skipped_plugins: list[_Skipped]
    blas_threads: dict[str, int]
    origins: dict[str, str]
    not_in_config: list[str]
    signature: str
    resumed: list[_Resumption]
    policies_to_train: list[PolicyID]
    policy_by_agent: list[tuple[Any, PolicyID]]
    evaluation: _Evaluation
    error: str
    ended: str
    iterations: _Count
    env_steps: _Count
    stop_reasons: list[str]
    hook_failures: list[str]
    problems: list[str]


class PoliciesInUse(TypedDict):
    """What of a checkpoint is to be as in `run.json`."""

    policies_to_train: list[PolicyID]
    policy_by_agent: list[tuple[Any, PolicyID]]


class StateToResume(PoliciesInUse):
    """What a run needs of a checkpoint to go on from it; trainers and plugins know their own parts."""

    iterations: _Count
    env_steps: _Count
    rounds: _Count
    stop_reasons: list[str]
    is_evaluated: bool
    policies: dict[PolicyID, dict[str, Any]]
    training: dict[str, Any]
    generators: dict[PolicyID, Any]
    hooks: dict[str, Any]
    hook_failures: list[tuple[str, str, str, _Count, _Count, bool]]


def decode_run(content: bytes) -> dict[str, Any]:
    """Return the facts that `run.json` holds.

    Raises:
        ValueError: if they are damaged, or of a newer format; the message says what is wrong.
    """
    try:
        facts = json.loads(content)
        check_facts(facts, RunJson)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    if facts.get("format", FORMAT) > FORMAT:
        reads = f"this version of phantom_core reads formats up to {FORMAT}"
        advice = "Run: pip install -U phantom-rl-core"
        raise ValueError(f"it has format {facts['format']}; {reads}. {advice}")
    return dict(facts)


def check_facts(facts: Any, kind: type[RunJson | PoliciesInUse]) -> None:
    """Raise `ValueError` if facts have other types than they should have; it says where."""
    try:
        msgspec.convert(facts, kind)
    except msgspec.ValidationError as error:
        raise ValueError(str(error)) from None
    for agent_id, _ in facts.get("policy_by_agent", ()):
        if not _is_id(agent_id):
            raise ValueError(f"{agent_id!r} is no id of an agent - at `$.policy_by_agent`")


def _is_id(encoded: Any) -> bool:
    """Return whether a JSON value is an id as `encode_id` returns it."""
    if isinstance(encoded, list):
        return all(map(_is_id, encoded))
    if isinstance(encoded, Mapping):
        return encoded.keys() == {"repr"} and isinstance(encoded["repr"], str)
    return True
