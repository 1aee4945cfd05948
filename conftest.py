"""Fixtures that every test may use."""

import functools
import importlib.util
import resource
import sys
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import gymnasium as gym
import pytest
from hypothesis import settings

import phantom_core as ph
import phantom_testing
from phantom_core.cli.main import main
from phantom_testing.fake_distributions import forget_modules

settings.register_profile("phantom", deadline=None)  # a busy machine is not a failure
settings.load_profile("phantom")

GUESS_WORLD = '''
"""Guess the number that you see: an env that every trainer solves."""

import gymnasium as gym

import phantom_core as ph
import phantom_testing


class GuessAgent(ph.StrategicAgent):
    observation_space = action_space = gym.spaces.Discrete(3)
    number, is_right = 0, False

    def reset(self):
        self.number, self.is_right = self.random.randrange(3), False

    def decode_action(self, ctx, action):
        self.is_right = action == self.number
        self.number = self.random.randrange(3)

    def encode_observation(self, ctx):
        return self.number

    def compute_reward(self, ctx):
        return float(self.is_right)


class ClerkAgent(ph.Agent):
    """Takes no part in the game."""


class GuessEnv(ph.PhantomEnv):
    def __init__(self, num_agents=1):
        agents = [GuessAgent(f"G{number}") for number in range(1, num_agents + 1)]
        super().__init__(num_steps=5, network=ph.Network([*agents, ClerkAgent("CLERK")]))
'''

MakeDistribution = Callable[..., Path]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--update-golden", action="store_true", help="accept what golden tests find as what they expect"
    )


@pytest.fixture
def size_limit() -> Iterator[Callable[[int | None], None]]:
    """Return what limits the size of files in bytes, as if the disk were full; None: there is room again.

    A write beyond it raises OSError 27, "File too large", for Python ignores the signal.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)

    def limit(num_bytes: int | None) -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft if num_bytes is None else num_bytes, hard))

    yield limit
    limit(None)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call() -> Generator[None, object, object]:
    """Lift the limit of `size_limit` before pytest reports the test: its own output may go to a file."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        return (yield)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


@pytest.fixture(scope="session")
def repository() -> Path:
    """The root of the checkout."""
    return Path(__file__).resolve().parent


@pytest.fixture(scope="session")
def example(repository: Path) -> Callable[[str], ModuleType]:
    """Import a module of docs/examples by its name, once."""

    @functools.cache
    def load(name: str) -> ModuleType:
        path = repository / "docs" / "examples" / f"{name}.py"
        spec = importlib.util.spec_from_file_location(f"{name}_of_the_tests", path)
        assert spec is not None
        assert spec.loader is not None
        module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    return load


@pytest.fixture(scope="session")
def supply_chain(example: Callable[[str], ModuleType]) -> ModuleType:
    """The module docs/examples/supply_chain.py."""
    return example("supply_chain")


class LongWayEnv(ph.GymnasiumEnv):
    """Changes nothing; but who overrides `step` is played through it, agent by agent."""

    def step(self, actions: Any) -> ph.StepResult:
        return super().step(actions)


@pytest.fixture(scope="session")
def long_way_env() -> type[ph.GymnasiumEnv]:
    """`ph.GymnasiumEnv`, played as envs of several agents are."""
    return LongWayEnv


@pytest.fixture(params=[ph.GymnasiumEnv, LongWayEnv])
def gymnasium_env(request: pytest.FixtureRequest) -> type[ph.GymnasiumEnv]:
    """`ph.GymnasiumEnv`, played in the short way and in the long way."""
    env_class: type[ph.GymnasiumEnv] = request.param
    return env_class


class TicketAgent(ph.StrategicAgent):
    """Draws a ticket when an episode begins, and is paid it."""

    observation_space = gym.spaces.Discrete(1)
    action_space = gym.spaces.Discrete(2)

    def reset(self) -> None:
        self.ticket = self.random.random()

    def decode_action(self, ctx: ph.Context, action: int) -> None:
        """Do nothing: the ticket is what it is."""

    def encode_observation(self, ctx: ph.Context) -> int:
        return 0

    def compute_reward(self, ctx: ph.Context) -> float:
        return self.ticket


class TicketEnv(ph.PhantomEnv):
    """One step of agents `A1`, `A2`, …: what each earns tells this episode from every other."""

    def __init__(self, num_agents: int = 1) -> None:
        agents = [TicketAgent(f"A{number}") for number in range(1, num_agents + 1)]
        super().__init__(1, ph.Network(agents))


@pytest.fixture(scope="session")
def ticket_env() -> type[ph.PhantomEnv]:
    """An env whose returns are draws in [0, 1): equal returns are the same episode, played twice."""
    return TicketEnv


@pytest.fixture
def forgotten_modules(tmp_path: Path) -> Iterator[None]:
    """Forget the modules that were imported from the test's own folder."""
    path_before = list(sys.path)
    yield
    sys.path[:] = path_before
    forget_modules(tmp_path)


@pytest.fixture
def guess_folder(tmp_path: Path, forgotten_modules: None) -> Path:  # noqa: ARG001  cleans up
    """A folder with `guess_world.py`, whose `GuessEnv` pays 1 for each number that is guessed right.

    It takes 5 steps; the best return is 5, a random one 5/3. The agents are G1 to Gn, and CLERK.
    """
    (tmp_path / "guess_world.py").write_text(GUESS_WORLD)
    return tmp_path


@pytest.fixture
def fake_distribution(tmp_path: Path) -> Iterator[MakeDistribution]:
    """Make distributions that look installed until the test ends: `phantom_testing.fake_distribution`.

    `fake_distribution("acme", {"phantom_core.trainers": {"acme": "acme_rl:Acme"}}, {"acme_rl": "..."})`
    returns its folder; `requires` and `version` are as in `pyproject.toml`.
    """
    with ExitStack() as stack:

        def make(name: str, *args: Any, folder: str | None = None, **kwargs: Any) -> Path:
            site = tmp_path / (folder or f"site-{name}")
            return stack.enter_context(phantom_testing.fake_distribution(site, name, *args, **kwargs))

        yield make


THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


class Outcome(NamedTuple):
    """What a command left behind."""

    code: int
    out: str
    err: str


@pytest.fixture
def phantom(
    guess_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Outcome]:
    """Call `phantom` with arguments, in the folder with `guess_world.py`."""
    monkeypatch.chdir(guess_folder)
    for name in THREADS:
        monkeypatch.setenv(name, "1")

    def call(*arguments: str | Path) -> Outcome:
        with pytest.raises(SystemExit) as caught:
            main([str(argument) for argument in arguments])
        out, err = capsys.readouterr()
        return Outcome(int(caught.value.code or 0), out, err)

    return call
