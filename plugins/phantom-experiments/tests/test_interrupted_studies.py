"""A study that was interrupted goes on, and writes the bytes of one that was not."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import phantom_core as ph
import phantom_experiments as px
from phantom_experiments import store

sys.path.insert(0, str(Path(__file__).parent))
from study_models import Saver, Savers, SlowSavers

UNTIL = px.precision("mean", 0.05, batch=4)


def study(**given: Any) -> px.Study:
    collect = px.collect(
        env={"mean": "mean_wealth", "all": px.vector(Saver, "wealth")}, agents={Saver: ["wealth"]}
    )
    settings = {"vary": {"size": [2, 3]}, "seeds": 8, "treatments": {"a": {}, "b": {"num_steps": 3}}}
    return px.Study(Savers, collect=collect, **{**settings, **given})


def files(directory: Path) -> dict[str, bytes]:
    paths = [path for path in directory.rglob("*") if path.suffix in (".jsonl", ".npz")]
    return {path.relative_to(directory).as_posix(): path.read_bytes() for path in paths}


@pytest.fixture(scope="module")
def whole() -> dict[bool, dict[str, bytes]]:
    """What studies write that nobody interrupts: all seeds, and until a precision."""
    with tempfile.TemporaryDirectory() as folder:
        for is_precise in (False, True):
            study().simulate(out=Path(folder) / str(is_precise), until=UNTIL if is_precise else None)
        return {is_precise: files(Path(folder) / str(is_precise)) for is_precise in (False, True)}


@given(
    cut=st.integers(1, 31),
    waits=st.integers(0, 5),
    max_arrays=st.sampled_from([3, 7, 10_000]),
    until=st.booleans(),
)
@settings(max_examples=12, deadline=None)
def test_a_study_that_is_killed_goes_on_as_if_it_had_not_been(
    cut: int, waits: int, max_arrays: int, *, until: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """`cut`: after how many tasks; `waits`: how many of them were not flushed."""
    folder = tmp_path_factory.mktemp("cut")
    wanted = UNTIL if until else None
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(store, "MAX_ARRAYS", max_arrays)
        study().simulate(out=folder / "whole", until=wanted)
        flush = store.StudyStore.flush
        flushed = [0]

        def flush_often(self: store.StudyStore) -> None:
            if self.tasks - flushed[0] > waits:
                flush(self)
                flushed[0] = self.tasks

        def kill(done: int, *_: int) -> None:
            if done == cut:  # what is on the disk now, and a part of a line
                shutil.copytree(folder / "running", folder / "killed")
                for path in (folder / "killed").glob("*.jsonl"):
                    path.write_bytes(path.read_bytes() + b'{"point": 0, "trea')

        patch.setattr(store, "MAX_WAITING_BYTES", 0)
        patch.setattr(store.StudyStore, "flush", flush_often)
        study().simulate(out=folder / "running", until=wanted, progress=kill)
        patch.setattr(store.StudyStore, "flush", flush)
        if (folder / "killed").exists():
            study().simulate(out=folder / "killed", until=wanted)
            assert files(folder / "killed") == files(folder / "whole")


@pytest.mark.parametrize("until", [None, UNTIL])
def test_ctrl_c_keeps_what_was_played(
    tmp_path: Path, until: Any, whole: dict[bool, dict[str, bytes]]
) -> None:
    def interrupt(done: int, *_: int) -> None:
        if done == 11:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        study().simulate(out=tmp_path / "s", until=until, progress=interrupt)
    header = json.loads((tmp_path / "s" / "study.json").read_text())
    assert header["status"] == "interrupted"
    assert len((tmp_path / "s" / "episodes.jsonl").read_text().splitlines()) == 11
    played: list[int] = []
    study().simulate(out=tmp_path / "s", until=until, progress=lambda done, *_: played.append(done))
    assert played[0] == 12
    assert files(tmp_path / "s") == whole[until is not None]


SLOW = """
import signal
import sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored where the tests run in the background
sys.path.insert(0, {folder!r})
import phantom_experiments as px
from study_models import SlowSavers

if __name__ == "__main__":
    study = px.Study(SlowSavers, seeds=200, collect=px.collect(env=["mean_wealth"]))
    study.simulate(workers=2, out=sys.argv[1])
