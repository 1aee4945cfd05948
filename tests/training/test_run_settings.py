"""Every setting of a run, once: as arguments, as a file, and back again."""

import dataclasses
import enum
import functools
import inspect
import pickle
import tomllib
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta, timezone
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import tomli_w
from hypothesis import given
from hypothesis import strategies as st

import phantom_core as ph
from phantom_core.training.components import Components
from phantom_core.training.env_factory import EnvFactory
from phantom_core.training.run_settings import RunSettings, argument_documents, configs_by_trainer
from phantom_core.training.train import execute_run
from phantom_qlearning import QLearningTrainer

HERE = Path.cwd()


class Level(enum.Enum):
    LOW = 1


class Agent(ph.StrategicAgent):
    observation_space = action_space = gym.spaces.Discrete(2)
    capacity = 2.0

    def decode_action(self, ctx: ph.Context, action: int) -> None:
        """Do nothing."""

    def encode_observation(self, ctx: ph.Context) -> int:
        return 0

    def compute_reward(self, ctx: ph.Context) -> float:
        return 1.0


class Env(ph.PhantomEnv):
    def __init__(self, **config: Any) -> None:
        super().__init__(2, ph.Network([Agent("A"), Agent("B")]))


def is_first(agent: ph.Agent) -> bool:
    return agent.id == "A"


class Own(QLearningTrainer):
    """A trainer of one's own."""


class Watcher(ph.Hooks):
    def on_train_end(self, event: ph.TrainEnd) -> None:
        """Do nothing."""


def settings(**given: Any) -> RunSettings:
    return RunSettings(**{"trainer": "q-learning", "env": Env, "num_iterations": 1, **given})


def table(**given: Any) -> dict[str, Any]:
    return settings(**given).to_table(HERE)[0]


def lost(**given: Any) -> dict[str, str]:
    return settings(**given).to_table(HERE)[1]


def test_the_parameters_of_train_are_the_settings() -> None:
    parameters = inspect.signature(ph.train).parameters
    assert list(parameters) == list(inspect.signature(RunSettings).parameters)
    for field in dataclasses.fields(RunSettings):
        default = parameters[field.name].default
        if field.default is not dataclasses.MISSING:
            assert default == field.default, field.name
        elif field.default_factory is not dataclasses.MISSING:
            assert default is None, field.name
        else:
            assert default is inspect.Parameter.empty, field.name


def test_every_setting_says_what_it_is_and_so_does_train() -> None:
    documents = argument_documents()
    assert ph.train.__doc__ is not None
    assert documents in ph.train.__doc__
    for field in dataclasses.fields(RunSettings):
        assert f"    {field.name}: " in documents


# ---------------------------------------------------------------------- file and back

