"""A run gets its secrets, and writes none of them, however it goes."""

import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import phantom_core as ph

WORLD = '''
from dataclasses import dataclass

import gymnasium as gym

import phantom_core as ph

SEEN = []


class Client(ph.StrategicAgent):
    observation_space = action_space = gym.spaces.Discrete(2)

    def decode_action(self, ctx, action):
        pass

    def encode_observation(self, ctx):
        return 0

    def compute_reward(self, ctx):
        return 1.0


class Market(ph.PhantomEnv):
    def __init__(self, api_key, uri, user="", deep=None, fails_in=""):
        SEEN.append(("env", api_key, uri, user, deep))
        assert {type(api_key), type(user)} == {str}
        self.api_key, self.user, self.fails_in = api_key, user, fails_in
        if fails_in == "init":
            raise RuntimeError(f"{user} has no access with {api_key}")
        super().__init__(2, ph.Network([Client("A")]))

    def step(self, actions):
        if self.fails_in == "step":
            raise RuntimeError(f"{self.user} has no access with {self.api_key}")
        return super().step(actions)

    def close(self):
        if self.fails_in == "close":
            raise RuntimeError(f"{self.user} has no access with {self.api_key}")


class Asking(ph.Policy):
    def __init__(self, observation_space, action_space, service_token="", user=""):
        super().__init__(observation_space, action_space)
        SEEN.append(("policy", service_token, user))
        assert {type(service_token), type(user)} == {str}
        self.user = user

    def compute_action(self, observation):
        return 0

    def state_dict(self):
        return {"learned": 7}


@dataclass(frozen=True)
class Settings:
    db_password: str = ""
    mirrors: tuple = ()
    user: str = ""


class Learner(ph.Trainer):
    config_class = Settings
    policy_class = Asking

    def policy_settings(self):
        return {"user": self.config.user} if self.config.user else {}

    def training_step(self, env, policy_mapping, policies, policies_to_train):
        SEEN.append(("trainer", self.config.db_password, self.config.mirrors))
        self.log_rewards(env.reset(seed=1) and env.step({"A": 0}).rewards)


@dataclass(frozen=True)
class Price(ph.Metric):
    token: str = ""

    def extract(self, env):
        SEEN.append(("metric", self.token))
        raise RuntimeError(f"no price for {self.token}")


class Watcher(ph.Hooks):
    """Writes down all that it is told, and fails; the reason why it stops names its secret."""

    def __init__(self, client_secret="", place="watched.txt"):
        super().__init__()
        SEEN.append(("hook", client_secret))
        self.secret, self.place = client_secret, place

    def note(self, event):
        with open(self.place, "a") as file:
            print(event, getattr(event, "exception", None), file=file)

    on_train_start = on_exception = on_train_end = note

    def on_iteration_end(self, event):
        self.note(event)
        raise RuntimeError(f"no watch with {self.secret}")

    def should_stop(self, event):
        return f"enough of {self.secret}"


class Watching:
    """Registers the watcher as a logger and as hooks."""

    @ph.hookimpl
    def phantom_register_loggers(self):
        return [ph.Registration("logger", "watch", Watcher)]

    @ph.hookimpl
    def phantom_register_hooks(self):
        return [ph.Registration("hook", "look", Watcher)]
'''

GIVEN = ("guess_world.py", "client_world.py", "client.toml", "env.py")

RUN_FILE = """
env = "./client_world.py:Market"
iterations = 2
seed = 1
hooks = ["./client_world.py:Watching", "look"]
loggers = ["watch"]

[env_config]
api_key = "sesame-01"
uri = "http://bob:sesame-02@host/x"
user = "env:CLIENT_USER"
deep = { secret = ["sesame-03", 5], tokens = 5, list = [{ token = "sesame-04" }] }

[trainer]
name = "./client_world.py:Learner"

[trainer."./client_world.py:Learner"]
db_password = "sesame-05"
mirrors = ["redis://:sesame-06@host"]

[policies.token]
agents = ["A"]
train = true
config = { service_token = "sesame-07", user = "env:CLIENT_USER" }

[metrics.price]
metric = "./client_world.py:Price"
token = "sesame-08"

[logger.watch]
client_secret = "sesame-09"

[hook.look]
client_secret = "sesame-10"
place = "looked.txt"

[checkpoint]
every = 1

[evaluate]
episodes = 1
"""


