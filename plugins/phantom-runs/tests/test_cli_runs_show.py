"""`phantom runs show RUN` has what there is to know of a run on one screen."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import phantom_core as ph

Phantom = Callable[..., Any]
WriteRun = Callable[..., Path]

LAKE = {"env": "gymnasium", "env_config": {"env": "FrozenLake-v1"}}


@pytest.fixture
def run(guess_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The relative path of a run that was interrupted, and went on."""
    monkeypatch.chdir(guess_folder)

    class Interrupt(ph.Hooks):
        def on_iteration_start(self, event: ph.IterationStart) -> None:
            if event.iteration == 2:
                raise KeyboardInterrupt

    plan = ph.CheckpointPlan(every=2)
    settings: dict[str, Any] = {**LAKE, "num_iterations": 4, "seed": 1, "checkpoint": plan}
    with pytest.raises(KeyboardInterrupt):
        ph.train("q-learning", **settings, hooks=[Interrupt()])
    (path,) = Path("runs").iterdir()
    ph.resume(path, hooks=[], evaluation=ph.EvaluationPlan(episodes=3))
    return path


def words(text: str) -> list[str]:
    """The lines, with single spaces between words."""
    return [" ".join(line.split()) for line in text.splitlines()]


def test_what_there_is_to_know_is_on_one_screen(phantom: Phantom, run: Path) -> None:
    facts = json.loads((run / "run.json").read_text())
    outcome = phantom("runs", "show", run)
    assert (outcome.code, outcome.err) == (0, "")
    assert len(outcome.out.splitlines()) < 50
    name, *head = words(outcome.out.partition("\n\n")[0])
    assert name == str(run)
    versions = ", ".join(f"{name} {version}" for name, version in facts["versions"].items())
    plugins = ", ".join(f"{plugin['distribution']} {plugin['version']}" for plugin in facts["plugins"])
    took = phantom("runs", "list").out.splitlines()[1].split("  ")[-3].strip()
    assert [line for line in head if not line.startswith(("started", "ended"))] == [
        "status completed",
        f"progress 100 % of 4 iterations, {facts['env_steps']:,} env steps",
        f"process {facts['process']['pid']} on {facts['process']['host']}",
        "trainer q-learning",
        "env gymnasium FrozenLake-v1",
        "seed 1",
        f"evaluation mean return {facts['evaluation']['mean_return']:.6g} of 3 episodes",
        "signed yes",
        f"versions {versions}",
        f"plugins {plugins}",
    ]
    started, ended = (facts[key].replace("T", " ").replace("+00:00", " UTC") for key in ("started", "ended"))
    assert [line.rpartition(", ")[0] for line in head if line.startswith(("started", "ended"))] == [
        f"started {started}",
        f"ended {ended}",
    ]
    assert f"after {took}" in outcome.out
    assert {part.partition("\n")[0] for part in outcome.out.split("\n\n")[1:]} == {
        "settings that are not defaults",
        "checkpoints",
        "resumed",
        "logged last",
        "to go on",
    }


def test_parts_say_where_settings_came_from_and_what_there_is_to_go_on_from(
    phantom: Phantom, run: Path
) -> None:
    out = phantom("runs", "show", run).out
    parts = {title: words(rest) for title, _, rest in (p.partition("\n") for p in out.split("\n\n")[1:])}
    assert "env_config.env FrozenLake-v1 argument" in parts["settings that are not defaults"]
    sizes = {
        name: sum(file.stat().st_size for file in (run / name).iterdir())
        for name in ("checkpoints/iteration-000002", "checkpoints/iteration-000004", "policies")
    }
    assert parts["checkpoints"] == [
        f"{Path(name).name} {size:,} bytes signed whole" for name, size in sizes.items()
    ]
    (resumed,) = json.loads((run / "run.json").read_text())["resumed"]
    time = resumed["time"].replace("T", " ").replace("+00:00", " UTC")
    differences = "; ".join(resumed["differences"])
    assert parts["resumed"] == [f"{time} after 2 iterations was interrupted {differences}"]
    newest = json.loads((run / "metrics.jsonl").read_text().splitlines()[-1])["values"]
    assert f"eval/mean_return {newest['eval/mean_return']:.6g} @ 3" in parts["logged last"]
    assert not [line for line in parts["logged last"] if line.startswith("time/")]
    assert parts["to go on"] == [f"phantom evaluate {run}", f"phantom resume {run} --iterations 8"]