TEXTS = st.text().filter(lambda text: text != "none" and text.encode("utf-8", "replace").decode() == text)
PLAIN = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False),
    TEXTS,
    st.dates(),
    st.times(),
)
VALUES = st.recursive(
    PLAIN, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3), max_leaves=6
)
TABLES = st.dictionaries(TEXTS, VALUES, max_size=3)
NAMES = st.sampled_from(["a", "b-c", "d.e"])
CONFIGS = st.dictionaries(NAMES, TABLES, max_size=2)
PHASES = st.builds(
    ph.TrainingPhase, policies=st.lists(NAMES, min_size=1, max_size=2), iterations=st.integers(1, 9)
)
OPTIONAL = st.none() | st.integers(1, 9)
SPECS = st.builds(
    ph.PolicySpec,
    agents=st.lists(NAMES, min_size=1, max_size=2) | st.sampled_from([Agent, is_first]),
    policy=st.none() | st.sampled_from(["random", "pkg.mod:Policy"]),
    config=TABLES,
    trainer=st.none() | st.just("ppo"),
    train=st.none() | st.booleans(),
)
SETTINGS = st.fixed_dictionaries(
    {
        "trainer": st.sampled_from(["q-learning", "pkg.mod:Trainer"]),
        "env": st.sampled_from(["gymnasium", "pkg.mod:Env"]),
        "num_iterations": st.integers(1, 9),
    },
    optional={
        "env_config": TABLES,
        "trainer_config": CONFIGS,
        "policies": st.dictionaries(NAMES, SPECS, min_size=1, max_size=2),
        "policies_to_train": st.lists(NAMES, max_size=2, unique=True),
        "metrics": st.dictionaries(
            NAMES, st.builds(lambda rest: {"metric": "env", **rest}, TABLES), max_size=2
        ),
        "loggers": st.lists(NAMES, max_size=2).map(tuple),
        "logger_config": CONFIGS,
        "hooks": st.lists(NAMES, max_size=2).map(tuple),
        "hook_config": CONFIGS,
        "evaluation": st.builds(
            ph.EvaluationPlan,
            episodes=st.integers(1, 9),
            every=OPTIONAL,
            seed=OPTIONAL,
            reference_return=st.none() | st.floats(-9, 9),
        ),
        "checkpoint": st.builds(
            ph.CheckpointPlan,
            every=st.integers(1, 9),
            keep_last=st.integers(1, 9),
            keep_best=st.integers(0, 9),
        ),
        "training_plan": st.lists(PHASES, min_size=1, max_size=2),
        "workers": st.integers(0, 9),
        "seed": st.none() | st.integers(0, 2**63 - 1),
        "name": st.none() | NAMES,
        "run_dir": st.sampled_from(["runs", "elsewhere"]),
        "strict_hooks": st.none() | st.booleans(),
        "plugins": st.just({}) | st.just({"disable": ["a"]}),
    },
)


@given(SETTINGS)
def test_a_request_that_is_written_and_read_again_is_the_same(given: dict[str, Any]) -> None:
    asked = RunSettings(**given)
    written, not_in_file = asked.to_table(HERE)
    assert not_in_file == {}
    text = tomli_w.dumps(written)
    read = RunSettings.from_table(tomllib.loads(text), source="config.toml", folder=HERE)
    assert read == asked


class Pairs(ph.PhantomEnv):
    """Has agents as populations name their members."""

    def __init__(self) -> None:
        super().__init__(2, ph.Network([Agent(("f", 0)), Agent(("f", 1)), Agent(("g", ("h", 2)))]))


PAIRS: dict[str, Any] = {
    "env": Pairs,
    "policies": {
        "learns": ph.PolicySpec(agents=[("f", 0), ("g", ("h", 2))]),
        "plays": ph.PolicySpec(agents=[("f", 1)], policy="random"),
    },
    "metrics": {
        "number": ph.metrics.SimpleAgentMetric(("f", 0), "capacity"),
        "numbers": ph.metrics.AggregatedAgentMetric([("f", 0), ("f", 1)], "capacity"),
    },
}


def test_agent_ids_that_are_tuples_are_lists_in_a_file_and_tuples_again() -> None:
    written, not_in_file = settings(**PAIRS).to_table(HERE)
    assert not_in_file == {}
    text = tomli_w.dumps(written)
    assert tomllib.loads(text)["policies"]["learns"]["agents"] == [["f", 0], ["g", ["h", 2]]]
    read = RunSettings.from_table(tomllib.loads(text), source="config.toml", folder=HERE)
    assert read.policies == PAIRS["policies"]
    results = execute_run(read, Components(folder=HERE, start="here"), folder=HERE, origins={})
    assert results.policy_by_agent == {("f", 0): "learns", ("g", ("h", 2)): "learns", ("f", 1): "plays"}
    assert (results.history[-1]["number"], results.history[-1]["numbers"]) == (2.0, 2.0)


def test_an_id_that_a_file_cannot_hold_is_lost() -> None:
    policies = {"p": ph.PolicySpec(agents=[("f", Level.LOW)])}
    assert lost(policies=policies) == {"policies.p.agents[0][1]": "a Level"}


