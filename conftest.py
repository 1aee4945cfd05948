"""Fixtures that every test may use."""

import functools
import importlib.util
import itertools
import os
import random
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import gymnasium as gym
import numpy as np
import pytest
import threadpoolctl
from hypothesis import settings

import phantom_core as ph
import phantom_testing
from phantom_core.cli.main import main
from phantom_testing.fake_distributions import forget_modules

settings.register_profile("phantom", deadline=None, max_examples=50)  # a busy machine is not a failure
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
    parser.addoption("--fuzz", type=int, default=1, help="try so many times as much as in the suite")


def pytest_configure() -> None:
    """Let modules be compiled once, not by each of the hundreds of processes that tests start."""
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    sys.dont_write_bytecode = False


ODD_VALUES: list[Any] = [
    *(None, True, 0, -1, -5, 1, 2**31, 2**63, 10**30, 0.5, 1e308, "", "x", "nan", "inf", "\x1b]0;t\x07", "ü"),
    *([], {}, [[]], {"": None}, ["x"], {"repr": 3}, {"__array__": 99}, {"__array__": "x"}, [0] * 1000),
]
"""What is put in the place of a value."""


@dataclass(frozen=True, slots=True)
class Mutator:
    """Damages data at random, the same way for the same seed."""

    rng: random.Random

    def content(self, content: bytes) -> bytes:
        """Return bytes with a bit flipped, a part cut out, doubled or replaced, or the end cut off."""
        rng, changed = self.rng, bytearray(content)
        start = rng.randrange(len(content) + 1)
        end = min(len(content), start + rng.choice([1, 1, 2, 8, 64]))
        match rng.randrange(5):
            case 0 if start < len(content):
                changed[start] ^= 1 << rng.randrange(8)
            case 1:
                del changed[start:end]
            case 2:
                changed[start:start] = changed[start:end] * rng.choice([1, 1, 100])
            case 3:
                changed[start:end] = rng.randbytes(end - start)
            case _:
                del changed[start:]
        return bytes(changed)

    def value(self, value: Any) -> Any:
        """Return a JSON value with one of its parts replaced, left out, doubled, or swapped with another."""
        rng = self.rng
        if not value or not isinstance(value, (dict, list)) or rng.random() < 0.05:
            return rng.choice(ODD_VALUES)
        changed = value.copy()
        key = rng.choice(list(value) if isinstance(value, dict) else range(len(value)))
        match rng.randrange(12):
            case 0:
                del changed[key]
            case 1 if isinstance(value, dict):
                changed[rng.choice(["x", "", "repr", "__array__", "__reference__"])] = changed.pop(key)
            case 1:
                changed.append(value[key])
            case 2:
                other = rng.choice(list(value) if isinstance(value, dict) else range(len(value)))
                changed[key], changed[other] = value[other], value[key]
            case _:
                changed[key] = self.value(value[key])
        return changed


@pytest.fixture
def mutators(request: pytest.FixtureRequest) -> Callable[[int], Iterator[Mutator]]:
    """Yields so many mutators, each with a seed of its own, while memory is limited to 2 GiB more.

    `make fuzz` asks for many more. Each must be done in ten seconds of CPU time.
    """

    def make(number: int) -> Iterator[Mutator]:
        soft, hard = resource.getrlimit(resource.RLIMIT_AS)
        size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (size + (1 << 31), hard))
        try:
            for seed in range(number * request.config.getoption("--fuzz")):
                before = time.process_time()
                yield Mutator(random.Random(seed))  # noqa: S311  nothing secret
                assert time.process_time() - before < 10, f"seed {seed} took too long"
        finally:
            resource.setrlimit(resource.RLIMIT_AS, (soft, hard))

    return make


@pytest.fixture
def is_refused() -> Callable[..., bool]:
    """Return whether a call raises a `PhantomError`; any other exception is raised."""

    def check(function: Callable[..., object], *args: Any, **kwargs: Any) -> bool:
        try:
            function(*args, **kwargs)
        except ph.errors.PhantomError:
            return True
        return False

    return check


