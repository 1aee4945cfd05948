"""Every example env is recorded without a change, and replayed to its end."""

import io
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import phantom_core as ph
from phantom_recording import EpisodePrinter, Recorder, read_recording, replay

MOST_STEPS = 2000  # of a game without end
EXAMPLES = sorted((Path(__file__).parents[3] / "docs" / "examples").glob("*.py"))


def envs_of(path: Path) -> list[type[ph.PhantomEnv]]:
    names: dict[str, Any] = ph.tools.load_reference(f"{path}:__dict__", setting="env", folder=path.parent)
    own = [v for v in names.values() if isinstance(v, type) and v.__module__ == names["__name__"]]
    return [cls for cls in own if issubclass(cls, ph.PhantomEnv)]


def play(env: ph.PhantomEnv, seed: int) -> list[str]:
    """Play an episode with random actions; return what happened as text."""
    observations, infos = env.reset(seed=seed)
    told = [repr((observations, infos))]
    spaces = env.action_spaces
    for agent_id, space in spaces.items():
        space.seed(ph.seeding.derive_seed(seed, agent_id) % 2**31)
    while env.turn is not None and env.current_step < MOST_STEPS:
        acting = env.acting_agent_ids
        actions = {i: s.sample() for i, s in spaces.items() if acting is None or i in acting}
        told.append(repr(env.step(actions)))
    return told


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_examples_are_recorded_shown_and_replayed(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(path.parent)
    for env_class in envs_of(path):
        env, recorded = env_class(), env_class()
        recorded.recorder = Recorder(tmp_path / env_class.__name__)
        for seed in (1, 2):
            assert play(env, seed) == play(recorded, seed)
        recorded.close()
        episodes = list(read_recording(tmp_path / env_class.__name__))
        has_end = env_class.__name__ != "DuopolyEnv"
        assert [(one.seed, one.is_finished) for one in episodes] == [(1, has_end), (2, has_end)]
        stream = io.StringIO()
        for number, episode in enumerate(episodes):
            EpisodePrinter(stream).show(episode, number)
            world = replay(episode, env=env_class)
            assert world.current_step == episode.num_steps
        assert stream.getvalue().count("──── finished") == (2 if has_end else 0)


def test_there_are_examples(supply_chain: ModuleType) -> None:
    assert supply_chain.SupplyChainEnv.__name__ in {
        cls.__name__ for path in EXAMPLES for cls in envs_of(path)
    }
