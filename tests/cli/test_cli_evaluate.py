"""`phantom evaluate RUN`."""

import csv
import json
import os
import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import phantom_core as ph

EVALUATE = "[evaluate]\nepisodes = 4\nreference_return = 5.0\n"


@pytest.fixture
def run(phantom: Callable[..., Any], run_file: Callable[..., Path]) -> Path:
    """A finished run of the guessing game, with an evaluation."""
    out = phantom("train", run_file(EVALUATE)).out
    return Path(out.splitlines()[0].removeprefix("run directory: "))


def test_evaluating_again_repeats_the_evaluation_of_the_run(run: Path, phantom: Callable[..., Any]) -> None:
    recorded = json.loads((run / "run.json").read_text())["evaluation"]
    outcome = phantom("evaluate", run)
    assert (outcome.code, outcome.err) == (0, "")
    ((agent_id, returns),) = recorded["episode_returns"]
    mean, error = recorded["mean_return"], statistics.stdev(returns) / 2  # √4
    assert outcome.out.splitlines() == [
        (
            f"{agent_id}: mean {mean:.1f} ± {error:.1f}, from {min(returns):.1f} to {max(returns):.1f}, 4 "
            "episodes"
        ),
        f"mean return {mean:.1f} = {100 * mean / 5:.1f} % of 5.0",
    ]


TICKETS = """
import gymnasium as gym
import phantom_core as ph

class TicketAgent(ph.StrategicAgent):
    observation_space, action_space = gym.spaces.Discrete(1), gym.spaces.Discrete(2)
    def reset(self):
        self.ticket = self.random.randrange(10**9)
    def decode_action(self, ctx, action):
        pass
    def encode_observation(self, ctx):
        return 0
    def compute_reward(self, ctx):
        return float(self.ticket)

class TicketEnv(ph.PhantomEnv):
    def __init__(self):
        super().__init__(1, ph.Network([TicketAgent("A1")]))
"""


@pytest.mark.parametrize("seed", ["", "seed = 7\n"])
def test_evaluating_again_plays_the_very_episodes_of_the_evaluation_of_the_run(
    seed: str, phantom: Callable[..., Any], run_file: Callable[..., Path]
) -> None:
    path = run_file(f"[evaluate]\nepisodes = 4\n{seed}", env='"./ticket_world.py:TicketEnv"')
    path.with_name("ticket_world.py").write_text(TICKETS)
    run = Path(phantom("train", path).out.splitlines()[0].removeprefix("run directory: "))
    ((_, tickets),) = json.loads((run / "run.json").read_text())["evaluation"]["episode_returns"]
    mean, lowest, highest = sum(tickets) / 4, min(tickets), max(tickets)
    error = statistics.stdev(tickets) / 2
    assert lowest < highest
    assert phantom("evaluate", run).out.splitlines()[0] == (
        f"A1: mean {mean:.1f} ± {error:.1f}, from {lowest:.1f} to {highest:.1f}, 4 episodes"
    )


def test_episodes_and_seed_can_be_chosen(run: Path, phantom: Callable[..., Any]) -> None:
    outcome = phantom("evaluate", run, "--episodes", "7", "--seed", "3")
    assert ", 7 episodes" in outcome.out
    assert phantom("evaluate", run, "--episodes", "7", "--seed", "3").out == outcome.out


def test_a_run_from_python_is_evaluated_whatever_followed_it(
    phantom: Callable[..., Any], tmp_path: Path
) -> None:
    class Follower(ph.Hooks):
        def on_train_end(self, event: ph.TrainEnd) -> None:
            """Do nothing."""

    results = ph.train(
        "q-learning",
        env="gymnasium",
        env_config={"env": "FrozenLake-v1"},
        trainer_config={"alpha": 0.5},
        policies={"p": ph.PolicySpec(agents=lambda _: True)},
        metrics={"one": ph.metrics.LambdaMetric(lambda _: 1, len, len)},
        hooks=[Follower()],
        loggers=[Follower()],
        num_iterations=1,
        run_dir=tmp_path / "runs",
    )
    assert results.run_directory is not None
    outcome = phantom("evaluate", results.run_directory, "--episodes", "2")
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out.splitlines()[-1].startswith("mean return 0.")