def test_a_list_is_no_agent_id_in_python() -> None:
    with pytest.raises(ph.errors.PolicyMappingError) as caught:
        ph.train("q-learning", env=Pairs, policies={"p": [["f", 0]]}, num_iterations=1, run_dir=None)
    assert str(caught.value) == (
        "Policy 'p' names agent ['f', 0], but a list is no agent id. Write a tuple: ('f', 0)."
    )
    with pytest.raises(ph.errors.PolicyMappingError) as caught:
        ph.train("q-learning", env=Pairs, policies={"p": [{"f": 0}]}, num_iterations=1, run_dir=None)
    assert str(caught.value) == (
        "Policy 'p' names agent {'f': 0}, but a dict is no agent id: it is not hashable. Agents that act: "
        "('f', 0), ('f', 1), ('g', ('h', 2))."
    )


def test_none_that_is_no_default_is_written() -> None:
    written = table(hooks=["early-stopping"], hook_config={"early-stopping": {"patience": None}})
    assert written["hook"] == {"early-stopping": {"patience": "none"}}
    assert table(run_dir=None)["run_dir"] == "none"
    assert table(env_config={"sizes": [1, None]})["env_config"] == {"sizes": [1, "none"]}


def test_the_text_that_stands_for_none_is_refused_as_a_text() -> None:
    with pytest.raises(ph.errors.ConfigError) as caught:
        table(env_config={"mode": "none"})
    assert str(caught.value) == (
        "env_config.mode = 'none' is the text that stands for None in run files, so no text setting may hold "
        "it. Give None, or another text."
    )


def test_empty_values_of_the_user_are_kept() -> None:
    written = table(
        env_config={"empty": {}, "none": [], "deep": {"list": [[], {}]}},
        trainer_config={"q-learning": {"sizes": []}},
        logger_config={"console": {"columns": []}},
        policies={"p": ph.PolicySpec(agents=["A"], config={"layers": []})},
    )
    assert written["env_config"] == {"empty": {}, "none": [], "deep": {"list": [[], {}]}}
    assert written["trainer"] == {"name": "q-learning", "q-learning": {"sizes": []}}
    assert written["logger"] == {"console": {"columns": []}}
    assert written["policies"]["p"]["config"] == {"layers": []}
    assert not {"seed", "total_steps", "metrics", "evaluate", "loggers", "name"} & written.keys()


def test_values_of_numpy_and_dates_are_plain() -> None:
    given = {"ok": (np.int64(3), 0.5), "day": date(2026, 11, 29), "at": time(9, 30)}
    assert table(env_config=given)["env_config"] == {**given, "ok": [3, 0.5]}


class Threshold(ph.ConstantPolicy):
    """A policy that is an instance."""


def test_what_no_file_can_hold_is_listed_with_what_it_was() -> None:
    space = gym.spaces.Discrete(2)
    assert lost(
        env_config={"b": {"c": object()}, "e": Level.LOW, "f": Agent, 7: 8},
        policies={"p": ph.PolicySpec(agents=lambda _: True, policy=Threshold(space, space, action=0))},
        metrics={"one": ph.metrics.SimpleEnvMetric("current_step")},
        loggers=[Watcher()],
        hooks=["early-stopping", Watcher()],
    ) == {
        "env_config.7": "the key 7",
        "env_config.b.c": "an object",
        "env_config.e": "a Level",
        "env_config.f": "a type",
        "policies.p.class": "<lambda>, which cannot be imported",
        "policies.p.policy": "an instance of Threshold",
        "loggers[0]": "an instance of Watcher",
        "hooks[1]": "an instance of Watcher",
    }
    assert lost(env=lambda: Env()) == {"env": "<lambda>, which cannot be imported"}  # noqa: PLW0108
    assert lost(env_config={"a": 1}) == {}


