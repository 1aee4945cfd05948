"""`phantom runs list` has a line for each run, and none ends it."""

import json
import os
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import phantom_core as ph

Phantom = Callable[..., Any]
WriteRun = Callable[..., Path]

LAKE = 'env = "gymnasium"\ntotal_steps = 1000\n[env_config]\nenv = "FrozenLake-v1"\n'


TABLE = """\
run     status             progress                 result                   started         took        trainer     env
runs/a  gone               50 % of 4 iterations     rewards/group 2.5        3 h 20 min ago  3 h 20 min  q-learning  ShopEnv
runs/b  running on quince  20 % of 1,000 env steps  eval/mean_return 0.25    10 min ago      10 min      q-learning  gymnasium FrozenLake-v1
runs/c  completed          100 % of 4 iterations    eval/mean_return 783.37  1 min ago       40 s        q-learning  ShopEnv
"""  # noqa: E501  as it is


def test_each_run_has_a_line_and_the_newest_is_last(
    phantom: Phantom, write_run: WriteRun, gone: dict[str, Any]
) -> None:
    evaluation = {"episodes": 2, "mean_return": 783.37, "episode_returns": []}
    write_run("c", minutes_ago=1, status="completed", iterations=4, evaluation=evaluation)
    write_run("a", {"rewards/group": 1.5}, {"rewards/group": 2.5}, minutes_ago=200, **gone)
    elsewhere = {"status": "running", "process": {"host": "quince"}, "ended": None, "iterations": None}
    write_run("b", {"eval/mean_return": 0.25}, {"rewards/group": 9.0}, config=LAKE, **elsewhere)
    for name in ("run.json", "metrics.jsonl"):
        os.utime(f"runs/a/{name}", (time.time(), time.time() - 0.2))
    outcome = phantom("runs", "list")
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out == TABLE


def test_json_has_the_same_for_programs(phantom: Phantom, write_run: WriteRun) -> None:
    run = write_run("a", {"rewards/group": 1.5})
    facts = json.loads((run / "run.json").read_text())
    assert json.loads(phantom("runs", "list", "--json").out) == [
        {
            "run": "runs/a",
            "name": "shop",
            "status": "stopped",
            "progress": {
                "iterations": 3,
                "env_steps": 300,
                "planned": 4,
                "unit": "iterations",
                "share": 0.75,
                "text": "75 % of 4 iterations",
            },
            "result": {"name": "rewards/group", "value": 1.5},
            "started": facts["started"],
            "ended": facts["ended"],
            "seconds": 40.0,
            "trainer": "q-learning",
            "env": "ShopEnv",
            "problem": "",
        }
    ]


def test_what_is_damaged_is_listed_with_what_is_wrong(phantom: Phantom, write_run: WriteRun) -> None:
    write_run("a")
    (write_run("b") / "run.json").write_text("{")
    (write_run("c") / "run.json").unlink()
    (write_run("d") / "run.json").write_text('{"status": 3}')
    Path("runs/notes").mkdir()
    Path("runs/notes.txt").write_text("not a run")
    outcome = phantom("runs", "list")
    assert (outcome.code, outcome.err) == (0, "")
    _, row, *damaged = outcome.out.splitlines()
    assert row.split()[:2] == ["runs/a", "stopped"]
    syntax = "Expecting property name enclosed in double quotes: line 1 column 2 (char 1)"
    advice = "Name a folder such as runs/<name>-<time>-<id>."
    assert damaged == [
        f"Damaged: runs/b/run.json cannot be read: {syntax}.",
        f"Damaged: runs/c is no run directory: it has no run.json. {advice}",
        "Damaged: runs/d/run.json cannot be read: Expected `str`, got `int` - at `$.status`.",
    ]
    found = json.loads(phantom("runs", "list", "runs", "--json").out)
    assert [(run["run"], run["status"], run["started"]) for run in found if run["problem"]] == [
        (f"runs/{name}", "damaged", None) for name in "bcd"
    ]


def test_a_run_whose_settings_or_values_are_not_there_is_listed(
    phantom: Phantom, write_run: WriteRun
) -> None:
    run = write_run("a", started=None, ended=None, trainer=None)
    (run / "config.toml").unlink()
    (run / "metrics.jsonl").unlink()
    assert phantom("runs", "list").out.splitlines()[1].split() == [
        "runs/a", "stopped", "3", "iterations", "-", "-", "-", "-", "-",
    ]  # fmt: skip


def test_paths_can_be_pasted_and_texts_steer_no_terminal(phantom: Phantom, write_run: WriteRun) -> None:
    text = "\x1b]0;owned\x07\u202e\n"
    config = f"env = {json.dumps(text)}\n"
    write_run("a run", config=config, status=text, trainer=text)
    out = phantom("runs", "list").out
    shown = r"\x1b]0;owned\x07\u202e\n"
    assert out.splitlines()[1].startswith(f"'runs/a run'  {shown}  ")
    assert all(line.isprintable() for line in out.splitlines())


def test_a_folder_without_runs_says_so(phantom: Phantom, tmp_path: Path) -> None:
    (tmp_path / "runs").mkdir()
    assert phantom("runs", "list") == (0, "There are no runs in runs.\n", "")
    assert phantom("runs", "list", "--json") == (0, "[]\n", "")


def test_what_is_no_folder_of_runs_is_told(phantom: Phantom, write_run: WriteRun) -> None:
    assert phantom("runs", "list", "sweep") == (
        2,
        "",
        "Error: There is no folder 'sweep'. Name one that has runs in it: phantom runs list DIR\n",
    )
    write_run("a")
    advice = "Name the folder that it is in: phantom runs list runs; or see it: phantom runs show runs/a"
    assert phantom("runs", "list", "runs/a") == (2, "", f"Error: runs/a is a run itself. {advice}\n")


def test_many_and_long_runs_are_listed_without_reading_all_of_them(
    phantom: Phantom, write_run: WriteRun
) -> None:
    run = write_run("long")
    line = json.dumps({"iteration": 7, "env_steps": 1, "values": {"rewards/group": 1.0}}) + "\n"
    (run / "metrics.jsonl").write_text(line * 1_000_000)
    for number in range(100):
        write_run(f"short-{number}", {"rewards/group": 1.0})
    ph.tools.SavedRun.read(run)  # imports what is needed
    tracemalloc.start()
    outcome = phantom("runs", "list")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(outcome.out.splitlines()) == 102
    assert peak < 20_000_000  # bytes; the file has 70 million