"""


def begun(tmp_path: Path) -> tuple[subprocess.Popen[bytes], list[int]]:
    """Begin a slow study in two processes; return its process and their ids."""
    script = tmp_path / "play.py"
    script.write_text(SLOW.format(folder=str(Path(__file__).parent)), encoding="utf-8")
    command = [sys.executable, str(script), str(tmp_path / "cut")]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL, start_new_session=True)
    deadline = time.monotonic() + 60
    episodes = tmp_path / "cut" / "episodes.jsonl"
    while time.monotonic() < deadline and not (episodes.exists() and episodes.stat().st_size):
        time.sleep(0.05)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    return process, list(map(int, children))


def are_gone(children: list[int]) -> bool:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and any(map(is_running, children)):
        time.sleep(0.05)
    return not any(map(is_running, children))


needs_proc = pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="it looks into /proc")


@needs_proc
@pytest.mark.timeout(120)
def test_a_real_kill_leaves_no_process_and_loses_nothing(tmp_path: Path) -> None:
    process, children = begun(tmp_path)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert 0 < len((tmp_path / "cut" / "episodes.jsonl").read_text().splitlines()) < 200
    assert are_gone(children)
    for name in ("cut", "whole"):
        study = px.Study(SlowSavers, seeds=200, collect=px.collect(env=["mean_wealth"]))
        study.simulate(out=tmp_path / name)
    assert files(tmp_path / "cut") == files(tmp_path / "whole")


@needs_proc
@pytest.mark.timeout(120)
def test_ctrl_c_ends_every_process(tmp_path: Path) -> None:
    process, children = begun(tmp_path)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does
    assert process.wait(timeout=60) != 0
    assert are_gone(children)
    assert json.loads((tmp_path / "cut" / "study.json").read_text())["status"] == "interrupted"


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().split(")")[1].split()[0] != "Z"
    except (OSError, IndexError):
        return False


def test_another_study_or_a_complete_one_is_refused(tmp_path: Path) -> None:
    study(seeds=2).simulate(out=tmp_path / "s")
    with pytest.raises(ph.errors.ConfigError) as caught:
        study(seeds=3).simulate(out=tmp_path / "s")
    assert str(caught.value) == (
        f"out is {str(tmp_path / 's')!r}, which holds another study: it differs in 'seeds'. Give another "
        "out; or "
        "the same study, to go on with it."
    )
    with pytest.raises(ph.errors.ConfigError) as caught:
        study(seeds=2).simulate(out=tmp_path / "s")
    assert str(caught.value) == (
        f"out is {str(tmp_path / 's')!r}, where this study is complete. Read it with px.Results.open("
        f"{str(tmp_path / 's')!r}); or give another out, to play it anew."
    )
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.tex").touch()
    with pytest.raises(ph.errors.ConfigError) as caught:
        study().simulate(out=tmp_path / "full")
    assert str(caught.value) == (
        f"out is {str(tmp_path / 'full')!r}, and there is something in it that is no study. Give a folder "
        "that is "
        "empty or does not exist."
    )


def test_a_precision_stops_point_by_point_with_whole_seeds_of_all_treatments(
    tmp_path: Path, whole: dict[bool, dict[str, bytes]]
) -> None:
    rows = [json.loads(line) for line in whole[True]["episodes.jsonl"].splitlines()]
    for point in (0, 1):
        seeds = {
            t: [row["seed"] for row in rows if (row["point"], row["treatment"]) == (point, t)] for t in "ab"
        }
        assert seeds["a"] == seeds["b"] == list(range(len(seeds["a"])))
        assert len(seeds["a"]) in (4, 8)
    study().simulate(out=tmp_path / "two", until=UNTIL, workers=2)
    assert files(tmp_path / "two") == whole[True]
    loose = px.precision("mean", 100.0, batch=3)
    found = study(vary=None).simulate(until=loose)
    assert [row["seed"] for row in found.episodes] == [0, 1, 2] * 2


@pytest.mark.parametrize("is_there", [False, True])
def test_a_study_that_is_refused_leaves_nothing_behind(*, is_there: bool, tmp_path: Path) -> None:
    out = tmp_path / "out"
    if is_there:
        out.mkdir()
    with pytest.raises(ph.errors.ConfigError):
        px.Study(Savers, collect=px.collect(env={"x": "no_such"})).simulate(out=out)
    assert out.exists() is is_there
    assert not is_there or not any(out.iterdir())
    study(seeds=1).simulate(out=out)
    assert len(px.Results.open(out).episodes) == 4


def test_a_precision_of_what_is_not_collected_is_refused() -> None:
    with pytest.raises(ph.errors.ConfigError) as caught:
        study().simulate(until=px.precision("maen", 0.1))
    assert str(caught.value) == (
        "until is a precision of 'maen', but no episode has such a value. Did you mean 'mean'? Collect it: "
        "px.collect(env={'maen': …})."
    )
    with pytest.raises(ph.errors.ConfigError) as caught:
        px.precision("mean", 0)
    assert str(caught.value) == "precision got error=0. Expected a positive number."


def test_a_study_that_is_being_played_is_not_played_by_another(tmp_path: Path) -> None:
    said = []

    def meanwhile(done: int, *_: int) -> None:
        if done == 1:
            with pytest.raises(ph.errors.ConfigError) as caught:
                study().simulate(out=tmp_path / "one")
            said.append(str(caught.value))

    results = study().simulate(out=tmp_path / "one", progress=meanwhile)
    assert said == [
        (
            f"out is {str(tmp_path / 'one')!r}, where this study is being played now. Wait for its end, or "
            "give another out."
        )
    ]
    assert len(results.episodes) == 32