class Maker:
    """Makes envs."""

    def make(self) -> Env:
        return Env()

    @classmethod
    def made(cls) -> Env:
        return Env()


@functools.wraps(Env)
def wrapped() -> Env:
    return Env()


def test_what_a_reference_does_not_lead_back_to_is_lost() -> None:
    assert lost(env=Maker().make) == {"env": "make, which cannot be imported"}
    assert lost(env=wrapped) == {"env": "Env, which cannot be imported"}
    assert lost(env=Maker.made) == {}


def test_an_env_factory_sends_the_env_maker_itself() -> None:
    factory = EnvFactory(Maker().make)
    assert isinstance(pickle.loads(pickle.dumps(factory))(), Env)  # noqa: S301  our own


def test_numbers_of_numpy_are_numbers_in_every_setting() -> None:
    made = settings(num_iterations=np.int64(2), workers=np.int64(0), seed=np.int64(3))
    assert [type(v) for v in (made.num_iterations, made.workers, made.seed)] == [int, int, int]


def test_a_trainer_instance_is_written_with_its_settings() -> None:
    written = table(trainer=QLearningTrainer(alpha=0.25))
    place = "phantom_qlearning.trainers:QLearningTrainer"
    assert written["trainer"]["name"] == place
    assert written["trainer"][place]["alpha"] == 0.25


class Hidden(Own):
    """A trainer with a setting that is no field of its `config`."""

    def __init__(self, secret: int = 0, **settings: Any) -> None:
        super().__init__(**settings)
        self.secret = secret


class Scaled(ph.Trainer):
    """A trainer whose settings are the parameters of its `__init__`."""

    policy_class = Threshold

    def __init__(self, scale: float = 1.0) -> None:
        super().__init__()
        self.scale = scale


def test_a_trainer_instance_that_its_settings_do_not_make_again_is_lost() -> None:
    place = f"trainer.{__name__}"
    assert lost(trainer=Own(alpha=0.25)) == {}
    assert lost(trainer=Hidden(alpha=0.25)) == {}
    assert lost(trainer=Hidden(secret=3)) == {f"{place}:Hidden": "an instance of Hidden"}
    assert lost(trainer=Scaled()) == {}
    assert lost(trainer=Scaled(2.0)) == {f"{place}:Scaled": "an instance of Scaled"}


def test_keys_and_values_that_toml_cannot_hold_are_lost_not_crashes(tmp_path: Path) -> None:
    odd = datetime(2026, 11, 29, tzinfo=timezone(timedelta(seconds=1)))
    given = {"\ud800": 1, "a": "\ud800", "at": odd, "b": time(9, tzinfo=UTC)}
    results = run(env_config=given, run_dir=tmp_path)
    assert results.run_directory is not None
    written = tomllib.loads((results.run_directory / "config.toml").read_text())
    assert written["not_in_file"] == {
        "env_config.\\ud800": "the key '\\ud800'",
        "env_config.a": "a str",
        "env_config.at": "a datetime",
        "env_config.b": "a time",
    }


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (
            {"metrics": {7: ph.metrics.SimpleEnvMetric("current_step")}},
            "metrics has the key 7. Expected a name: a str that is not empty.",
        ),
        (
            {"metrics": {"": ph.metrics.SimpleEnvMetric("current_step")}},
            "metrics has the key ''. Expected a name: a str that is not empty.",
        ),
        (
            {"logger_config": {None: {}}},
            "logger_config has the key None. Expected a name: a str that is not empty.",
        ),
        ({"name": ""}, "The run got name=''. Expected a str that is not empty, or None."),
        ({"name": 7}, "The run got name=7. Expected a str that is not empty, or None."),
        ({"run_dir": 7}, "The run got run_dir=7. Expected a folder, or None."),
        ({"strict_hooks": 1}, "The run got strict_hooks=1. Expected True, False or None."),
        (
            {"loggers": {"csv": {}}},
            "loggers is {'csv': {}}. Expected a list; settings by name are logger_config.",
        ),
        ({"hooks": {}}, "hooks is {}. Expected a list; settings by name are hook_config."),
        (
            {"vectorization_mode": "synch"},
            "vectorization_mode is 'synch'. Expected 'sync' or 'vector_entry_point'.",
        ),
    ],
)
def test_wrong_names_and_folders_are_sentences(given: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ph.errors.ConfigError) as caught:
        run(**given)
    assert str(caught.value) == sentence


