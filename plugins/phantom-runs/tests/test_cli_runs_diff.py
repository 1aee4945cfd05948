"""`phantom runs diff A B` names what differs, and nothing else."""

import dataclasses
import json
import tracemalloc
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


def write_rows(run: Path, *rows: tuple[int, dict[str, Any]], **more: Any) -> None:
    """Append lines to `metrics.jsonl`."""
    with (run / "metrics.jsonl").open("a") as file:
        for iteration, values in rows:
            line = {"iteration": iteration, "env_steps": iteration, "values": values, **more}
            file.write(json.dumps(line) + "\n")


def logged_differences(*runs: Path) -> list[tuple[str, Any, Any]]:
    return [(d.name, d.first, d.second) for d in diff_runs(*runs) if d.part == "results"]


def test_logged_values_are_compared_iteration_by_iteration(write_run: Callable[..., Path]) -> None:
    first = write_run("first", {"a": 1.0, "time/x": 1.0}, {"a": "nan"}, {"a": 2.0})
    second = write_run("second", {"a": 1.0, "time/x": 2.0}, {"a": "nan", "b": 0.5})
    write_rows(first, (2, {"eval/mean_return": "inf"}))  # of the iteration before
    write_rows(second, (4, {"a": 3.0}), (5, {"a": 4.0}))
    write_rows(first, (5, {"a": 5.0}))
    assert logged_differences(first, second) == [
        ("b @ 1", None, 0.5),
        ("a @ 2", 2.0, None),
        ("eval/mean_return @ 2", "inf", None),
        ("a @ 4", None, 3.0),
        ("a @ 5", 5.0, 4.0),
    ]


def test_values_with_a_step_of_their_own_are_compared_by_step(write_run: Callable[..., Path]) -> None:
    first, second = write_run("first", {"a": 1.0}), write_run("second", {"a": 1.0})
    write_rows(first, (100, {"loss": 0.5}), (200, {"loss": 0.25}), is_of_iteration=False)
    write_rows(second, (200, {"loss": 0.5}), is_of_iteration=False)
    for run in (first, second):
        write_rows(run, (1, {"a": 2.0}))
    assert logged_differences(first, second) == [("loss @ 100", 0.5, None), ("loss @ 200", 0.25, 0.5)]


def test_many_differences_are_one_json_list(
    phantom: Callable[..., Any], write_run: Callable[..., Path]
) -> None:
    runs = [write_run(name) for name in ("first", "second")]
    for number, run in enumerate(runs):
        write_rows(run, *((iteration, {"a": float(number)}) for iteration in range(2_500)))
    expected = [dataclasses.asdict(difference) for difference in diff_runs(*runs)]
    assert len(expected) == 2_500
    assert phantom("runs", "diff", *runs, "--json").out == json.dumps(expected, indent=1) + "\n"


def test_long_runs_need_no_more_memory_than_short_ones(
    phantom: Callable[..., Any], write_run: Callable[..., Path]
) -> None:
    def peak(length: int) -> int:
        runs = [write_run(f"{name}-{length}") for name in ("first", "second")]
        for number, run in enumerate(runs):
            write_rows(run, *((i, {f"v{n}": float(number) for n in range(10)}) for i in range(length)))
        tracemalloc.start()
        outcome = phantom("runs", "diff", *runs)
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert outcome.out.endswith(f"  … and {10 * length - 10:,} more values; the first are shown\n")
        return most

    peak(10)  # imports what is needed
    assert peak(2_000) < 1.2 * peak(100)


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