@pytest.fixture(scope="session", autouse=True)
def key_of_the_tests(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Sign with a key of the tests' own, also in processes that they start, instead of the user's."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        ph.trust.sign("nothing", b"")  # makes the key, before a test has limited the size of files
        yield


@pytest.fixture(scope="session", autouse=True)
def one_blas_thread_for_tests() -> Iterator[None]:
    """Let NumPy use one thread, as runs do: several that wait for processors take fifty times as long."""
    with threadpoolctl.threadpool_limits(1, user_api="blas"):
        yield


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


@ph.msg_payload()
class Word:
    """What agents tell the clerk."""


class PlayerAgent(ph.StrategicAgent):
    """Observes (share of the steps made, a draw, its last action); earns its last action + 1."""

    observation_space = gym.spaces.Box(0.0, 1.0, (3,), np.float32)
    action_space = gym.spaces.Discrete(3)

    def __init__(self, agent_id: ph.AgentID, lifetime: int | None) -> None:
        super().__init__(agent_id)
        self.lifetime = lifetime

    def reset(self) -> None:
        self.action, self.age, self.computed = 0, 0, 0.0
        self.actions: list[int] = []

    @property
    def is_alive(self) -> bool:
        return self.lifetime is None or self.age < self.lifetime

    def decode_action(self, ctx: ph.Context, action: Any) -> ph.MessageList:
        self.action = int(action)
        self.actions.append(self.action)
        return [("clerk", Word())]

    def encode_observation(self, ctx: ph.Context) -> Any:
        return np.array(
            [ctx.env_view.proportion_time_elapsed, self.random.random(), self.action / 2], np.float32
        )

    def post_message_resolution(self, ctx: ph.Context) -> None:
        self.age += 1

    def compute_reward(self, ctx: ph.Context) -> float:
        self.computed += self.action + 1.0
        return self.action + 1.0

    def is_terminated(self, ctx: ph.Context) -> bool:
        return not self.is_alive

    def collect_infos(self, ctx: ph.Context) -> dict[str, Any]:
        return {"age": self.age}


class ClerkAgent(ph.Agent):
    """A plain agent that hears words."""

    @ph.msg_handler(Word)
    def hear(self, ctx: ph.Context, message: ph.Message[Word]) -> None:
        """Nod."""


class OneAfterTheOther:
    """The players that are alive act one per step; each is rewarded in every step."""

    def first(self, env: ph.PhantomEnv) -> ph.Turn:
        return ph.Turn(0, acting=(env.strategic_agent_ids[0],))

    def advance(self, env: ph.PhantomEnv, turn: ph.Turn) -> ph.Turn:
        env.resolve_network()
        players = env.strategic_agents
        for number in range(turn.name + 1, turn.name + 1 + len(players)):  # type: ignore[operator]  it is an int
            player = players[number % len(players)]
            if player.is_alive:  # type: ignore[attr-defined]  a PlayerAgent
                break
        return ph.Turn(number % len(players), acting=(player.id,))


def players_network(
    player_class: type[PlayerAgent], num_players: int, lifetimes: Mapping[str, int] | None
) -> tuple[list[str], ph.Network]:
    ids = [f"player_{number}" for number in range(num_players)]
    players = [player_class(i, (lifetimes or {}).get(i)) for i in ids]
    network = ph.Network([*players, ClerkAgent("clerk")])
    network.add_connections_between(ids, ["clerk"])
    return ids, network


class PlayersEnv(ph.PhantomEnv):
    """Players player_0 to player_n, and a clerk; lifetimes in steps by player id."""

    player_class = PlayerAgent

    def __init__(
        self,
        num_players: int = 2,
        num_steps: int | None = 6,
        lifetimes: Mapping[str, int] | None = None,
        *,
        takes_turns: bool = False,
    ) -> None:
        _, network = players_network(self.player_class, num_players, lifetimes)
        super().__init__(num_steps, network, turn_order=OneAfterTheOther() if takes_turns else None)


class TurnsEnv(PlayersEnv):
    """One player acts in each step."""

    def __init__(self, num_players: int, num_steps: int, lifetimes: Mapping[str, int]) -> None:
        super().__init__(num_players, num_steps, lifetimes, takes_turns=True)


class LeaderEnv(ph.StackelbergEnv):
    """player_0 leads, the others follow."""

    def __init__(self, num_players: int, num_steps: int, lifetimes: Mapping[str, int]) -> None:
        ids, network = players_network(PlayerAgent, num_players, lifetimes)
        super().__init__(num_steps, network, ids[:1], ids[1:])


class StagesEnv(ph.FiniteStateMachineEnv):
    """First no player acts, then player_0, then by chance the others or again nobody."""

    def __init__(self, num_players: int, num_steps: int, lifetimes: Mapping[str, int]) -> None:
        ids, network = players_network(PlayerAgent, num_players, lifetimes)
        stages = [
            ph.FSMStage("nobody", ["clerk"], next_stages=["first"]),
            ph.FSMStage("first", ids[:1], next_stages=["others", "nobody"], handler=self.toss),
            ph.FSMStage("others", ids[1:], next_stages=["nobody"]),
        ]
        super().__init__(num_steps, network, "nobody", stages=stages)

    def toss(self) -> str:
        return self.random.choice(["others", "nobody"])


PLAYERS_ENVS: dict[str, Callable[[int, int, Mapping[str, int]], ph.PhantomEnv]] = {
    "simultaneous": PlayersEnv,
    "turns": TurnsEnv,
    "leader": LeaderEnv,
    "stages": StagesEnv,
}
PLAYERS_LIFETIMES: list[dict[str, int]] = [{}, {"player_0": 5}, {"player_0": 4, "player_1": 4, "player_2": 7}]


@pytest.fixture(params=itertools.product(PLAYERS_ENVS, PLAYERS_LIFETIMES), ids=str)
def make_players(request: pytest.FixtureRequest) -> Callable[[], ph.PhantomEnv]:
    """Makes an env of player_0 to player_2: every order of turns, with players that end early or not."""
    name, lifetimes = request.param
    return lambda: PLAYERS_ENVS[name](3, 40, lifetimes)


@pytest.fixture(scope="session")
def envs_by_order() -> Mapping[str, Callable[[int, int, Mapping[str, int]], ph.PhantomEnv]]:
    """Classes by order of turns; each takes `(num_players, num_steps, lifetimes)`."""
    return PLAYERS_ENVS


@pytest.fixture(scope="session")
def players_env() -> type[PlayersEnv]:
    """The class `PlayersEnv(num_players=2, num_steps=6, lifetimes=None, *, takes_turns=False)`."""
    return PlayersEnv


class Cut(ph.Hooks):
    """Ends a run at the beginning of an iteration, as a second Ctrl-C would."""

    def __init__(self, iteration: int) -> None:
        super().__init__()
        self.iteration = iteration

    def on_iteration_start(self, event: ph.IterationStart) -> None:
        if event.iteration == self.iteration:
            raise KeyboardInterrupt


SEVEN_ITERATIONS: dict[str, Any] = {
    "trainer": "q-learning",
    "env": "gymnasium",
    "env_config": {"env": "FrozenLake-v1"},
    "num_iterations": 7,
    "seed": 1,
}

KILLED = """
import os
import phantom_core as ph
from phantom_core import EvaluationPlan

class Kill(ph.Hooks):
    def on_iteration_start(self, event):
        if event.iteration == {iteration}:
            os._exit(9)

ph.train(**{settings!r}, checkpoint=ph.CheckpointPlan(every=3), hooks=[*{hooks!r}, Kill()])
"""


@pytest.fixture
def cut_run(tmp_path: Path) -> Callable[..., Path]:
    """Train in the frozen lake until the run is cut before an iteration; return its directory.

    It is cut by an interruption or, if it `is_killed`, by the end of its process. Of its seven iterations
    each third one has a checkpoint. Resume it with the `hooks` it had, if only `[]`.
    """

    def cut(
        iteration: int = 5, *, is_killed: bool = False, hooks: Sequence[str] = (), **changes: Any
    ) -> Path:
        folder = tmp_path / "cut"
        settings = {**SEVEN_ITERATIONS, "run_dir": str(folder), **changes}
        if is_killed:
            program = KILLED.format(iteration=iteration, settings=settings, hooks=hooks)
            assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 9
        else:
            with pytest.raises(KeyboardInterrupt):
                ph.train(**settings, checkpoint=ph.CheckpointPlan(every=3), hooks=[*hooks, Cut(iteration)])
        (run,) = folder.iterdir()
        return run

    return cut


@pytest.fixture
def whole_run(tmp_path: Path) -> Callable[..., Path]:
    """Train as `cut_run` does until the end; return the directory."""

    def train(**changes: Any) -> Path:
        plan = ph.CheckpointPlan(every=3)
        results = ph.train(**SEVEN_ITERATIONS, run_dir=tmp_path / "whole", checkpoint=plan, **changes)
        assert results.run_directory is not None
        return results.run_directory

    return train


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


@pytest.fixture(autouse=True)
def _variables_of_threads_stay() -> Iterator[None]:
    """A command sets them for its process; in that of the tests they would let later runs use more."""
    before = {name: os.environ.get(name) for name in THREADS}
    yield
    for name, value in before.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


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