def test_a_folder_with_a_null_character_is_one_sentence() -> None:
    with pytest.raises(ph.errors.RunDirectoryError) as caught:
        run(run_dir="a\0b")
    assert str(caught.value) == (
        "No run directory can be made in 'a\\x00b': embedded null byte. Choose another place with --run-dir, "
        "or run_dir=."
    )


@pytest.mark.parametrize("make", [dict, list])
def test_a_value_that_contains_itself_is_one_sentence(make: Callable[[], Any]) -> None:
    inner = make()
    if isinstance(inner, dict):
        inner["inner"] = inner
    else:
        inner.append(inner)
    with pytest.raises(ph.errors.ConfigError) as caught:
        run(env_config={"a": inner})
    assert str(caught.value) == (
        "env_config contains itself, or is nested too deeply. Give values that can be written down."
    )


# ---------------------------------------------------------------------- settings by trainer


@pytest.mark.parametrize("setting", ["hooks", "loggers"])
def test_a_place_that_is_named_twice_is_refused(setting: str) -> None:
    place = f"{__name__}:Watcher"
    with pytest.raises(ph.errors.ConfigError) as caught:
        run(**{setting: [place, place]})
    assert str(caught.value) == f"{setting} names '{place}' twice. Name it once."


def test_settings_by_name_for_one_trainer_are_refused_with_the_form_that_works() -> None:
    with pytest.raises(ph.errors.ConfigError) as caught:
        run(trainer_config={"q-learning": {"alpha": 0.5}})
    assert str(caught.value) == (
        "trainer_config has a dict for the trainer 'q-learning', but this run has one trainer. Give its "
        "settings themselves: trainer_config={'setting': value}."
    )


def test_two_trainers_of_one_name_are_refused() -> None:
    with pytest.raises(ph.errors.ConfigError) as caught:
        run(Own(alpha=0.5), policies={"a": ["A"], "b": ph.PolicySpec(agents=["B"], trainer=Own(alpha=0.25))})
    assert str(caught.value) == (
        f"Policy 'b' has a trainer of its own, but the run has another of the same name, '{__name__}:Own', "
        "so that their settings and values cannot be told apart. Give both the same trainer, or derive a "
        "class from one."
    )
    same = run(f"{__name__}:Own", policies={"a": ["A"], "b": ph.PolicySpec(agents=["B"], trainer=Own)})
    assert same.status == "completed"


def test_a_trainer_for_a_policy_that_is_not_trained_is_refused() -> None:
    policies = {"a": ["A"], "b": ph.PolicySpec(agents=["B"], policy="random", trainer="q-learning")}
    with pytest.raises(ph.errors.PolicyMappingError) as caught:
        run(policies=policies)
    assert str(caught.value) == (
        "Policy 'b' names a trainer, 'q-learning', but a policy of its own too, so that it is not trained. "
        "Give it train=True, or leave the trainer out."
    )


def test_train_of_a_policy_is_true_false_or_none() -> None:
    with pytest.raises(ph.errors.PolicyMappingError) as caught:
        run(policies={"a": ph.PolicySpec(agents=["A", "B"], train="yes")})  # type: ignore[arg-type]
    assert str(caught.value) == "Policy 'a' has train='yes'. Expected True, False or None."