def test_a_damaged_checkpoint_is_named_and_not_gone_on_from(phantom: Phantom, run: Path) -> None:
    damaged = run / "checkpoints" / "iteration-000004"
    (damaged / "manifest.json").unlink()
    (run / "policies" / "state.json").unlink()
    found = json.loads(phantom("runs", "show", run, "--json").out)
    assert [one["problem"] for one in found["checkpoints"]] == [
        "",
        f"The checkpoint {damaged} is damaged: it has no manifest.json. Use another one.",
        f"The checkpoint {run / 'policies'} is damaged: it has no state.json. Use another one.",
    ]
    assert found["to_go_on"] == [
        f"phantom evaluate {run / 'checkpoints' / 'iteration-000002'}",
        f"phantom resume {run} --iterations 8",
    ]


def test_a_run_that_is_gone_says_so(phantom: Phantom, write_run: WriteRun, gone: dict[str, Any]) -> None:
    write_run("a run", {"rewards/group": float("0.5")}, **gone)
    outcome = phantom("runs", "show", "runs/a run")
    assert words(outcome.out)[:3] == [
        "'runs/a run'",
        "status gone: its process ended without saying how, as by SIGKILL; the end is when it wrote last",
        "progress 25 % of 4 iterations, 100 env steps",
    ]
    assert outcome.out.endswith("to go on\n  phantom train 'runs/a run/config.toml'\n")


def test_why_a_run_ended_and_what_failed_is_shown(phantom: Phantom, write_run: WriteRun) -> None:
    write_run(
        "a",
        status="failed",
        error="ValueError: no such day",
        problems=["No checkpoint after iteration 3. The disk is full."],
        hook_failures=["Plugin 'Diary' failed once in on_train_end: OSError: no disk."],
        skipped_plugins=[{"name": "acme:gauge", "status": "failed", "reason": "No module named 'torch'."}],
    )
    out = phantom("runs", "show", "runs/a").out
    assert words(out)[1] == "status failed: ValueError: no such day"
    assert "\n\nproblems\n  No checkpoint after iteration 3. The disk is full.\n\n" in out
    assert "\n\nfailures of hooks\n  Plugin 'Diary' failed once in on_train_end: OSError: no disk.\n\n" in out
    assert "\n\nskipped plugins\n  acme:gauge  No module named 'torch'.\n\n" in out


def test_a_run_that_goes_on_is_left_alone(phantom: Phantom, write_run: WriteRun) -> None:
    write_run("a", status="running", process={"pid": 1, "host": "quince"}, ended=None)
    out = phantom("runs", "show", "runs/a").out
    assert words(out)[1:3] == ["status running on quince", "progress 75 % of 4 iterations, 300 env steps"]
    assert words(out)[4].startswith("ended not yet, after 10 min")
    assert "to go on" not in out


def test_texts_of_files_steer_no_terminal(phantom: Phantom, write_run: WriteRun) -> None:
    text = "\x1b]0;owned\x07\u202e\n"
    texts = {"error": text, "problems": [text], "versions": {text: text}, "origins": {text: text}}
    config = f"{json.dumps(text)} = {json.dumps(text)}\n"
    write_run("a", {text: 1.0}, config=config, status=text, trainer=text, process={"host": text}, **texts)
    out = phantom("runs", "show", "runs/a").out
    assert all(line.isprintable() for line in out.split("\n"))
    assert out.count(r"\x1b]0;owned\x07\u202e\n") >= 9


def test_what_is_no_run_is_told(phantom: Phantom, tmp_path: Path) -> None:
    outcome = phantom("runs", "show", tmp_path)
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err.startswith(f"Error: {tmp_path} is no run directory: it has no run.json. Name a folder")


@pytest.mark.fuzz
def test_a_run_that_is_damaged_is_shown_or_refused_and_is_always_listed(
    phantom: Phantom, run: Path, mutators: Callable[[int], Iterator[Any]]
) -> None:
    for name in ("run.json", "metrics.jsonl", "config.toml", "checkpoints/iteration-000004/manifest.json"):
        file, content = run / name, (run / name).read_bytes()
        for mutator in mutators(12):
            changed = [mutator.content(content)]
            if name.endswith(".json"):
                changed.append(json.dumps(mutator.value(json.loads(content))).encode())
            for damaged in changed:
                file.write_bytes(damaged)
                shown, listed = phantom("runs", "show", run), phantom("runs", "list")
                assert shown.code in {0, 2}
                assert listed.code == 0
                assert str(run) in listed.out
                for text in (shown.out, shown.err, listed.out):
                    assert all(line.isprintable() for line in text.split("\n"))
        file.write_bytes(content)