def test_a_run_whose_env_cannot_be_made_again_says_what_to_do(
    phantom: Callable[..., Any], tmp_path: Path
) -> None:
    results = ph.train(
        "q-learning",
        env=lambda: ph.GymnasiumEnv("FrozenLake-v1"),
        num_iterations=1,
        run_dir=tmp_path / "runs",
    )
    outcome = phantom("evaluate", str(results.run_directory))
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err == (
        f"Error: The env of the run {results.run_directory} was made by code that cannot be imported, so it "
        "cannot be made again. Use ph.load_policies(run) and ph.evaluate(env, ...).\n"
    )


def test_a_run_that_did_not_finish_has_nothing_to_evaluate(run: Path, phantom: Callable[..., Any]) -> None:
    (run / "run.json").write_text('{"status": "running"}')
    outcome = phantom("evaluate", run)
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err == (
        f"Error: The run {run} has status 'running': it did not finish, so there is nothing to evaluate. "
        f"Its newest checkpoint, for phantom evaluate and ph.load_policies, is "
        f"{run}/checkpoints/iteration-000002\n"
    )


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ((
            "run.json"
        ), "{", ("{run}/run.json cannot be read: Expecting property name enclosed in double quotes: "
         "line 1 column 2 (char 1).")),
        ((
            "config.toml"
        ), "env", ("{run}/config.toml:1: Expected '=' after a key in a key/value pair (at end of "
         "document). Expected TOML.")),
        ((
            "policies/state.json"
        ), "[]", ("The checkpoint {run}/policies is damaged: state.json is not as it was written. Use "
         "another one.")),
        ((
            "policies/manifest.json"
        ), '{"format": 99}', ("The checkpoint {run}/policies has format 99; this version of "
         "phantom_core reads formats up to 2. Run: pip install -U phantom-rl-core")),
    ],
)  # fmt: skip
def test_a_damaged_run_directory_is_one_message(
    name: str, content: str, message: str, run: Path, phantom: Callable[..., Any]
) -> None:
    (run / name).write_text(content)
    outcome = phantom("evaluate", run)
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err == f"Error: {message.replace('{run}', str(run))}\n"


@pytest.fixture
def run_with_checkpoints(phantom: Callable[..., Any], run_file: Callable[..., Path]) -> Path:
    """A run that was evaluated, and wrote a checkpoint, after each iteration."""
    path = run_file("[checkpoint]\nevery = 1\n[evaluate]\nepisodes = 4\nevery = 1\n", iterations="3")
    return Path(phantom("train", path).out.splitlines()[0].removeprefix("run directory: "))