@pytest.fixture(autouse=True)
def world(guess_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], Any]]:
    """Write the run file and the module of its env, and return what returns the module, once imported."""
    monkeypatch.chdir(guess_folder)
    (guess_folder / "client_world.py").write_text(WORLD)
    (guess_folder / "client.toml").write_text(RUN_FILE)
    monkeypatch.setenv("CLIENT_USER", "sesame-11")
    before = set(sys.modules)
    yield lambda: next(m for n, m in sys.modules.items() if n.startswith("client_world"))
    for name in set(sys.modules) - before:
        if name.startswith("client_world"):
            del sys.modules[name]


@pytest.fixture
def files() -> Callable[[], dict[str, bytes]]:
    """Return the contents of what was written in the current folder, but for what was given."""

    def read() -> dict[str, bytes]:
        found = [path for path in Path().rglob("*") if path.is_file() and path.suffix != ".pyc"]
        return {str(p): p.read_bytes() for p in found if p.name not in GIVEN}

    return read


def with_secrets(*texts: str | bytes) -> list[str | bytes]:
    return [text for text in texts if b"sesame" in (text.encode() if isinstance(text, str) else text)]


def run_of(files: dict[str, bytes]) -> Path:
    """Return the only run directory."""
    (path,) = [Path(name).parent for name in files if name.endswith("run.json")]
    return path


@pytest.fixture
def train(phantom: Callable[..., Any], files: Callable[[], dict[str, bytes]]) -> Callable[..., Path]:
    """Train what the file says, with lines replaced, and return the run directory."""

    def call(**lines: str) -> Path:
        text = RUN_FILE
        for key, value in lines.items():
            text, count = re.subn(rf"(?m)^{key} = .*$", f"{key} = {value}", text)
            assert count == 1
        Path("client.toml").write_text(text)
        outcome = phantom("train", "client.toml")
        assert outcome.code == 0, outcome
        return run_of(files())

    return call


FROM_ENVIRONMENT = {
    "api_key": '"env:CLIENT_USER"',
    "uri": '"host"',
    "deep": "{}",
    "config": '{ service_token = "env:CLIENT_USER" }',
}
"""Lines of a file that says of no secret of env and policy what it is."""


# ---------------------------------------------------------------------- what is written


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ((), 0),
        (("--set", "env_config.api_key=sesame-12"), 0),
        (("--set", "logger.watch.client_secret=env:CLIENT_USER"), 0),
        (("--set", "env_config.fails_in=init"), 2),
        (("--set", "env_config.fails_in=step"), 1),
        (("--set", "env_config.fails_in=close"), 0),
        (("--set", "env_config.fails_in=init", "-v"), 1),
        (("--set", "strict_hooks=true"), 2),
        (("--set", "trainer.api_key=sesame-12"), 2),
        (("--set", "env_config.api_key.part=1"), 2),
        (("--set", "env_config.size=3"), 2),
        (("--set", "policies.token.config.size=3"), 2),
        (("--set", "policies.token.train=sesame-07"), 2),
        (("--set", "logger.watch.size=3"), 2),
        (("--set", "metrics.price.size=3"), 2),
    ],
)
def test_no_secret_is_written_or_printed(
    changes: tuple[str, ...],
    code: int,
    files: Callable[[], dict[str, bytes]],
) -> None:
    command = [sys.executable, "-m", "phantom_core", "train", "client.toml", *changes]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == code, done
    assert with_secrets(done.stdout, done.stderr, *files().values()) == []


def test_the_components_of_a_run_get_its_secrets(
    train: Callable[..., Path], world: Callable[[], Any]
) -> None:
    train()
    deep = {"secret": ["sesame-03", 5], "tokens": 5, "list": [{"token": "sesame-04"}]}
    assert set(map(repr, world().SEEN)) == {
        f"('env', 'sesame-01', 'http://bob:sesame-02@host/x', 'sesame-11', {deep})",
        "('policy', 'sesame-07', 'sesame-11')",
        "('trainer', 'sesame-05', ('redis://:sesame-06@host',))",
        "('metric', 'sesame-08')",
        "('hook', 'sesame-09')",
        "('hook', 'sesame-10')",
    }


def test_the_record_says_how_the_run_went_without_its_secrets(train: Callable[..., Path]) -> None:
    facts = json.loads((train() / "run.json").read_text())
    assert facts["stop_reasons"] == ["look: enough of ***masked***", "watch: enough of ***masked***"]
    assert facts["hook_failures"][:2] == [
        "Plugin 'look' failed once in on_iteration_end: RuntimeError: no watch with ***masked***.",
        "Plugin 'watch' failed once in on_iteration_end: RuntimeError: no watch with ***masked***.",
    ]


