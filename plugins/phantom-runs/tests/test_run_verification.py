"""`phantom runs verify RUN` tells exact resuming from what only looks like it."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import phantom_core as ph
from phantom_runs import verify_run

WORLD = '''
import random

import gymnasium as gym
import numpy as np

import phantom_core as ph


class Walker(ph.StrategicAgent):
    observation_space = gym.spaces.Discrete(2)
    action_space = gym.spaces.Discrete(2)

    def decode_action(self, ctx, action):
        pass

    def encode_observation(self, ctx):
        return self.random.randrange(2)

    def compute_reward(self, ctx):
        return self.random.random()


class FreshEnv(ph.PhantomEnv):
    """Each episode begins anew."""

    def __init__(self):
        super().__init__(3, ph.Network([Walker("W")]))


class CountingEnv(FreshEnv):
    """Its rewards grow with each episode that it has played."""

    episodes = 0

    def reset(self, *, seed=None, options=None):
        self.episodes += 1
        return super().reset(seed=seed, options=options)

    def step(self, actions):
        result = super().step(actions)
        rewards = {agent_id: reward + self.episodes for agent_id, reward in result.rewards.items()}
        return result._replace(rewards=rewards)


class DrawingEnv(FreshEnv):
    """Draws from a global generator."""

    def __init__(self, size, label):
        super().__init__()

    def step(self, actions):
        result = super().step(actions)
        return result._replace(rewards={agent_id: random.random() for agent_id in result.rewards})


class Learned(ph.Policy):
    """Holds weights."""

    def __init__(self, *spaces, **settings):
        super().__init__(*spaces, **settings)
        self.weights = np.zeros(2)

    def compute_action(self, observation):
        return 0

    def state_dict(self):
        return {"weights": self.weights}

    def load_state_dict(self, state):
        self.weights = np.array(state["weights"])


class Whole(ph.Trainer):
    """Counts its updates, and saves the count."""

    policy_class = Learned
    updates = 0

    def collect_plan(self):
        return ph.CollectPlan(episodes=2)

    def update(self, policy_id, policy, batch, rng):
        self.updates += 1
        policy.weights[1] += self.updates
        return {"sum": float(np.sum(batch.transitions.rewards))}

    def state_dict(self):
        return {"updates": self.updates}

    def load_state_dict(self, state):
        self.updates = state["updates"]


class Plain(ph.Trainer):
    """Steps the env itself."""

    policy_class = Learned

    def training_step(self, env, policy_mapping, policies, policies_to_train):
        pass


class Forgetful(Whole):
    """Does not save the count."""

    def load_state_dict(self, state):
        pass

'''


@pytest.fixture
def make_run(guess_folder: Path, phantom: Callable[..., Any]) -> Callable[..., Path]:
    """Make a run of four iterations; return its folder."""
    (guess_folder / "walks.py").write_text(WORLD)

    def make(env: str = "FreshEnv", trainer: str = "Whole", *arguments: str) -> Path:
        (guess_folder / "walks.toml").write_text(
            f'env = "./walks.py:{env}"\ntrainer = "./walks.py:{trainer}"\niterations = 4\nseed = 1\n'
        )
        outcome = phantom("train", "walks.toml", *arguments)
        assert outcome.code == 0
        (line,) = [line for line in outcome.out.splitlines() if line.startswith("run directory: ")]
        return Path(line.removeprefix("run directory: "))

    return make


def contents(run: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}


def test_a_run_that_is_cut_and_resumed_is_exact(
    make_run: Callable[..., Path], phantom: Callable[..., Any]
) -> None:
    run = make_run("FreshEnv", "Whole", "--set", "loggers=['csv']", "--set", "logger.csv={}")
    before = contents(run)
    outcome = phantom("runs", "verify", run, "--at", "0.5")
    assert (outcome.code, outcome.err) == (0, "")
    *lines, last = outcome.out.splitlines()
    assert lines == ["whole: 4 iterations", "cut after 2 iterations, resumed: exact"]
    same = "weights and logged values are those of the run that was not cut"
    assert re.fullmatch(rf"Exact: {same}, sha256 [0-9a-f]{{64}}\.", last)
    assert contents(run) == before
    assert list(Path("runs").iterdir()) == [run]


def test_an_env_whose_state_outlives_episodes_is_found(
    make_run: Callable[..., Path], phantom: Callable[..., Any], guess_folder: Path
) -> None:
    run = make_run("CountingEnv")
    outcome = phantom("runs", "verify", run, "--at", "0.5")
    whole, resumed, why = outcome.out.splitlines()
    assert (outcome.code, outcome.err, whole) == (1, "", "whole: 4 iterations")
    number = r"(\d+\.\d+)"
    found = re.fullmatch(
        rf"cut after 2 iterations, resumed: differs from rewards/W @ 2 on, {number} → {number}", resumed
    )
    assert found is not None
    assert float(found[1]) > float(found[2])  # fewer episodes were counted
    assert why == (
        "Not exact. What may be the cause: an env with state that outlives its episodes, such as a counter "
        f"(phantom doctor {guess_folder}/walks.py:CountingEnv); or a trainer, policy or hooks whose "
        "state_dict lacks something that they go on with (phantom plugins check)."
    )


def test_weights_that_differ_are_found_though_no_logged_value_does(make_run: Callable[..., Path]) -> None:
    found = verify_run(make_run("FreshEnv", "Forgetful"), at=[0.7])
    assert (found.iterations, found.is_exact) == (4, False)
    (cut,) = found.cuts
    assert (cut.iterations, cut.is_exact, cut.is_repeatable) == (3, False, True)
    assert cut.sha256 != found.sha256
    assert str(cut.difference) == "policy default.state.weights, 10.0 → 7.0"
    assert cut.difference is not None
    assert cut.difference.iteration is None


def test_what_differs_before_the_cut_is_no_matter_of_resuming(
    make_run: Callable[..., Path], phantom: Callable[..., Any], guess_folder: Path
) -> None:
    run = make_run("DrawingEnv", "Whole", "--set", "env_config.size=3", "--set", "env_config.label=a b")
    outcome = phantom("runs", "verify", run, "--at", "0.5", "--iterations", "2")
    whole, resumed, why = outcome.out.splitlines()
    assert (outcome.code, whole) == (1, "whole: 2 iterations")
    assert resumed.startswith("cut after 1 iteration, resumed: differs from rewards/W @ 0 on, ")
    assert why == (
        "Not repeatable: the runs differ before the cut already, though they have one seed. What may be the "
        "cause: an env, trainer, policy or hooks that draw from global generators instead of those that they "
        "are given, or that look at the clock. An env is checked by: phantom doctor "
        f"{guess_folder}/walks.py:DrawingEnv --set size=3 --set 'label=a b'"
    )


def test_a_run_that_cannot_be_trained_again_says_why(make_run: Callable[..., Path]) -> None:
    run = make_run()
    Path("walks.py").unlink()
    with pytest.raises(ph.errors.RunDirectoryError) as caught:
        verify_run(run)
    assert str(caught.value).startswith(f"A copy of the run {run} could not be trained: ")
    assert "walks.py" in str(caught.value)


def test_a_run_that_cannot_be_resumed_says_why(make_run: Callable[..., Path]) -> None:
    run = make_run("FreshEnv", "Plain")
    with pytest.raises(ph.errors.RunDirectoryError) as caught:
        verify_run(run, at=[0.5])
    assert str(caught.value) == (
        f"A copy of the run {run} could not be resumed: Plain steps the env itself and has no state_dict(), "
        "so nobody knows what it learned beside its policies. Override state_dict() and load_state_dict(), "
        "if only to return {}, or begin another run with these policies: ph.load_policies(run)."
    )


def test_a_run_that_is_too_short_to_be_cut_is_told(make_run: Callable[..., Path]) -> None:
    run = make_run("FreshEnv", "Whole", "--iterations", "1")
    with pytest.raises(ph.errors.ConfigError) as caught:
        verify_run(run)
    assert str(caught.value) == f"The run {run} makes 1 iteration, so it cannot be cut. Expected at least 2."


def test_the_code_of_a_stranger_is_not_run(
    make_run: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    run = make_run()
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state-of-another"))
    with pytest.raises(ph.errors.TrustError) as caught:
        verify_run(run)
    assert str(caught.value) == (
        f"The run {run} was not written here, or was changed since. To verify it, all the code that it names "
        f"is run. If you trust who wrote it, sign it: phantom runs trust {run}"
    )


@pytest.mark.parametrize(
    ("at", "sentence"),
    [
        ("0.3,1", "A run was to be cut at 1.0. Expected shares between 0 and 1, such as 0.3,0.7."),
        ("nan", "A run was to be cut at nan. Expected shares between 0 and 1, such as 0.3,0.7."),
        ("half", "--at 'half' is no list of numbers. Expected shares between 0 and 1, such as 0.3,0.7."),
    ],
)
def test_shares_that_are_none_are_told(at: str, sentence: str, phantom: Callable[..., Any]) -> None:
    assert phantom("runs", "verify", "runs/a", "--at", at) == (2, "", f"Error: {sentence}\n")
