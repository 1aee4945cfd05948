"""A recording of another imports classes of installed plugins only, unless the caller trusts it."""

import json
from pathlib import Path
from typing import Any

import pytest

import phantom_core as ph
from phantom_recording import Recorder, read_recording, replay


@pytest.fixture
def recording(guess_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A recording of an env that is in a file."""
    monkeypatch.chdir(guess_folder)
    env = ph.tools.load_reference("./guess_world.py:GuessEnv", setting="env", folder=guess_folder)()
    with Recorder(guess_folder / "episodes.jsonl") as env.recorder:
        env.reset(seed=1)
        env.step({"G1": 0})
    return guess_folder / "episodes.jsonl"


@pytest.fixture
def of_another(recording: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The same, written by another user."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state-of-another"))
    return recording


def change(path: Path, **fields: Any) -> None:
    """Change the start of the episode, and leave out its end, which has a checksum."""
    start, *rest, _ = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(json.dumps(json.loads(start) | fields).encode() + b"\n" + b"".join(rest))


def test_what_was_recorded_here_is_replayed(recording: Path) -> None:
    assert type(replay(recording)).__name__ == "GuessEnv"


def test_the_env_of_another_is_refused(of_another: Path) -> None:
    with pytest.raises(ph.errors.TrustError) as caught:
        replay(of_another)
    env = f"{of_another.parent.resolve()}/guess_world.py:GuessEnv"
    assert str(caught.value) == (
        f"The recording {of_another} was not written here, or was changed since. It names {env!r} as env, "
        "which was not imported: expected the name of a registered component, or a class of an installed "
        "plugin that fits there. If you trust who wrote it, with all the code that it names, use --trust or "
        "trust=True, or sign it once: phantom runs trust RUN."
    )
    (episode,) = read_recording(of_another)
    assert not episode.is_signed
    with pytest.raises(ph.errors.TrustError, match=r"^The recorded episode of GuessEnv was not written here"):
        replay(episode)


def test_the_caller_may_trust_it_or_give_the_env(of_another: Path) -> None:
    assert type(replay(of_another, trust=True)).__name__ == "GuessEnv"
    made = ph.tools.load_reference("./guess_world.py:GuessEnv", setting="env", folder=of_another.parent)
    assert type(replay(of_another, env=made)) is made


@pytest.mark.parametrize("fields", [{"env": "os:system"}, {"env_config": {"num_agents": 2}}])
def test_what_was_changed_is_refused(fields: dict[str, Any], recording: Path) -> None:
    change(recording, **fields)
    with pytest.raises(ph.errors.TrustError):
        replay(recording)


def test_the_class_of_an_installed_plugin_is_played(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reference = "phantom_testing.toy_envs:CoinEnv"
    env = ph.tools.import_object(reference)()
    with Recorder(tmp_path / "episodes.jsonl") as env.recorder:
        env.reset(seed=1)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state-of-another"))
    assert type(replay(tmp_path / "episodes.jsonl")) is type(env)