@pytest.mark.parametrize("opponents", [None, "past"])
def test_the_config_of_a_policy_is_a_dict(opponents: Any) -> None:
    spec = ph.PolicySpec(agents=["A"], config=None, opponents=opponents)  # type: ignore[arg-type]
    with pytest.raises(ph.errors.PolicyMappingError) as caught:
        run(policies={"a": spec, "b": ["B"]})
    assert str(caught.value) == "Policy 'a' has config=None. Expected a dict of its settings, such as {}."


def test_settings_are_flat_for_one_trainer_and_by_name_for_several() -> None:
    mixed = {"a": ["A"], "b": ph.PolicySpec(agents=["B"], trainer="ppo")}
    assert configs_by_trainer("q-learning", None, {"alpha": 0.5}) == {"q-learning": {"alpha": 0.5}}
    nested = {"q-learning": {"alpha": 0.5}, "ppo": {"epochs": 2}}
    assert configs_by_trainer("q-learning", mixed, nested) == nested
    with pytest.raises(ph.errors.ConfigError) as caught:
        configs_by_trainer("q-learning", mixed, {"alpha": 0.5})
    assert str(caught.value) == (
        "trainer_config has 'alpha': 0.5, but this run has 2 trainers. Give settings by trainer: "
        "{'q-learning': {...}, 'ppo': {...}}."
    )


def run(trainer: Any = "q-learning", **given: Any) -> ph.TrainingResults:
    return ph.train(trainer, **{"env": Env, "num_iterations": 1, "run_dir": None, "seed": 1, **given})


def test_both_trainers_of_a_mixed_run_have_their_settings_from_python() -> None:
    results = run(
        policies={"a": ["A"], "b": ph.PolicySpec(agents=["B"], trainer=Own)},
        trainer_config={
            "q-learning": {"alpha": 0.5, "decay_fraction": 0.0, "alpha_final": 0.5},
            "Own": {"alpha": 0.25, "decay_fraction": 0.0, "alpha_final": 0.25},
        },
    )
    assert (results.history[0]["a/alpha"], results.history[0]["b/alpha"]) == (0.5, 0.25)


def test_settings_of_a_trainer_that_the_run_has_not_are_refused() -> None:
    mixed = {"a": ["A"], "b": ph.PolicySpec(agents=["B"], trainer="ppo")}
    with pytest.raises(ph.errors.UnknownNameError, match="No trainer named 'pppo'"):
        run(policies=mixed, trainer_config={"pppo": {"epochs": 2}})


# ---------------------------------------------------------------------- names resolve alike

