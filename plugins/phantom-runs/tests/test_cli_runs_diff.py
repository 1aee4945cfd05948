"""`phantom runs diff A B` names what differs, and nothing else."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from phantom_runs import diff_runs

LOGGER = "import phantom_core as ph\nclass Diary(ph.Hooks):\n    def on_train_end(self, event):\n        {}\n"
TRAINER = """
from dataclasses import dataclass

import phantom_core as ph


@dataclass(frozen=True)
class CountConfig:
    scale: float = 0.1


class CountTrainer(ph.Trainer):
    "Logs a value that follows from the seed, times what it is set to."

    config_class = CountConfig
    policy_class = ph.RandomPolicy

    def collect_plan(self):
        return ph.CollectPlan(episodes=1)

    def update(self, policy_id, policy, batch, rng):
        return {"scaled": rng.random() * self.config.scale}
"""
RUN_FILE = """
env = "./guess_world.py:GuessEnv"
trainer = "./count_trainer.py:CountTrainer"
iterations = 2
seed = 1

[evaluate]
episodes = 2
"""


@pytest.fixture
def make_run(phantom: Callable[..., Any], guess_folder: Path) -> Callable[..., Path]:
    """Make a short run; return its folder."""
    (guess_folder / "count_trainer.py").write_text(TRAINER)
    (guess_folder / "guess.toml").write_text(RUN_FILE)

    def make(*arguments: str) -> Path:
        outcome = phantom("train", "guess.toml", *arguments)
        (line,) = [line for line in outcome.out.splitlines() if line.startswith("run directory: ")]
        return Path(line.removeprefix("run directory: "))

    return make


def differences(phantom: Callable[..., Any], *runs: Path) -> dict[tuple[str, str], tuple[Any, Any]]:
    found = json.loads(phantom("runs", "diff", *runs, "--json").out)
    return {(d["part"], d["name"]): (d["first"], d["second"]) for d in found}


def test_two_runs_of_one_file_do_not_differ(
    phantom: Callable[..., Any], make_run: Callable[..., Path]
) -> None:
    outcome = phantom("runs", "diff", make_run(), make_run("--set", "name=other"))
    assert outcome == (0, "The runs do not differ, but for times and names.\n", "")


def test_settings_seeds_and_results_that_differ_are_named(
    phantom: Callable[..., Any], make_run: Callable[..., Path]
) -> None:
    first = make_run()
    second = make_run("--set", "trainer.CountTrainer.scale=0.5", "--seed", "2", "--iterations", "3")
    found = differences(phantom, first, second)
    assert found["settings", "trainer.CountTrainer.scale"] == (None, 0.5)
    assert found["seeds", "seed"] == (1, 2)
    assert found["results", "iterations"] == (2, 3)
    assert ("results", "rewards/group @ 2") in found
    assert not [name for _, name in found if "time/" in name]
    assert {part for part, _ in found} == {"settings", "seeds", "results"}
    outcome = phantom("runs", "diff", first, second)
    lines = [" ".join(line.split()) for line in outcome.out.splitlines()]
    assert outcome.code == 1
    assert lines[:6] == [
        "settings",
        "iterations 2 → 3",
        "trainer.CountTrainer.scale - → 0.5",
        "seeds",
        "seed 1 → 2",
        "results",
    ]


def test_an_edited_plugin_is_named(
    phantom: Callable[..., Any], make_run: Callable[..., Path], fake_distribution: Callable[..., Path]
) -> None:
    loggers = {"phantom_core.loggers": {"diary": "acme_diary:Diary"}}
    site = fake_distribution("acme", loggers, {"acme_diary": LOGGER.format("pass")})
    first = make_run("--logger", "diary")
    (site / "acme_diary.py").write_text(LOGGER.format("...  # edited"))
    found = differences(phantom, first, make_run("--logger", "diary"))
    assert list(found) == [("plugins", "acme files")]


def test_hooks_and_plugins_that_take_part_in_one_run_only_are_named(
    phantom: Callable[..., Any],
    make_run: Callable[..., Path],
    guess_folder: Path,
    fake_distribution: Callable[..., Path],
) -> None:
    gauge = LOGGER.format("...").replace("on_train_end", "on_train_start")
    fake_distribution("acme", {"phantom_core.plugins": {"gauge": "acme_gauge:Diary"}}, {"acme_gauge": gauge})
    (guess_folder / "diary.py").write_text(LOGGER.format("raise OSError('no disk')"))
    first = make_run()
    second = make_run("-p", "./diary.py", "--set", "plugins.disable=['acme']")
    found = differences(phantom, first, second)
    path = guess_folder.resolve() / "diary.py"
    assert found["settings", "hooks"] == (None, [str(path)])
    assert found["plugins", f"Diary {path}"][0] is None
    assert found["plugins", "order of on_train_end"] == (["jsonl"], ["Diary", "jsonl"])
    reason = "disabled: plugins.disable in guess.toml names it."
    assert found["plugins", "acme:gauge skipped"] == (None, reason)
    failure = "Plugin 'Diary' failed once in on_train_end: OSError: no disk."
    assert found["results", "hook_failures"] == ([], [failure])


def test_what_is_no_run_directory_is_told(phantom: Callable[..., Any], make_run: Callable[..., Path]) -> None:
    assert phantom("runs", "diff", make_run(), ".").err == (
        "Error: . is no run directory: it has no run.json. Name a folder such as runs/<name>-<time>-<id>.\n"
    )


def test_a_setting_that_is_nan_in_both_is_the_same(
    phantom: Callable[..., Any], make_run: Callable[..., Path]
) -> None:
    first, second = (make_run("--set", "evaluate.reference_return=nan") for _ in range(2))
    assert differences(phantom, first, second) == {}


def test_floats_have_as_many_digits_as_tell_them_apart(
    phantom: Callable[..., Any], make_run: Callable[..., Path]
) -> None:
    runs = {
        scale: make_run("--set", f"trainer.CountTrainer.scale={scale}") for scale in (0.3, 0.1 + 0.2, 1 / 7)
    }
    first, noisy, other = runs.values()

    def line(second: Path) -> str:
        out = phantom("runs", "diff", first, second).out
        (found,) = [line for line in out.splitlines() if "CountTrainer" in line]
        return " ".join(found.split())

    assert line(other) == "trainer.CountTrainer.scale 0.3 → 0.142857"
    assert line(noisy) == "trainer.CountTrainer.scale 0.3 → 0.30000000000000004"


def test_what_differs_steers_no_terminal(phantom: Callable[..., Any], make_run: Callable[..., Path]) -> None:
    first, second = make_run(), make_run()
    text = "\x1b]0;owned\x07\r\u202e\n"
    (second / "config.toml").write_text(f"{json.dumps(text)} = {json.dumps(text)}\n")
    facts = json.loads((second / "run.json").read_text()) | {"status": text, "versions": {text: text}}
    (second / "run.json").write_text(json.dumps(facts))
    outcome = phantom("runs", "diff", first, second)
    shown = r"\x1b]0;owned\x07\r\u202e\n"
    assert (outcome.code, outcome.err) == (1, "")
    assert all(line.isprintable() for line in outcome.out.split("\n"))
    assert f"{shown} - → {shown}" in [" ".join(line.split()) for line in outcome.out.split("\n")]
    (second / "run.json").write_text(json.dumps({"seed": text}))
    assert phantom("runs", "diff", first, second).err.rstrip("\n").isprintable()


@pytest.mark.fuzz
def test_a_run_that_is_damaged_is_compared_or_refused(
    phantom: Callable[..., Any],
    make_run: Callable[..., Path],
    mutators: Callable[[int], Iterator[Any]],
    is_refused: Callable[..., bool],
) -> None:
    first, second = make_run(), make_run()
    for name in ("run.json", "metrics.jsonl", "config.toml"):
        file, content = second / name, (second / name).read_bytes()
        for mutator in mutators(60):
            file.write_bytes(mutator.content(content))
            is_refused(lambda: list(diff_runs(first, second)))
            if name == "run.json":
                file.write_text(json.dumps(mutator.value(json.loads(content))))
                if not is_refused(lambda: list(diff_runs(first, second))):
                    assert phantom("runs", "diff", first, second).code in {0, 1}
        file.write_bytes(content)
