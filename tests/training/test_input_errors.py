"""Bad input from Python: an exception of our own tree, whose message is asserted in full."""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

import phantom_core as ph


class CoinAgent(ph.StrategicAgent):
    """Gets what it does."""

    observation_space = action_space = gym.spaces.Discrete(2)
    last = 0

    def decode_action(self, ctx: ph.Context, action: Any) -> ph.MessageList:
        self.last = int(action)
        return []

    def encode_observation(self, ctx: ph.Context) -> Any:
        return self.last

    def compute_reward(self, ctx: ph.Context) -> float:
        return float(self.last)


class SpacelessAgent(ph.StrategicAgent):
    """Gets its spaces when it is made."""


class BigCoinAgent(CoinAgent):
    action_space = gym.spaces.Discrete(3)


class WideCoinAgent(CoinAgent):
    observation_space = gym.spaces.Discrete(9)


class LyingAgent(CoinAgent):
    def encode_observation(self, ctx: ph.Context) -> Any:
        return 7


class VectorAgent(CoinAgent):
    observation_space = gym.spaces.Box(0.0, 1.0, (2,), np.float32)

    def encode_observation(self, ctx: ph.Context) -> Any:
        return np.array([0.5, 2.0], dtype=np.float32)


class ClerkAgent(ph.Agent):
    """Does not act."""


class CoinEnv(ph.PhantomEnv):
    def __init__(self, *classes: type[CoinAgent]) -> None:
        agents = [cls(f"A{number}") for number, cls in enumerate(classes or (CoinAgent,), start=1)]
        super().__init__(num_steps=3, network=ph.Network([*agents, ClerkAgent("CLERK")]))


class PlainEnv(ph.PhantomEnv):
    def __init__(self) -> None:
        super().__init__(num_steps=3, network=ph.Network([ClerkAgent("CLERK")]))


class BrokenEnv(CoinEnv):
    def __init__(self) -> None:
        raise ValueError("no money.")


class UnresettableEnv(CoinEnv):
    def on_reset(self) -> None:
        raise ValueError("no money.")


class BrittleEnv(CoinEnv):
    """Its second episode cannot begin."""

    num_resets = 0

    def on_reset(self) -> None:
        self.num_resets += 1
        if self.num_resets > 2:
            raise ValueError("no money.")


class UnsteppableEnv(CoinEnv):
    def post_message_resolution(self) -> None:
        if self.current_step == 2:
            raise ValueError("no money.")


def place_in(method: Any, lines: int) -> str:
    """Return the place so many lines below the head of a method."""
    line = method.__code__.co_firstlineno + lines
    return f" (test_input_errors.py, line {line}, in {method.__name__})"


class LazyTrainer(ph.Trainer):
    """Does not say how to learn."""

    policy_class = ph.RandomPolicy


class HalfTrainer(LazyTrainer):
    def update(self, policy_id: str, policy: Any, batch: Any, rng: Any) -> dict[str, float]:
        return {}


class SteppingTrainer(LazyTrainer):
    def training_step(self, env: Any, policy_mapping: Any, policies: Any, policies_to_train: Any) -> None:
        env.reset()


def coins(*classes: type[CoinAgent]) -> Callable[[], CoinEnv]:
    return functools.partial(CoinEnv, *classes)


def error_of(**changes: Any) -> Exception:
    """Return what a short run raises with these arguments."""
    arguments = {"trainer": "q-learning", "env": CoinEnv, "num_iterations": 1, "seed": 1, "run_dir": None}
    with pytest.raises(ph.PhantomError) as caught:
        ph.train(**(arguments | changes))
    return caught.value


ConfigError, EnvError = ph.errors.ConfigError, ph.errors.EnvError
PolicyMappingError = ph.errors.PolicyMappingError