MINE = """
import gymnasium as gym
import phantom_core as ph
from phantom_qlearning import QLearningTrainer
class MyTrainer(QLearningTrainer): ...
class MyPolicy(ph.ConstantPolicy): ...
class MyMetric(ph.metrics.Metric):
    def extract(self, env):
        return 0.5
class MyLogger(ph.Hooks):
    seen = []
    def on_metrics(self, event):
        self.seen.append(event.values["half"])
class MyAgent(ph.StrategicAgent):
    observation_space = action_space = gym.spaces.Discrete(2)
    def encode_observation(self, ctx):
        return 0
    def decode_action(self, ctx, action): ...
    def compute_reward(self, ctx):
        return 1.0
class MyEnv(ph.PhantomEnv):
    def __init__(self):
        super().__init__(2, ph.Network([MyAgent("A"), MyAgent("B")]))
"""


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, forgotten_modules: None) -> Any:  # noqa: ARG001
    """A module `my_things` in the current folder, imported."""
    (tmp_path / "my_things.py").write_text(MINE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    import importlib

    return importlib.import_module("my_things")


WAYS: dict[str, Callable[[Any, str], Any]] = {
    "file": lambda _, name: f"./my_things.py:{name}",
    "module": lambda _, name: f"my_things:{name}",
    "class": getattr,
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("observed_as", ["loggers", "hooks"])
def test_every_class_can_be_named_in_every_way(way: str, observed_as: str, mine: Any) -> None:
    def named(name: str) -> Any:
        return WAYS[way](mine, name)

    mine.MyLogger.seen.clear()
    results = ph.train(
        named("MyTrainer"),
        env=named("MyEnv"),
        trainer_config={"episodes_per_iteration": 1},
        policies={
            "a": ["A"],
            "b": ph.PolicySpec(agents=["B"], policy=named("MyPolicy"), config={"action": 0}),
        },
        metrics={"half": named("MyMetric")},
        num_iterations=2,
        run_dir=None,
        **{observed_as: [named("MyLogger")]},
    )
    assert results.iterations == 2
    assert mine.MyLogger.seen == [0.5, 0.5]
    assert type(results.policies["b"]).__name__ == "MyPolicy"


def test_a_metric_may_be_given_by_name_with_its_settings() -> None:
    steps = {"steps": {"metric": "env", "env_property": "current_step"}}
    assert "steps" in run(metrics=steps).history[0]


# ---------------------------------------------------------------------- an instance is configuration


class Counting(ph.Trainer):
    """Counts its iterations."""

    policy_class = ph.RandomPolicy

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def training_step(self, env: Any, policy_mapping: Any, policies: Any, policies_to_train: Any) -> None:
        self.count += 1
        self.log_scalar("count", self.count)


def test_a_trainer_instance_behaves_the_second_time_as_the_first() -> None:
    trainer = Counting()
    first, second = (run(trainer, num_iterations=2) for _ in range(2))
    assert [row["count"] for row in first.history] == [row["count"] for row in second.history] == [1, 2]
    assert trainer.count == 0


def test_a_trainer_that_cannot_be_copied_is_refused() -> None:
    trainer = Counting()
    trainer.generator = (n for n in range(3))  # type: ignore[attr-defined]
    with pytest.raises(ph.errors.ConfigError) as caught:
        run(trainer)
    assert str(caught.value) == (
        "trainer is an instance of Counting that cannot be copied, so that each run begins alike: TypeError: "
        "cannot pickle 'generator' object. Give the class, and its settings as trainer_config."
    )


# ---------------------------------------------------------------------- repeating a run


def test_a_run_file_says_what_it_lacks_before_it_runs(phantom: Callable[..., Any], tmp_path: Path) -> None:
    results = run(env_config={"level": Level.LOW}, run_dir=tmp_path)
    assert results.run_directory is not None
    config = results.run_directory / "config.toml"
    outcome = phantom("train", config)
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err == (
        f"Error: {config} lacks what a file cannot hold: env_config.level (a Level). Give each a value in "
        "the file and remove it from the table [not_in_file], set it with --set, or repeat the run from "
        "Python.\n"
    )
    assert phantom("train", config, "--set", "env_config.level=1").code == 0


def test_a_run_file_that_lacks_only_what_watched_the_run_warns(
    phantom: Callable[..., Any], tmp_path: Path
) -> None:
    results = run(hooks=[Watcher()], run_dir=tmp_path)
    assert results.run_directory is not None
    config = results.run_directory / "config.toml"
    outcome = phantom("train", config)
    assert outcome.code == 0
    assert outcome.err == (
        f"Warning: {config} lacks an instance of Watcher, which followed the original run. This run goes on "
        "without, and may end earlier or later.\n"
    )


def test_a_run_with_patience_of_none_is_repeated_as_it_was(
    phantom: Callable[..., Any], tmp_path: Path
) -> None:
    results = run(
        num_iterations=40,
        hooks=["early-stopping"],
        hook_config={
            "early-stopping": {"quantity": "rewards/A", "patience": None, "threshold": 100.0},
        },
        run_dir=tmp_path,
    )
    assert results.run_directory is not None
    assert results.iterations == 40
    phantom("train", results.run_directory / "config.toml", "--run-dir", tmp_path / "again")
    (again,) = (tmp_path / "again").iterdir()
    assert len((again / "metrics.jsonl").read_text().splitlines()) == 40
