"""`phantom show`: a recording as text."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import phantom_core as ph
from phantom_recording import Recorder


@pytest.fixture
def recording(guess_folder: Path) -> Path:
    env = ph.tools.load_reference("guess_world.py:GuessEnv", setting="env", folder=guess_folder)(2)
    env.recorder = Recorder(guess_folder / "episodes.jsonl")
    for seed in (1, 2):
        env.reset(seed=seed)
        env.step({"G1": 0, "G2": 1})
    env.close()
    return guess_folder / "episodes.jsonl"


def test_episodes_are_shown_one_after_the_other(phantom: Callable[..., Any], recording: Path) -> None:
    outcome = phantom("show", recording)
    assert (outcome.code, outcome.err) == (0, "")
    heads = [line for line in outcome.out.splitlines() if line.startswith("────")]
    assert heads == [
        "──── episode 0 · GuessEnv · seed 1",
        "──── left unfinished after 1 step",
        "──── episode 1 · GuessEnv · seed 2",
        "──── left unfinished after 1 step",
    ]


def test_episode_agent_and_kind_choose_what_is_shown(phantom: Callable[..., Any], recording: Path) -> None:
    outcome = phantom("show", recording, "--episode", "1", "--agent", "G2", "--kind", "actions")
    assert outcome.out == (
        "──── episode 1 · GuessEnv · seed 2\n"
        "step 1 · simultaneous\n"
        "  actions\n"
        "    G2  1\n"
        "──── left unfinished after 1 step\n"
    )


def test_what_cannot_be_shown_is_one_message_and_exit_code_2(
    phantom: Callable[..., Any], recording: Path
) -> None:
    outcome = phantom("show", recording, "--episode", "2")
    message = f"The recording {recording} has no episode 2. Episodes are numbered from 0."
    assert (outcome.code, outcome.out, outcome.err) == (2, "", f"Error: {message}\n")
    outcome = phantom("show", recording, "--agent", "G9")
    message = f"The recording {recording} has no agent 'G9'. Its agents: 'G1', 'G2', 'CLERK'."
    assert (outcome.code, outcome.out, outcome.err) == (2, "", f"Error: {message}\n")
    far = "9" * 23
    outcome = phantom("show", recording, "--episode", far)
    message = f"The recording {recording} has no episode {far}. Episodes are numbered from 0."
    assert (outcome.code, outcome.out, outcome.err) == (2, "", f"Error: {message}\n")
    recording.write_text("")
    outcome = phantom("show", recording)
    message = (
        f"The recording {recording} has no episode. Set env.recorder before env.reset(), which begins one."
    )
    assert (outcome.code, outcome.out, outcome.err) == (2, "", f"Error: {message}\n")
    outcome = phantom("show", "nothing.jsonl")
    message = "The recording nothing.jsonl cannot be read: No such file or directory."
    assert (outcome.code, outcome.out, outcome.err) == (2, "", f"Error: {message}\n")


def test_a_recording_steers_no_terminal(phantom: Callable[..., Any], tmp_path: Path) -> None:
    text = "\x1b]0;owned\x07\r\u202e\u009b2J\n"

    @ph.msg_payload()
    class Cry:
        text: str

    class Crier(ph.Agent):
        def generate_messages(self, ctx: ph.Context) -> ph.MessageList:
            return [("B", Cry(text))]

    class Hearer(ph.Agent):
        @ph.msg_handler(Cry)
        def hear(self, ctx: ph.Context, message: ph.Message[Cry]) -> None:
            """Nod."""

    env = ph.PhantomEnv(1, ph.Network([Crier(f"A{text}"), Hearer("B")], connections=[(f"A{text}", "B")]))
    env.recorder = Recorder(tmp_path / "x", metrics={text: ph.metrics.LambdaMetric(lambda _: 1, len, len)})
    env.reset(seed=1)
    env.step({})
    env.close()
    outcome = phantom("show", tmp_path / "x")
    assert (outcome.code, outcome.err) == (0, "")
    assert all(line.isprintable() for line in outcome.out.split("\n"))
    shown = r"\x1b]0;owned\x07\r\u202e\x9b2J\n"
    assert f"    1  A{shown} → B  Cry(text={shown})" in outcome.out.split("\n")
    outcome = phantom("show", tmp_path / "x", "--agent", f"C{text}")
    assert outcome.err.rstrip("\n").isprintable()


def test_a_recording_is_shown_where_the_terminal_has_only_ascii(recording: Path) -> None:
    surroundings = {**os.environ, "PYTHONIOENCODING": "ascii"}
    command = [sys.executable, "-m", "phantom_core", "show", str(recording)]
    done = subprocess.run(command, env=surroundings, capture_output=True, text=True, check=True)
    assert done.stdout.startswith(r"\u2500\u2500\u2500\u2500 episode 0 \xb7 GuessEnv \xb7 seed 1")
