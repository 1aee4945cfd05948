"""A study plays points × treatments × seeds, and its rows depend on nothing else."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import phantom_core as ph
import phantom_experiments as px

sys.path.insert(0, str(Path(__file__).parent))
from study_models import CountingPolicy, Game, KilledOnce, Player, Process, Saver, Savers

TABLES = ("episodes.jsonl", "agents.jsonl", "steps.jsonl")


def files(directory: Path) -> dict[str, bytes]:
    """What a study wrote, but for its times."""
    folder = directory / "arrays"
    arrays = sorted(folder.iterdir()) if folder.exists() else []
    return {path.name: path.read_bytes() for path in (*(directory / name for name in TABLES), *arrays)}


def rows(directory: Path, table: str = "episodes") -> list[dict[str, Any]]:
    return [json.loads(line) for line in (directory / f"{table}.jsonl").read_text().splitlines()]


def savers(**settings: Any) -> px.Study:
    collect = px.collect(
        env={"mean": "mean_wealth", "all": px.vector(Saver, "wealth"), "gini": px.gini("Saver", "wealth")},
        agents={Saver: ["wealth"]},
        every=2,
    )
    given = {"vary": {"size": [2, 3]}, "seeds": 3, "collect": collect, **settings}
    return px.Study(Savers, **given)


def test_there_is_a_row_for_each_point_treatment_seed_and_episode(tmp_path: Path) -> None:
    study = savers(treatments={"off": {}, "long": {"num_steps": 6}}, episodes=2)
    study.simulate(out=tmp_path / "s")
    found = rows(tmp_path / "s")
    keys = [(row["point"], row["treatment"], row["seed"], row["episode"]) for row in found]
    assert keys == [(p, t, s, e) for p in (0, 1) for t in ("off", "long") for s in range(3) for e in range(2)]
    assert [row["steps"] for row in found if row["treatment"] == "long"] == [6] * 12
    steps = rows(tmp_path / "s", "steps")
    assert [row["step"] for row in steps[:2]] == [2, 4]
    header = json.loads((tmp_path / "s" / "study.json").read_text())
    assert header["status"] == "completed"
    assert header["points"] == [{"size": 2}, {"size": 3}]
    assert header["parameters"] == ["size"]


def test_values_of_the_env_and_of_agents_are_averaged_over_the_recorded_steps(tmp_path: Path) -> None:
    savers(vary=None).simulate(out=tmp_path / "s")
    (first, *_), steps = rows(tmp_path / "s"), rows(tmp_path / "s", "steps")
    of_first = [row["mean"] for row in steps if row["seed"] == 0]
    assert first["mean"] == sum(of_first) / 2
    agents = [row for row in rows(tmp_path / "s", "agents") if row["seed"] == 0]
    assert [(row["agent"], row["class"]) for row in agents] == [(f"S{i}", "Saver") for i in range(3)]
    assert np.mean([row["wealth"] for row in agents]) == pytest.approx(first["mean"])


def test_one_seed_means_the_same_numbers_at_every_point_and_treatment(tmp_path: Path) -> None:
    study = px.Study(
        Process,
        {"num_steps": [5, 7]},
        seeds=2,
        treatments={"a": {}, "b": {}},
        collect=px.collect(env=["x"], until=5),
    )
    study.simulate(out=tmp_path / "s")
    by_seed: dict[int, set[float]] = {}
    for row in rows(tmp_path / "s"):
        by_seed.setdefault(row["seed"], set()).add(row["x"])
    assert [len(values) for values in by_seed.values()] == [1, 1]


def test_independent_random_numbers_differ_between_points_and_treatments(tmp_path: Path) -> None:
    study = px.Study(
        Process,
        {"num_steps": [5, 7]},
        treatments={"a": {}, "b": {}},
        collect=px.collect(env=["x"], until=5),
        common_random_numbers=False,
    )
    study.simulate(out=tmp_path / "s")
    assert len({row["x"] for row in rows(tmp_path / "s")}) == 4


@pytest.mark.parametrize(("episodes", "workers"), [(1, 2), (3, 3)])
def test_any_number_of_processes_writes_the_same_bytes(tmp_path: Path, episodes: int, workers: int) -> None:
    for number in (1, workers):
        savers(episodes=episodes).simulate(workers=number, out=tmp_path / str(number))
    assert files(tmp_path / "1") == files(tmp_path / str(workers))


def test_lambdas_reach_other_processes(tmp_path: Path) -> None:
    study = px.Study(
        Process,
        seeds=4,
        treatments={"up": px.at(3, lambda env, _: setattr(env.agents["A"], "x", 5.0))},
        collect=px.collect(env={"twice": lambda env: 2 * env.x}),
    )
    for workers in (1, 2):
        study.simulate(workers=workers, out=tmp_path / str(workers))
    assert files(tmp_path / "1") == files(tmp_path / "2")


@given(step=st.integers(1, 14), rho=st.sampled_from([0.0, 0.5, 0.9]), seed=st.integers(0, 10))
@settings(max_examples=15, deadline=None)
def test_an_empty_shock_gives_a_difference_of_exactly_zero(step: int, rho: float, seed: int) -> None:
    study = px.Study(
        Process,
        {"rho": [rho]},
        seeds=[seed],
        treatments={"off": {}, "empty": px.at(step, lambda _, rng: rng.random())},
        collect=px.collect(env=["x"]),
    )
    found = [row["x"] for row in study.simulate().steps]
    assert found[:12] == found[12:]


@pytest.mark.parametrize("rho", [0.5, 0.9, -0.3])
def test_the_impulse_response_of_an_ar1_process_is_its_closed_form(rho: float) -> None:
    def push(env: Process, _: np.random.Generator) -> None:
        env.agents["A"].x += 1.0 / rho  # type: ignore[attr-defined]  # 1 in the step itself

    study = px.Study(
        Process, {"rho": [rho]}, seeds=3, treatments={"off": {}, "up": px.at(5, push)},
        collect=px.collect(env=["x"]),
    )  # fmt: skip
    found = [row["x"] for row in study.simulate().steps]
    for seed in range(3):
        off, up = found[12 * seed : 12 * seed + 12], found[36 + 12 * seed : 48 + 12 * seed]
        response = [high - low for high, low in zip(up, off, strict=True)]
        assert response == pytest.approx([0.0] * 4 + [rho**k for k in range(8)], abs=1e-12)


def test_a_shock_draws_from_a_stream_that_its_episode_and_step_decide() -> None:
    drawn: list[float] = []
    shock = px.at(2, lambda _, rng: drawn.append(rng.random()))
    study = px.Study(Process, {"rho": [0.1, 0.2]}, treatments={"a": shock, "b": shock}, seeds=1)
    study.simulate()
    assert len(drawn) == 4
    assert len(set(drawn)) == 1


@pytest.mark.parametrize("episodes", [1, 2])
def test_what_a_shock_changes_ends_with_the_episode(episodes: int) -> None:
    def calm(env: Process, _: np.random.Generator) -> None:
        env.agents["A"].rho = 0.0  # type: ignore[attr-defined]  # which no reset restores

    study = px.Study(
        Process,
        seeds=3,
        treatments={"off": {}, "calm": px.at(4, calm)},
        collect=px.collect(env=["x"], until=3),
        episodes=episodes,
    )
    found = [row["x"] for row in study.simulate().steps]
    assert found[: len(found) // 2] == found[len(found) // 2 :]


def test_each_row_can_be_replayed_alone(tmp_path: Path) -> None:
    study = px.Study(Game, {"num_players": [1, 2]}, seeds=3, episodes=2)
    policies = {"all": (CountingPolicy, Player)}
    found = study.simulate(policies, workers=2, out=tmp_path / "s")
    for row in list(found.episodes)[::-1]:
        again = study.replay(row, policies=policies)
        assert {**again.episode, "num_players": row["num_players"]} == row
        own = [dict(a) for a in found.agents if all(a[k] == row[k] for k in ("point", "seed", "episode"))]
        assert [{**a, "num_players": row["num_players"]} for a in again.agents] == own


def test_a_policy_begins_each_task_as_it_was_made(tmp_path: Path) -> None:
    study = px.Study(Game, seeds=3)
    study.simulate({"all": (CountingPolicy, Player)}, out=tmp_path / "s")
    rewards = [row["reward"] for row in rows(tmp_path / "s", "agents")]
    assert rewards == rewards[:2] * 3


def test_an_episode_has_the_mean_of_what_its_agents_earned() -> None:
    found = px.Study(Game, {"num_players": [1, 3]}, seeds=2).simulate({"all": ("random", Player)})
    for row in found.episodes:
        own = [a["reward"] for a in found.agents if (a["point"], a["seed"]) == (row["point"], row["seed"])]
        assert row["mean_reward"] == pytest.approx(sum(own) / len(own))
    assert [row["value"] for row in found.summary(by=["num_players"])] == ["mean_reward"] * 2
    assert "mean_reward" not in px.Study(Savers, seeds=1).simulate().episodes.columns


def test_random_policies_follow_from_the_seed(tmp_path: Path) -> None:
    study = px.Study(Game, seeds=4)
    for workers in (1, 2):
        study.simulate({"all": ("random", Player)}, workers=workers, out=tmp_path / str(workers))
    assert files(tmp_path / "1") == files(tmp_path / "2")
    assert len({row["reward"] for row in rows(tmp_path / "1", "agents")}) > 1


def test_an_episode_that_raises_is_a_row_and_the_rest_go_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    study = px.Study(Savers, {"size": [2, 13, 3], "breaks_at": [3]}, seeds=4, episodes=2)
    for workers in (1, 2):
        study.simulate(workers=workers, out=tmp_path / str(workers))
    assert files(tmp_path / "1") == files(tmp_path / "2")
    found = rows(tmp_path / "1")
    failed = [row for row in found if "error" in row]
    assert {row["point"] for row in found} == {0, 1, 2}
    unmade = [row for row in failed if row["point"] == 1]
    assert len(unmade) == 4
    assert unmade[0]["step"] == 0
    assert unmade[0]["error"].startswith("Savers could not be made: ValueError: 13 is too many")
    broken = next(row for row in failed if row["point"] == 0)
    assert broken["step"] == 3
    assert broken["error"].startswith("Savers failed in step 3 of episode ")
    assert f"env.reset(seed={broken['episode_seed']})" in broken["error"]
    assert "mean" not in broken
    count = len(failed)
    assert caplog.messages[0].startswith(
        f"{count} of {len(found)} episodes raised; their rows have the error."
    )


def test_what_cannot_be_collected_is_said_at_once() -> None:
    study = px.Study(Savers, seeds=3, collect=px.collect(env=["mean_welth"]))
    with pytest.raises(ph.errors.ConfigError) as caught:
        study.simulate()
    assert (
        "'mean_welth' of Savers is to be collected, but 'Savers' object has no attribute 'mean_welth'."
        in str(caught.value)
    )
    assert "Did you mean 'mean_wealth'?" in str(caught.value)


def test_agents_that_act_need_a_policy() -> None:
    with pytest.raises(ph.errors.PolicyMappingError) as caught:
        px.Study(Game).simulate()
    assert str(caught.value) == (
        "There is no policy for 'P0', 'P1'. Give one to each agent that acts: policies={'all': ('random', "
        "[...])}, or simulate a run."
    )


def test_a_process_that_is_killed_is_replaced_and_its_task_played_again(tmp_path: Path) -> None:
    marks = tmp_path / "marks"
    marks.mkdir()
    study = px.Study(
        KilledOnce, seeds=4, env_config={"folder": str(marks)}, collect=px.collect(env=["mean_wealth"])
    )
    study.simulate(workers=2, out=tmp_path / "s")
    assert len(list(marks.iterdir())) == 1
    assert [row["seed"] for row in rows(tmp_path / "s")] == [0, 1, 2, 3]


def test_a_task_that_kills_two_processes_is_an_error_with_its_point(tmp_path: Path) -> None:
    marks = tmp_path / "marks"
    marks.mkdir()
    study = px.Study(KilledOnce, {"folder": [str(marks)], "times": [99]}, seeds=1)
    with pytest.raises(px.WorkerLostError) as caught:
        study.simulate(workers=2, out=tmp_path / "s")
    assert str(caught.value) == (
        f"The process that played point 0 (folder={str(marks)!r}, times=99), seed 0 died (exit code -9 "
        "(SIGKILL)), and so did another one. Often memory ran out: use fewer workers, or make the task "
        "smaller."
    )
    assert json.loads((tmp_path / "s" / "study.json").read_text())["status"] == "interrupted"


def test_a_study_of_a_gymnasium_env_reads_infos_and_ends_at_the_limit() -> None:
    study = px.Study(
        "gymnasium",
        seeds=2,
        env_config={"env": "FrozenLake-v1"},
        collect=px.collect(env={"prob": px.info("prob")}),
        max_steps=3,
    )
    found = list(study.simulate({"all": ("random", ["agent"])}).steps)
    assert found
    assert all(0 < row["prob"] <= 1 for row in found)
    assert max(row["step"] for row in found) <= 3


def test_a_metric_of_the_core_is_read_and_reduces_itself() -> None:
    metric = ph.metrics.SimpleEnvMetric("mean_wealth", train_reduce_action="last")
    study = px.Study(Savers, collect=px.collect(env={"metric": metric, "mean_wealth": "mean_wealth"}))
    results = study.simulate()
    (episode,), steps = results.episodes, list(results.steps)
    assert episode["metric"] == steps[-1]["metric"] == steps[-1]["mean_wealth"]


@given(reduction=st.sampled_from(["mean", "last", "sum", "min", "max"]))
@settings(max_examples=5, deadline=None)
def test_values_are_reduced_as_they_are_to_be(reduction: Any) -> None:
    study = px.Study(Process, collect=px.collect(env=["x"], burn_in=3, every=2, until=10, reduce=reduction))
    results = study.simulate()
    values = [row["x"] for row in results.steps]
    assert [row["step"] for row in results.steps] == [5, 7, 9]
    expected = {
        "mean": sum(values) / 3,
        "last": values[-1],
        "sum": sum(values),
        "min": min(values),
        "max": max(values),
    }
    (episode,) = results.episodes
    assert episode["x"] == expected[reduction]


def test_rollout_is_a_study_in_one_call() -> None:
    results = px.rollout(Savers, seeds=2, size=[2, 3], num_steps=3)
    assert [(row["size"], row["num_steps"], row["steps"]) for row in results.episodes] == [
        (2, 3, 3), (2, 3, 3), (3, 3, 3), (3, 3, 3),
    ]  # fmt: skip


def test_a_wrong_argument_is_one_sentence() -> None:
    with pytest.raises(ph.errors.ConfigError) as caught:
        px.Study(Savers, seeds=0)
    assert str(caught.value) == (
        "seeds is 0. Expected how many, such as 200, or a list of integers from 0 to 2**63 - 1."
    )
    with pytest.raises(ph.errors.ConfigError) as caught:
        px.Study(Savers, {"trainer.ppo.lr": [0.1]}).simulate()
    assert str(caught.value) == (
        "'trainer.ppo.lr' does not belong to the env: nothing is trained in a simulation. Expected a name "
        "such "
        "as 'env_config.lr', or without dots 'lr'."
    )
    with pytest.raises(ph.errors.ConfigError) as caught:
        px.LocalExecutor(workers=0)
    assert str(caught.value) == "workers is 0. Expected a positive integer."
