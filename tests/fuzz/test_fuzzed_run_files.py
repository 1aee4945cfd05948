"""Run files and `--set` at random: settings that are right, or a sentence."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import tomli_w

from phantom_core.training.components import Components
from phantom_core.training.run_file import RunFile

pytestmark = pytest.mark.fuzz

Mutators = Callable[[int], Iterator[Any]]
IsRefused = Callable[..., bool]

RUN_FILE: dict[str, Any] = {
    "env": "gymnasium",
    "iterations": 2,
    "seed": 1,
    "name": "a",
    "run_dir": "runs",
    "loggers": ["csv"],
    "hooks": ["early-stopping"],
    "strict_hooks": True,
    "workers": 0,
    "trainer": {"name": "q-learning", "q-learning": {"alpha": 0.5, "update": "iteration"}},
    "env_config": {"env": "FrozenLake-v1", "settings": {"is_slippery": True}},
    "policies": {"p": {"agents": ["agent"], "config": {}, "train": True}},
    "policies_to_train": ["p"],
    "training_plan": [{"policies": ["p"], "iterations": 2}],
    "evaluate": {"episodes": 4, "every": 2, "seed": 3, "reference_return": 1.0},
    "checkpoint": {"every": 1, "keep_last": 3},
    "logger": {"csv": {}},
    "hook": {"early-stopping": {"quantity": "rewards/group", "patience": 3}},
    "metrics": {"m": {"metric": "simple-agent", "agent_id": "agent", "agent_property": "x"}},
    "plugins": {"disabled": ["x"]},
    "not_in_file": {"env": "x"},
}
TEXTS = ["", "=", "a", "a=", "=a", ".=1", "a..b=1", "trainer=x", "trainer=3", "trainer.name=[", "seed=1e999"]
PIECES = ["seed", "trainer", "q-learning", *'.=[]{}"1-e', "\x00", "ü", "\ud800"]


def settings(path: Path, *assignments: str) -> None:
    run_file = RunFile.read(path)
    for assignment in assignments:
        run_file.set_from_text(assignment)
    run_file.plugin_settings()
    found = run_file.settings()
    run_file.evaluation()
    Components(run_file.plugin_settings(), folder=run_file.folder).trainer(
        found.trainer, found.trainer_config
    )
    found.to_table(run_file.folder)


def without_null(value: Any) -> Any:
    """Return a value as TOML can hold it."""
    if isinstance(value, dict):
        return {key: without_null(part) for key, part in value.items() if part is not None}
    if isinstance(value, list):
        return [without_null(part) for part in value if part is not None]
    return value


def test_values_of_a_run_file_are_right_or_refused(
    tmp_path: Path, mutators: Mutators, is_refused: IsRefused
) -> None:
    path, refused = tmp_path / "a.toml", 0
    for mutator in mutators(400):
        changed = without_null(mutator.value(RUN_FILE))
        path.write_text(tomli_w.dumps(changed if isinstance(changed, dict) else {"x": changed or 0}))
        refused += is_refused(settings, path)
    assert refused > 100


def test_bytes_of_a_run_file_are_right_or_refused(
    tmp_path: Path, mutators: Mutators, is_refused: IsRefused
) -> None:
    path, content = tmp_path / "a.toml", tomli_w.dumps(RUN_FILE).encode()
    for mutator in mutators(300):
        path.write_bytes(mutator.content(content))
        is_refused(settings, path)


@pytest.mark.parametrize("content", ["a=" + "[" * 100_000, "a=" + "1" * 10_000, "[" * 50_000, "a." * 10_000])
def test_a_run_file_that_is_nested_or_long_beyond_reason_is_refused(
    content: str, tmp_path: Path, is_refused: IsRefused
) -> None:
    (tmp_path / "a.toml").write_text(content)
    assert is_refused(settings, tmp_path / "a.toml")


def test_assignments_are_right_or_refused(tmp_path: Path, mutators: Mutators, is_refused: IsRefused) -> None:
    path = tmp_path / "a.toml"
    path.write_text(tomli_w.dumps(RUN_FILE))
    names = list(flat(RUN_FILE))
    for mutator in mutators(400):
        rng = mutator.rng
        value = rng.choice(
            ["", "3", "-1", "x", "[", "[]", "{}", "{a=1}", "nan", "true", "1979-05-27", "'" * 9]
        )
        made = "".join(rng.choices(PIECES, k=rng.randrange(12)))
        text = rng.choice([made, f"{rng.choice(names)}={value}", f"{rng.choice(names)}={made}", *TEXTS])
        is_refused(settings, path, text)
    for text in ("a=" + "[" * 100_000, "seed=" + "9" * 10_000, ".".join("a" * 5_000) + "=1"):
        is_refused(settings, path, text)


def flat(table: dict[str, Any], before: str = "") -> Iterator[str]:
    """Yield the dotted names of a table."""
    for key, value in table.items():
        yield f"{before}{key}"
        if isinstance(value, dict):
            yield from flat(value, f"{before}{key}.")