def test_the_exception_that_ended_a_run_is_told_to_hooks_without_secrets(phantom: Callable[..., Any]) -> None:
    outcome = phantom("train", "client.toml", "--set", "env_config.fails_in=step")
    sentence = "env:CLIENT_USER has no access with ***masked***"
    assert outcome.err == f"Error: RuntimeError: {sentence}. The traceback is with -v.\n"
    assert (
        f"TrainFailed(iteration=0, exception=RuntimeError('{sentence}'))" in Path("watched.txt").read_text()
    )


def test_config_toml_says_what_is_masked_and_what_comes_from_the_environment(
    train: Callable[..., Path],
) -> None:
    config = tomllib.loads((train() / "config.toml").read_text())
    assert config["env_config"] == {
        "api_key": "***masked***",
        "uri": "http://bob:***@host/x",
        "user": "env:CLIENT_USER",
        "deep": {"secret": ["***masked***", 5], "tokens": 5, "list": [{"token": "***masked***"}]},
    }
    (trainer,) = [table for name, table in config["trainer"].items() if name != "name"]
    assert trainer == {"db_password": "***masked***", "mirrors": ["redis://:***@host"]}
    assert config["policies"]["token"] == {
        "agents": ["A"],  # a policy may be called token
        "train": True,
        "config": {"service_token": "***masked***", "user": "env:CLIENT_USER"},
    }
    assert config["metrics"]["price"]["token"] == "***masked***"  # noqa: S105  the mask
    assert config["logger"]["watch"] == {"client_secret": "***masked***"}
    assert config["hook"]["look"] == {"client_secret": "***masked***", "place": "looked.txt"}


# ---------------------------------------------------------------------- what is read again


def test_a_masked_file_is_refused_until_every_secret_has_a_value(
    phantom: Callable[..., Any], train: Callable[..., Path]
) -> None:
    config = train(mirrors="[]", deep="{}") / "config.toml"
    settings = [
        "env_config.api_key",
        "env_config.uri",
        "policies.token.config.service_token",
        "metrics.price.token",
        "logger.watch.client_secret",
        "hook.look.client_secret",
    ]
    names = [f"trainer.{Path('client_world.py').resolve()}:Learner.db_password", *settings]
    outcome = phantom("train", config)
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err == (
        f"Error: The settings lack the values of {', '.join(names)}, which were masked as secrets when they "
        "were written. Give each a value, or 'env:NAME' to read it from the environment: in the file, "
        "with --set KEY=env:NAME, or from Python.\n"
    )
    text = config.read_text().replace('db_password = "***masked***"', 'db_password = "env:CLIENT_USER"')
    config.write_text(text)
    given = [part for name in settings for part in ("--set", f"{name}=env:CLIENT_USER")]
    assert phantom("train", config, *given[:-2]).code == 2
    assert phantom("train", config, *given).code == 0


def test_python_refuses_masked_settings_too() -> None:
    with pytest.raises(ph.errors.ConfigError) as caught:
        ph.train(
            "q-learning", env="./client_world.py:Market", env_config={"uri": "x://:***@y"}, num_iterations=1
        )
    assert str(caught.value) == (
        "The settings lack the values of env_config.uri, which were masked as secrets when they were "
        "written. Give each a value, or 'env:NAME' to read it from the environment: in the file, with "
        "--set KEY=env:NAME, or from Python."
    )


def test_a_run_with_masked_settings_of_its_env_cannot_be_evaluated(
    phantom: Callable[..., Any], train: Callable[..., Path]
) -> None:
    run = train(deep="{}")
    outcome = phantom("evaluate", run)
    assert outcome.code == 2
    assert outcome.err == (
        f"Error: The env of the run {run} cannot be made again: config.toml does not hold "
        "env_config.api_key, env_config.uri, which were masked as secrets. Use ph.load_policies(run) and "
        "ph.evaluate(env, ...); or train with 'env:NAME' in their place, which is read from the environment "
        "again.\n"
    )