def test_a_checkpoint_is_evaluated_as_it_was_while_the_run_went_on(
    run_with_checkpoints: Path, phantom: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [json.loads(line) for line in (run_with_checkpoints / "metrics.jsonl").read_text().splitlines()]
    means = [f"mean return {row['values']['eval/mean_return']:.1f}" for row in rows]
    checkpoints = sorted((run_with_checkpoints / "checkpoints").iterdir())
    assert [phantom("evaluate", path).out.splitlines()[-1] for path in checkpoints] == means
    monkeypatch.chdir(run_with_checkpoints / "checkpoints")
    assert phantom("evaluate", "iteration-000001/").out.splitlines()[-1] == means[0]


def test_the_folder_of_all_runs_names_the_newest_one(run: Path, phantom: Callable[..., Any]) -> None:
    old = run.parent / "zebra-of-long-ago" / "run.json"
    old.parent.mkdir()
    old.touch()
    os.utime(old, (0, 0))
    outcome = phantom("evaluate", run.parent)
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err == (
        f"Error: {run.parent} is no run directory: it has no run.json. Name a folder such as {run}.\n"
    )


@pytest.mark.parametrize("part", ["policies", "checkpoints"])
def test_a_part_of_a_run_directory_names_the_run(
    part: str, run_with_checkpoints: Path, phantom: Callable[..., Any]
) -> None:
    outcome = phantom("evaluate", run_with_checkpoints / part)
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err == (
        f"Error: {run_with_checkpoints}/{part} is only a part of a run. "
        f"Name the run: {run_with_checkpoints}\n"
    )


def test_a_checkpoint_that_is_not_there_is_one_message(
    run_with_checkpoints: Path, phantom: Callable[..., Any]
) -> None:
    path = run_with_checkpoints.absolute() / "checkpoints" / "iteration-000009"
    outcome = phantom("evaluate", path)
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err == (
        f"Error: {path} is no checkpoint of its run. There are: iteration-000001, iteration-000002, "
        "iteration-000003.\n"
    )


SHOPS = """
import gymnasium as gym
import phantom_core as ph

class Shop(ph.StrategicAgent):
    observation_space, action_space = gym.spaces.Discrete(1), gym.spaces.Discrete(2)
    price = 0.0
    def decode_action(self, ctx, action):
        self.price = self.random.randrange(10) + self.rent
    def encode_observation(self, ctx):
        return 0
    def compute_reward(self, ctx):
        return float(self.price)

class Landlord(Shop):
    pass

class Street(ph.PhantomEnv):
    def __init__(self, num_shops=2, with_landlord=False, market=None):
        self.rent = (market or {}).get("rent", 0)
        agents = [Shop(f"S{number}") for number in range(num_shops)] + [Landlord("L")] * with_landlord
        for agent in agents:
            agent.rent = self.rent
        super().__init__(1, ph.Network(agents))
    @property
    def mean_price(self):
        return sum(agent.price for agent in self.agents.values()) / len(self.agents)
"""


@pytest.fixture
def street(phantom: Callable[..., Any], run_file: Callable[..., Path]) -> Path:
    """A finished run of two shops that play one policy, with a metric."""
    tail = (
        '[policies.shops]\nagents = ["S0", "S1"]\n[evaluate]\nepisodes = 4\n[metrics.price]\nmetric = "env"\n'
        'env_property = "mean_price"\n[metrics.rent]\nmetric = "env"\nenv_property = "rent"\n'
    )
    path = run_file(tail, env='"./street_world.py:Street"')
    path.with_name("street_world.py").write_text(SHOPS)
    outcome = phantom("train", path)
    assert outcome.code == 0, outcome.err
    return Path(outcome.out.splitlines()[0].removeprefix("run directory: "))


def test_metrics_have_their_spread_and_are_stored_with_the_run(
    street: Path, phantom: Callable[..., Any]
) -> None:
    facts = json.loads((street / "run.json").read_text())
    prices = facts["evaluation"]["metrics"]["price"]
    assert (len(prices), facts["evaluation"]["metrics"]["rent"]) == (4, [0.0] * 4)
    assert facts["policy_by_agent"] == [["S0", "shops"], ["S1", "shops"]]
    error = statistics.stdev(prices) / 2
    lines = phantom("evaluate", street).out.splitlines()
    assert lines[2] == f"price: mean {statistics.fmean(prices):.4g} ± {error:.2g}"
    assert lines[3] == "rent: mean 0 ± 0"
    assert phantom("evaluate", street, "--episodes", "1").out.splitlines()[3] == "rent: mean 0"


def test_json_has_the_same_numbers_and_null_where_there_is_no_spread(
    street: Path, phantom: Callable[..., Any]
) -> None:
    found = json.loads(phantom("evaluate", street, "--json").out)
    recorded = json.loads((street / "run.json").read_text())["evaluation"]
    assert list(found) == ["episodes", "mean_return", "reference_return", "returns", "metrics"]
    assert (found["episodes"], found["mean_return"]) == (4, recorded["mean_return"])
    prices = recorded["metrics"]["price"]
    assert found["metrics"]["price"] == {
        "n": 4,
        "mean": pytest.approx(statistics.fmean(prices)),
        "se": pytest.approx(statistics.stdev(prices) / 2),
        "low": min(prices),
        "high": max(prices),
    }
    alone = json.loads(phantom("evaluate", street, "--json", "--episodes", "1").out)
    assert alone["returns"]["S0"]["se"] is None


def test_of_many_agents_the_first_twenty_have_a_line(street: Path, phantom: Callable[..., Any]) -> None:
    lines = phantom("evaluate", street, "--set", "env_config.num_shops=23").out.splitlines()
    assert [line.split(":")[0] for line in lines[:20]] == [f"S{number}" for number in range(20)]
    assert lines[20] == "… and 3 more agents, which --json and --csv have too"
    assert lines[21].startswith("price: mean ")


def test_csv_has_a_row_for_each_episode(street: Path, phantom: Callable[..., Any], tmp_path: Path) -> None:
    outcome = phantom("evaluate", street, "--csv", tmp_path / "e.csv")
    assert (outcome.code, outcome.err) == (0, "")
    rows = [*csv.DictReader((tmp_path / "e.csv").read_text().splitlines())]
    recorded = json.loads((street / "run.json").read_text())["evaluation"]
    assert list(rows[0]) == ["episode", "seed", "length", "return/S0", "return/S1", "price", "rent"]
    assert [float(row["price"]) for row in rows] == recorded["metrics"]["price"]
    assert [float(row["return/S1"]) for row in rows] == dict(recorded["episode_returns"])["S1"]
    outcome = phantom("evaluate", street, "--csv", tmp_path / "no" / "e.csv")
    assert (outcome.code, outcome.err) == (
        2,
        (
            f"Error: --csv {tmp_path / 'no' / 'e.csv'} cannot be written: No such file or "
            "directory. Name another "
            "file, in a folder that exists.\n"
        ),
    )


def test_settings_of_the_env_can_be_changed_and_new_agents_play_the_policy_of_their_class(
    street: Path, phantom: Callable[..., Any]
) -> None:
    found = json.loads(phantom("evaluate", street, "--json", "--set", "env_config.num_shops=3").out)
    assert list(found["returns"]) == ["S0", "S1", "S2"]
    found = json.loads(phantom("evaluate", street, "--json", "--set", "env_config.market.rent=100").out)
    assert found["metrics"]["rent"]["mean"] == 100.0
    assert found["returns"]["S0"]["low"] >= 100.0
    assert json.loads((street / "run.json").read_text())["evaluation"]["metrics"]["rent"] == [0.0] * 4


@pytest.mark.parametrize(
    ("assignment", "message"),
    [
        (
            "trainer.q-learning.alpha=1",
            (
                "--set trainer.q-learning.alpha changes nothing in an evaluation, which has "
                "policies and an env "
                "only. Expected a setting of the env, such as --set env_config.num_shops=5."
            ),
        ),
        (
            "env_config.with_landlord=true",
            (
                "There is no policy for 'L'. Select every agent that acts in one of the policies "
                "('shops'), or give it "
                "one that does not learn, such as 'random'."
            ),
        ),
        ("num_shops", "--set 'num_shops' is no assignment. Expected key=value, such as seed=2."),
    ],
)
def test_a_setting_that_cannot_be_changed_is_one_message(
    assignment: str, message: str, street: Path, phantom: Callable[..., Any]
) -> None:
    outcome = phantom("evaluate", street, "--set", assignment)
    assert (outcome.code, outcome.out, outcome.err) == (2, "", f"Error: {message}\n")