CASES: dict[str, tuple[dict[str, Any], type[Exception], str]] = {
    "a trainer that is a number": (
        {"trainer": 3},
        ConfigError,
        "trainer is 3. Expected a registered name such as 'q-learning', or a Trainer class or instance.",
    ),
    "a trainer that is a base class": (
        {"trainer": ph.Trainer},
        ConfigError,
        "Trainer has no policy_class. Set it in the class: policy_class = MyPolicy.",
    ),
    "a trainer that does not learn": (
        {"trainer": LazyTrainer},
        ConfigError,
        "LazyTrainer does not say how to learn. Override collect_plan() and update(), or training_step().",
    ),
    "a trainer that does not collect": (
        {"trainer": HalfTrainer},
        ConfigError,
        (
            "HalfTrainer overrides update() but not collect_plan(). Return ph.CollectPlan(episodes=10) "
            "from it, for instance."
        ),
    ),
    "settings for a trainer instance": (
        {"trainer": SteppingTrainer(), "trainer_config": {"alpha": 1.0}},
        ConfigError,
        (
            "trainer is an instance of SteppingTrainer, so trainer_config has no use. Give the settings "
            "to the instance."
        ),
    ),
    "a setting for a trainer without settings": (
        {"trainer": SteppingTrainer, "trainer_config": {"alpha": 1.0}},
        ConfigError,
        "trainer.SteppingTrainer takes no settings, but got: 'alpha'. Leave them out.",
    ),
    "a mistyped trainer setting": (
        {"trainer_config": {"alpha": "x"}},
        ConfigError,
        "trainer.q-learning.alpha = 'x' is wrong: expected float, got str.",
    ),
    "a simple trainer in a mixed run": (
        {
            "trainer": SteppingTrainer,
            "env": coins(CoinAgent, CoinAgent),
            "policies": {"a": ["A1"], "b": ph.PolicySpec(agents=["A2"], trainer="q-learning")},
        },
        ConfigError,
        (
            "SteppingTrainer steps the env itself, so it cannot share a run with other trainers. Train its "
            "policies in a run of their own, or use trainers with update()."
        ),
    ),
    "an env instance": (
        {"env": CoinEnv()},
        ConfigError,
        (
            "env is <CoinEnv step 0/3, 2 agents>, not a class. Expected an env class or a function that "
            "makes an env, so that several can be made."
        ),
    ),
    "a function that makes no env": (
        {"env": dict},
        ConfigError,
        (
            "dict is no multi-agent env: it has no reset. Derive it from ph.PhantomEnv, or wrap a "
            "single-agent env in ph.GymnasiumEnv."
        ),
    ),
    "a function that makes a single-agent env": (
        {"env": lambda: gym.make("FrozenLake-v1")},
        ConfigError,
        (
            "TimeLimit is a single-agent Gymnasium env. Wrap it: ph.GymnasiumEnv(TimeLimit). Where an env is "
            "given by its name, write a function that returns this, and name the function."
        ),
    ),
    "an env that fails when it is made": (
        {"env": BrokenEnv},
        EnvError,
        (
            f"BrokenEnv could not be made: ValueError: no money{place_in(BrokenEnv.__init__, 1)}. "
            "Its env_config: {}."
        ),
    ),
    "an env that fails in its first reset": (
        {"env": UnresettableEnv},
        EnvError,
        (
            "UnresettableEnv failed in its first reset: ValueError: no money"
            f"{place_in(UnresettableEnv.on_reset, 1)}. Mend the env, then train."
        ),
    ),
    "an env that fails in a later reset": (
        {"env": BrittleEnv},
        EnvError,
        (
            "BrittleEnv failed in reset of episode 1: ValueError: no money"
            f"{place_in(BrittleEnv.on_reset, 3)}. Play it again with "
            "env.reset(seed=5528312160819725234)."
        ),
    ),
    "an env that fails in a step": (
        {"env": UnsteppableEnv},
        EnvError,
        (
            "UnsteppableEnv failed in step 2 of episode 0: ValueError: no money"
            f"{place_in(UnsteppableEnv.post_message_resolution, 2)}. Play it again with "
            "env.reset(seed=1624469116988683018)."
        ),
    ),
    "an observation outside its space": (
        {"env": coins(LyingAgent)},
        ph.errors.ObservationError,
        (
            "Observation of 'A1' at step 0 is 7 (int), but its observation space is Discrete(2). Change "
            "encode_observation(), or reset() and step() of a Gymnasium env, or the space. Play it again "
            "with env.reset(seed=1624469116988683018)."
        ),
    ),
    "an array outside its space": (
        {"env": coins(VectorAgent), "trainer": SteppingTrainer, "evaluation": ph.EvaluationPlan(episodes=1)},
        ph.errors.ObservationError,
        (
            "Observation of 'A1' at step 0 has shape (2,) and dtype float32, with values from 0.5 to "
            "2.0, but its observation space is Box(0.0, 1.0, (2,), float32). Change "
            "encode_observation(), or reset() and step() of a Gymnasium env, or the space. Play it again "
            "with env.reset(seed=5377427214227949410)."
        ),
    ),
    "spaces that a table cannot hold": (
        {"env": coins(VectorAgent)},
        PolicyMappingError,
        (
            "Policy 'default': A q-table needs Discrete or MultiDiscrete observations, or a Dict of such an "
            "'observation' and an 'action_mask', but the observation space is Box(0.0, 1.0, (2,), float32). "
            "Make it one of these, or use a policy for such spaces."
        ),
    ),
    "policies that are no mapping": (
        {"policies": 3},
        PolicyMappingError,
        "policies is 3. Expected a mapping from policy ids to agents, such as {'shop': ['SHOP']}.",
    ),
    "no policies": (
        {"policies": {}},
        PolicyMappingError,
        "policies is {}. Expected a mapping from policy ids to agents, such as {'shop': ['SHOP']}.",
    ),
    "a policy that is an agent id": (
        {"policies": {"p": "A1"}},
        PolicyMappingError,
        (
            "Policy 'p' is 'A1'. Expected an agent class, a list of agent ids, a tuple (policy, agents, "
            "config) or a PolicySpec. An agent's id stands in a list: ['A1']."
        ),
    ),
    "a class in a list of ids": (
        {"policies": {"p": [LyingAgent]}},
        PolicyMappingError,
        (
            "Policy 'p' has the class LyingAgent in a list of agent ids. Write the class without a list: "
            "LyingAgent."
        ),
    ),
    "a policy that is a tuple of ids": (
        {"policies": {"p": ("A1", "A2")}},
        PolicyMappingError,
        (
            "Policy 'p' is ('A1', 'A2'). Expected (policy, agents) or (policy, agents, config), where "
            "agents is an agent class or a list of ids; a group of ids alone is a list."
        ),
    ),
    "agents that are one id": (
        {"policies": {"p": ph.PolicySpec(agents="A1")}},
        PolicyMappingError,
        "Policy 'p' has agents='A1'. Expected an agent class, a predicate or a list of ids, such as ['A1'].",
    ),
    "a policy that is another class": (
        {("policies"): {"p": ph.PolicySpec(agents=["A1"], policy=CoinEnv, train=True)}},  # type: ignore[arg-type]
        PolicyMappingError,
        "Policy 'p' is CoinEnv. Expected a policy class, an instance or a registered name such as 'random'.",
    ),
    "a policy that cannot be built": (
        {
            "env": coins(CoinAgent, CoinAgent),
            "policies": {"p": ["A1"], "q": ("random", ["A2"], {"bias": 1})},
        },
        PolicyMappingError,
        (
            "Policy 'q' (RandomPolicy) could not be built: TypeError: RandomPolicy.__init__() got an "
            "unexpected keyword argument 'bias'. Its config: {'bias': 1}."
        ),
    ),
    "an agent without a policy": (
        {"env": coins(CoinAgent, CoinAgent), "policies": {"p": ["A1"]}},
        PolicyMappingError,
        (
            "There is no policy for 'A2'. Select every agent that acts in one of the policies ('p'), or "
            "give it one that does not learn, such as 'random'."
        ),
    ),
    "an agent in two policies": (
        {"policies": {"p": ["A1"], "q": CoinAgent}},
        PolicyMappingError,
        "Agent 'A1' is in two policies: 'p' and 'q'. Leave it in one.",
    ),
    "an agent that there is not": (
        {"policies": {"p": ["B1"]}},
        PolicyMappingError,
        "Policy 'p' names agent 'B1', but there is no such agent. Agents that act: 'A1'.",
    ),
    "an agent that does not act": (
        {"policies": {"p": ["A1", "CLERK"]}},
        PolicyMappingError,
        "Policy 'p' names agent 'CLERK', but a ClerkAgent does not act. Agents that act: 'A1'.",
    ),
    "a class that nobody has": (
        {"policies": {"p": ["A1"], "q": SpacelessAgent}},
        PolicyMappingError,
        (
            "Policy 'q' has no agents: SpacelessAgent selects none of those that act ('A1'). Select at least "
            "one. If they join later, select them by a class that has observation_space and action_space, or "
            "give a policy that was made."
        ),
    ),
    "an env in which nobody acts": (
        {"env": PlainEnv, "policies": {"p": CoinAgent}},
        PolicyMappingError,
        "Policy 'p' has no agents: CoinAgent selects none of those that act (none). Select at least one.",
    ),
    "other observation spaces in one group": (
        {"env": coins(CoinAgent, WideCoinAgent)},
        PolicyMappingError,
        (
            "Agents 'A1' and 'A2' share policy 'default', but their observation spaces differ: "
            "Discrete(2) and Discrete(9). Give them two policies, or equal spaces."
        ),
    ),
    "other action spaces in one group": (
        {"env": coins(CoinAgent, BigCoinAgent)},
        PolicyMappingError,
        (
            "Agents 'A1' and 'A2' share policy 'default', but their action spaces differ: Discrete(2) and "
            "Discrete(3). Give them two policies, or equal spaces."
        ),
    ),
    "a finished policy for other spaces": (
        {
            "env": coins(CoinAgent, BigCoinAgent),
            "policies": {"p": ["A1"], "q": (ph.RandomPolicy(*[gym.spaces.Discrete(2)] * 2), ["A2"])},
        },
        PolicyMappingError,
        (
            "Policy 'q' is a RandomPolicy made for the action space Discrete(2), but agent 'A2' has "
            "Discrete(3). Use a policy made for it."
        ),
    ),
    "empty policies_to_train": (
        {"policies_to_train": []},
        PolicyMappingError,
        (
            "policies_to_train is empty: there is nothing to train. Name at least one of the policies: "
            "'default'."
        ),
    ),
    "unknown policies_to_train": (
        {"policies_to_train": ["defalt"]},
        PolicyMappingError,
        (
            "policies_to_train names 'defalt', but there is no such policy. Did you mean 'default'? "
            "Policies: 'default'."
        ),
    ),
    "policies_to_train that is one id": (
        {"policies_to_train": "default"},
        PolicyMappingError,
        "policies_to_train is 'default'. Expected a list of policy ids: 'default'.",
    ),
    "policies_to_train against a spec": (
        {"policies": {"p": ph.PolicySpec(agents=["A1"], train=False)}, "policies_to_train": ["p"]},
        PolicyMappingError,
        "policies_to_train names 'p', but its spec says train=False. Change one of the two.",
    ),
    "no length": (
        {"num_iterations": None},
        ConfigError,
        (
            "The run got num_iterations=None and total_steps=None. Give one of the two (in a file: "
            "iterations or total_steps)."
        ),
    ),
    "two lengths": (
        {"total_steps": 9},
        ConfigError,
        (
            "The run got num_iterations=1 and total_steps=9. Give one of the two (in a file: iterations or "
            "total_steps)."
        ),
    ),
    "half an iteration": (
        {"num_iterations": 0.5},
        ConfigError,
        "The run got num_iterations=0.5. Expected a positive integer.",
    ),
    "a seed that is text": (
        {"seed": "1"},
        ConfigError,
        "The run got seed='1'. Expected an integer from 0 to 2**63 - 1, or none.",
    ),
    "a seed that is too large": (
        {"seed": 2**63},
        ConfigError,
        "The run got seed=9223372036854775808. Expected an integer from 0 to 2**63 - 1, or none.",
    ),
    "loggers that are one name": (
        {"loggers": "console"},
        ConfigError,
        "loggers is 'console'. Expected a list: ['console'].",
    ),
    "hooks that are one object": (
        {"hooks": ph.Hooks()},
        ConfigError,
        "hooks is one Hooks. Expected a list of them.",
    ),
    "metrics without names": (
        {"metrics": ["current_step"]},
        ConfigError,
        "metrics is ['current_step']. Expected a dict by name.",
    ),
    "a metric that is none": (
        {"metrics": {"m": max}},
        ConfigError,
        (
            "metrics['m'] is <built-in function max>. Expected an instance of ph.metrics.Metric, such as "
            "ph.metrics.SimpleEnvMetric('current_step')."
        ),
    ),
    "an evaluation that is a dict": (
        {"evaluation": {"episodes": 3}},
        ConfigError,
        "evaluation is {'episodes': 3}. Expected ph.EvaluationPlan(episodes=100), for instance.",
    ),
    "an env_config that is a list": (
        {"env_config": [1]},
        ConfigError,
        "env_config is [1]. Expected a dict by name.",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_bad_input_is_an_exception_of_our_own(case: str) -> None:
    changes, kind, message = CASES[case]
    error = error_of(**changes)
    assert (type(error), str(error)) == (kind, message)


def test_a_run_directory_below_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    below = tmp_path / "file" / "runs"
    error = error_of(run_dir=below)
    assert type(error) is ph.errors.RunDirectoryError
    assert str(error) == (
        f"No run directory can be made in {str(below)!r}: Not a directory. Choose another place with "
        "--run-dir, or run_dir=."
    )


def test_an_unknown_name_is_an_error_that_carries_what_is_known() -> None:
    error = error_of(trainer="q-lerning")
    assert isinstance(error, ph.errors.UnknownNameError)
    assert (error.kind, error.name) == ("trainer", "q-lerning")
    assert "q-learning" in error.known


def test_settings_of_a_logger_that_there_is_not_are_an_error() -> None:
    error = error_of(logger_config={"jsnl": {}})
    assert str(error).startswith("No logger named 'jsnl'. Did you mean 'jsonl'? Registered: ")


def test_a_numpy_integer_is_an_integer() -> None:
    results = ph.train("q-learning", env=CoinEnv, num_iterations=np.int64(2), seed=np.uint32(1), run_dir=None)
    assert results.iterations == 2


def test_a_run_that_failed_says_so_in_its_directory(tmp_path: Path) -> None:
    error_of(env=UnsteppableEnv, run_dir=tmp_path)
    (directory,) = tmp_path.iterdir()
    facts = (directory / "run.json").read_text()
    assert '"status": "failed"' in facts
    assert '"error": "EnvError: UnsteppableEnv failed in step 2 of episode 0: ValueError: no money (' in facts


REFUSED: dict[str, dict[str, Any]] = {
    "a metric": {"metrics": {"x": {"metric": "agent"}}},
    "an agent": {"policies": {"p": ["A7"]}},
    "a setting of a policy": {"policies": {"p": ph.PolicySpec(agents=["A1"], config={"initial_valu": 1})}},
    "a training plan": {"training_plan": [{"policies": ["q"], "iterations": 1}]},
    "the env": {"env_config": {"no_such": 1}},
    "how copies are stepped": {"workers": 2, "vectorization_mode": "vector_entry_point"},
    "the record": {"logger_config": {"jsonl": {"no_such": 1}}},
    "sessions with an evaluation": {
        "trainer_config": {"sessions": 2, "steps_per_iteration": 5},
        "evaluation": ph.EvaluationPlan(episodes=1),
    },
}


@pytest.mark.parametrize("what", REFUSED)
def test_a_run_that_is_refused_leaves_nothing_behind(what: str, tmp_path: Path) -> None:
    error_of(**REFUSED[what], run_dir=tmp_path)
    assert list(tmp_path.iterdir()) == []