def test_a_run_whose_secrets_are_in_the_environment_is_evaluated_and_repeated(
    phantom: Callable[..., Any], train: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = train(**FROM_ENVIRONMENT)
    assert phantom("evaluate", run).out.splitlines()[-1] == "mean return 2.0"
    assert phantom("evaluate", run / "checkpoints/iteration-000001").code == 0
    monkeypatch.delenv("CLIENT_USER")
    outcome = phantom("evaluate", run)
    assert outcome.code == 2
    assert outcome.err == (
        "Error: env_config.api_key = 'env:CLIENT_USER', but there is no environment variable 'CLIENT_USER'. "
        "Set it: export CLIENT_USER=…\n"
    )


def test_a_missing_variable_ends_the_run_before_it_begins(
    phantom: Callable[..., Any], files: Callable[[], dict[str, bytes]]
) -> None:
    outcome = phantom("train", "client.toml", "--set", "logger.watch.client_secret=env:GONE")
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err == (
        "Error: logger.watch.client_secret = 'env:GONE', but there is no environment variable 'GONE'. "
        "Set it: export GONE=…\n"
    )
    assert files() == {}


# ---------------------------------------------------------------------- policies


def test_a_policy_reads_its_settings_from_the_environment_again(train: Callable[..., Path]) -> None:
    run = train(**FROM_ENVIRONMENT)
    state = (run / "policies/state.json").read_text()
    assert '"__environment__": "env:CLIENT_USER"' in state
    for place in (run, run / "checkpoints/iteration-000001"):
        policy: Any = ph.load_policies(place)["token"]
        assert policy.given_settings == {"service_token": "sesame-11"}
        assert type(policy.user) is str


def test_a_trainer_may_hand_a_setting_from_the_environment_on_to_its_policies(
    world: Callable[[], Any], files: Callable[[], dict[str, bytes]]
) -> None:
    results = ph.train(
        ph.tools.load_reference("./client_world.py:Learner", setting="trainer", folder=Path()),
        env="./client_world.py:Market",
        env_config={"api_key": "", "uri": ""},
        trainer_config={"user": "env:CLIENT_USER"},
        num_iterations=1,
    )
    assert ("policy", "", "sesame-11") in world().SEEN
    assert with_secrets(*files().values()) == []
    assert results.run_directory is not None
    policy: Any = ph.load_policies(results.run_directory)["default"]
    assert policy.user == "sesame-11"


def test_a_policy_with_a_masked_setting_cannot_be_loaded(train: Callable[..., Path]) -> None:
    run = train()
    with pytest.raises(ph.errors.CheckpointError) as caught:
        ph.load_policies(run)
    assert str(caught.value) == (
        f"Policy 'token' of {run} cannot be made again: its settings service_token were masked as secrets. "
        "Train with 'env:NAME' in their place, which is read from the environment again; or make the policy "
        "yourself, and give it its state in ph.tools.load_checkpoint(...)."
    )
    assert ph.tools.load_checkpoint(run / "policies")["token"]["state"] == {"learned": 7}


# ---------------------------------------------------------------------- from Python


def test_mappings_of_train_are_read_from_the_environment_and_references_are_not(
    world: Callable[[], Any], files: Callable[[], dict[str, bytes]]
) -> None:
    Path("env.py").write_text("from client_world import Market")
    results = ph.train(
        "q-learning",
        env="./client_world.py:Market",
        env_config={"api_key": "env:CLIENT_USER", "uri": "", "deep": [("env:CLIENT_USER", 1)]},
        policies={"default": ph.PolicySpec(agents=["A"])},
        num_iterations=1,
        name="env:CLIENT_USER",
        seed=1,
    )
    assert results.status == "completed"
    assert world().SEEN[0] == ("env", "sesame-11", "", "", [("sesame-11", 1)])
    assert b'name = "env:CLIENT_USER"' in files()[f"{results.run_directory}/config.toml"]
    assert with_secrets(*files().values()) == []


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        (
            {"trainer_config": {"alpha": "sesame-01"}, "env_config": {"token": "sesame-01"}},
            "trainer.q-learning.alpha = '***masked***' is wrong: expected float, got str.",
        ),
        (
            {"policies": {"a": ("random", ["A"], {"token": "sesame-01"}, 1)}},
            "Policy 'a' is ('random', ['A'], {'token': '***masked***'}, 1). Expected",
        ),
        (
            {"env_config": {"uri": "http://bob:sesame@host"}},
            "'api_key'. Its env_config: {'uri': 'http://bob:***@host'}.",
        ),
    ],
)
def test_an_exception_of_train_quotes_no_secret(settings: Any, sentence: str) -> None:
    given = {"env": "./client_world.py:Market", "num_iterations": 1, **settings}
    with pytest.raises(ph.PhantomError) as caught:
        ph.train("q-learning", **given)
    assert sentence in str(caught.value)


def test_workers_get_secrets_and_do_not_tell_them(files: Callable[[], dict[str, bytes]]) -> None:
    with pytest.raises(ph.PhantomError) as caught:
        ph.train(
            "q-learning",
            env="./client_world.py:Market",
            env_config={"api_key": "sesame-01", "uri": "", "user": "env:CLIENT_USER", "fails_in": "step"},
            num_iterations=1,
            workers=1,
        )
    assert "RuntimeError: env:CLIENT_USER has no access with ***masked***" in str(caught.value)
    assert with_secrets(str(caught.value), *files().values()) == []
