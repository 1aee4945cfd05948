"""A study gives the same rows on a Ray cluster as here, also when a machine of the cluster dies."""

import contextlib
import os
import signal
import threading
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

import phantom_core as ph
import phantom_experiments as px
from phantom_ray import RayExecutor

if find_spec("ray") is None:
    pytest.skip("ray is not installed: run make check-integrations", allow_module_level=True)

pytestmark = [
    pytest.mark.integration,
    pytest.mark.timeout(300),  # Ray takes seconds to start a process
    pytest.mark.filterwarnings("ignore"),  # what Ray uses is its matter
]

HERE = Path(__file__).parent
MODEL = f"{HERE / 'market_in_a_file.py'}:Givers"


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """Two machines: two Ray nodes on this one."""
    import ray
    from ray.cluster_utils import Cluster

    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 2})
    made.add_node(num_cpus=2)
    ray.init(address=made.address, log_to_driver=False, logging_level="ERROR")
    made.wait_for_nodes()
    yield made
    ray.shutdown()
    made.shutdown()


def make_study(num_steps: int = 10, seeds: int = 20) -> px.Study:
    return px.Study(
        MODEL,
        px.product(num_givers=[2, 5]),
        seeds=seeds,
        env_config={"num_steps": num_steps},
        treatments={"off": {}, "gift": px.at(3, give)},
        collect=px.collect(env={"richest": "richest"}, agents={"Giver": ["wealth"]}, every=5),
    )


def give(env: Any, rng: Any) -> None:
    env["G0"].wealth += rng.random()


def bytes_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.glob("*.jsonl"))}


@pytest.mark.usefixtures("cluster")
def test_the_rows_are_those_of_this_process(tmp_path: Path) -> None:
    make_study().simulate(out=tmp_path / "here")
    make_study().simulate(out=tmp_path / "there", executor="ray")
    found = bytes_of(tmp_path / "there")
    assert found == bytes_of(tmp_path / "here")
    assert len(found["episodes.jsonl"].splitlines()) == 80
    assert len(found["agents.jsonl"].splitlines()) == 20 * 2 * (2 + 5)


class Nodes:
    """Where tasks were played."""

    def __call__(self, task: int) -> tuple[int, str]:
        import ray

        time.sleep(0.05)
        return task, ray.get_runtime_context().get_node_id()


@pytest.mark.usefixtures("cluster")
def test_tasks_are_played_on_both_machines_and_returned_in_order() -> None:
    executor: Any = RayExecutor()
    executor.start(Nodes())
    try:
        found = list(executor.map(range(60)))
    finally:
        executor.close()
    assert [(task, outcome[0]) for task, outcome in found] == [(n, n) for n in range(60)]
    assert len({node for _, (_, node) in found}) == 2


def test_a_machine_that_dies_costs_nothing_but_time(cluster: Any, tmp_path: Path) -> None:
    make_study(num_steps=400).simulate(out=tmp_path / "here", workers=2)
    extra = cluster.add_node(num_cpus=2)
    cluster.wait_for_nodes()
    done = threading.Event()

    def kill_when_some_are_done(stored: int, *_: int) -> None:
        if stored > 4 and not done.is_set():
            done.set()
            cluster.remove_node(extra, allow_graceful=False)

    results = make_study(num_steps=400).simulate(
        out=tmp_path / "there", executor=RayExecutor(workers=6), progress=kill_when_some_are_done
    )
    assert done.is_set()
    assert len(results.episodes) == 80
    assert bytes_of(tmp_path / "there") == bytes_of(tmp_path / "here")


class Deadly:
    def __call__(self, task: int) -> int:
        if task == 3:
            os.kill(os.getpid(), signal.SIGKILL)
        return task


@pytest.mark.usefixtures("cluster")
def test_a_task_that_kills_its_process_again_and_again_is_named() -> None:
    executor: Any = RayExecutor(workers=2)
    executor.start(Deadly())
    try:
        with pytest.raises(px.WorkerLostError) as caught:
            list(executor.map(range(8)))
    finally:
        executor.close()
    assert caught.value.task == 3


class Raising:
    def __call__(self, task: int) -> int:
        if task == 2:
            raise ZeroDivisionError("of task 2")
        return task


@pytest.mark.usefixtures("cluster")
def test_what_a_task_raises_is_raised_here_with_its_traceback() -> None:
    executor: Any = RayExecutor(workers=2)
    executor.start(Raising())
    try:
        with pytest.raises(ZeroDivisionError, match="of task 2") as caught:
            list(executor.map(range(8)))
    finally:
        executor.close()
    assert "in __call__" in caught.value.__notes__[0]


def players() -> list[str]:
    """The processes that play, as Ray calls them."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            found.append(path.read_text())
    return [line for line in found if line.startswith("ray::Player")]


@pytest.mark.usefixtures("cluster")
def test_ctrl_c_ends_every_process(tmp_path: Path) -> None:
    seen: list[str] = []

    def interrupt(stored: int, *_: int) -> None:
        if stored == 5:
            seen.extend(players())
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make_study(num_steps=100).simulate(out=tmp_path / "cut", executor="ray", progress=interrupt)
    assert seen
    deadline = time.monotonic() + 30
    while alive := players():
        assert time.monotonic() < deadline, alive
        time.sleep(0.2)
    make_study(num_steps=100).simulate(out=tmp_path / "cut", executor="ray")
    make_study(num_steps=100).simulate(out=tmp_path / "whole")
    assert bytes_of(tmp_path / "cut") == bytes_of(tmp_path / "whole")


@pytest.mark.usefixtures("cluster")
def test_a_study_that_cannot_be_sent_is_refused() -> None:
    lock = threading.Lock()
    executor: Any = RayExecutor()
    with pytest.raises(ph.errors.ConfigError) as caught:
        executor.start(lambda task: (lock, task))
    assert str(caught.value) == (
        "The study cannot be sent to another process: TypeError: cannot pickle '_thread.lock' object. Put "
        "what it uses into a package that is installed there."
    )
