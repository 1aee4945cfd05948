"""Bad input on the command line: one message, exit code 2, a traceback only with -v."""

import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from phantom_core.cli.main import main
from phantom_core.installed.discovery import installed_entries

CASES = tomllib.loads(Path(__file__).with_name("bad_run_files.toml").read_text())["case"]


def complete(message: str) -> str:
    """Put what is registered here in the place of `<trainers>`, `<loggers>` and so on."""
    for group in ("trainers", "policies", "metrics", "loggers", "envs"):
        entries = [e for e in installed_entries() if e.group == f"phantom_core.{group}"]
        names = sorted(f"{e.name} ({e.distribution} {e.version})" for e in entries)
        message = message.replace(f"<{group}>", ", ".join(names))
    return message


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["what"])
def test_bad_input_is_one_message_and_exit_code_2(
    case: dict[str, Any], phantom: Callable[..., Any], run_file: Callable[..., Path]
) -> None:
    lines = case.get("change", {}) | dict.fromkeys(case.get("leave_out", ()))
    path = run_file(case.get("add", ""), **lines)
    outcome = phantom("train", path, "--run-dir", "runs", *case.get("arguments", ()))
    assert (outcome.code, outcome.out, outcome.err) == (2, "", f"Error: {complete(case['message'])}\n")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("env = 'x'\ntrainer =\n", "2: Invalid value (column 10). Expected TOML."),
        ('env = "x"\ntrainer = "y', "2: Unterminated string (at end of document). Expected TOML."),
        (
            "trainer = 'q-learning'\n\n[trainer.q-learning]\nalpha = 0.5\n",
            (
                "3: Cannot overwrite a value (column 20). With a table for its settings, leave the line "
                "trainer = out."
            ),
        ),
    ],
)
def test_a_file_that_is_no_toml_is_named_with_the_line(
    text: str, message: str, phantom: Callable[..., Any], guess_folder: Path
) -> None:
    (guess_folder / "bad.toml").write_text(text)
    outcome = phantom("train", "bad.toml")
    assert (outcome.code, outcome.out, outcome.err) == (2, "", f"Error: bad.toml:{message}\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["train", "no.toml"],
            "The run file no.toml cannot be read: No such file or directory. Name a TOML file.",
        ),
        (["train", "."], "The run file . cannot be read: Is a directory. Name a TOML file."),
        (
            ["train", "latin.toml"],
            (
                "The run file latin.toml cannot be read: 'utf-8' codec can't decode byte 0xe9 in position 0: "
                "invalid continuation byte. Name a TOML file."
            ),
        ),
        (
            ["evaluate", "runs/no"],
            "runs/no is no run directory: it has no run.json. Name a folder such as runs/<name>-<time>-<id>.",
        ),
        (
            ["plugins", "describe", "q-lerning"],
            "No component named 'q-lerning'. Did you mean 'q-learning'? See: phantom plugins list",
        ),
    ],
)
def test_a_name_that_leads_nowhere_is_one_message(
    arguments: list[str], message: str, phantom: Callable[..., Any], guess_folder: Path
) -> None:
    (guess_folder / "latin.toml").write_bytes("é = 1\n".encode("latin-1"))
    outcome = phantom(*arguments)
    assert (outcome.code, outcome.out, outcome.err) == (2, "", f"Error: {message}\n")


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (
            "import no_such_thing\n",
            "ModuleNotFoundError: No module named 'no_such_thing' (broken_world.py, line 1)",
        ),
        ("\nraise RuntimeError\n", "RuntimeError (broken_world.py, line 2)"),
        ("def f(:\n", "SyntaxError: invalid syntax (broken_world.py, line 1)"),
        ("raise SystemExit(3)\n", "SystemExit: 3 (broken_world.py, line 1)"),
    ],
)
def test_an_env_file_that_raises_is_named_with_the_line(
    source: str, message: str, phantom: Callable[..., Any], run_file: Callable[..., Path]
) -> None:
    path = run_file(env='"./broken_world.py:Env"')
    (path.parent / "broken_world.py").write_text(source)
    outcome = phantom("train", path)
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err == (
        f"Error: env = './broken_world.py:Env' could not be imported: {message}. Mend the file.\n"
    )


def test_a_misspelt_command_is_refused_with_the_nearest(phantom: Callable[..., Any]) -> None:
    outcome = phantom("trian", "model.toml")
    assert (outcome.code, outcome.out) == (2, "")
    last = outcome.err.splitlines()[-1]  # what else there is, installed distributions add
    assert last.startswith(
        "Error: No such command 'trian'. Did you mean 'train'? Commands: train, resume, evaluate, "
    )
    outcome = phantom("plugins", "lst")
    assert "Error: No such command 'lst'. Did you mean 'list'? Commands: " in outcome.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["show", "episodes.jsonl"],
            (
                "No such command 'show'. Commands: train, resume, evaluate, plugins. To install it: "
                "pip install phantom-recording"
            ),
        ),
        (
            ["record", "runs/model"],
            (
                "No such command 'record'. Commands: train, resume, evaluate, plugins. To install it: "
                "pip install phantom-recording"
            ),
        ),
    ],
)
def test_a_command_of_a_distribution_that_is_not_installed_says_how_to_install_it(
    arguments: list[str], message: str, phantom: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("phantom_core.installed.discovery.installed_entries", tuple)
    assert phantom(*arguments).err.splitlines()[-1] == f"Error: {message}"


def test_the_module_is_the_command() -> None:
    command = [sys.executable, "-m", "phantom_core", "train", "nothing.toml"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (
        2,
        "Error: The run file nothing.toml cannot be read: No such file or directory. Name a TOML file.\n",
    )


def test_an_env_file_that_is_missing_is_named_in_full(
    phantom: Callable[..., Any], run_file: Callable[..., Path]
) -> None:
    path = run_file(env='"./no_world.py:Env"')
    outcome = phantom("train", path)
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err == (
        f"Error: env = './no_world.py:Env': there is no file {path.parent / 'no_world.py'}. "
        "Relative paths start at the run file.\n"
    )


def test_a_run_directory_below_a_file_is_refused(
    phantom: Callable[..., Any], run_file: Callable[..., Path]
) -> None:
    outcome = phantom("train", run_file(), "--run-dir", "guess.toml/runs")
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err == (
        "Error: No run directory can be made in 'guess.toml/runs': Not a directory. Choose another place "
        "with --run-dir, or run_dir=.\n"
    )


@pytest.mark.parametrize(
    ("method", "message"),
    [
        ("__init__", "BadEnv could not be made: KeyError: 'oops'{place}. Its env_config: {}."),
        ("on_reset", "BadEnv failed in its first reset: KeyError: 'oops'{place}. Mend the env, then train."),
        (
            "pre_message_resolution",
            (
                "BadEnv failed in step 1 of episode 0: KeyError: 'oops'{place}. Play it again with "
                "env.reset(seed=1624469116988683018)."
            ),
        ),
    ],
)
def test_an_env_that_raises_is_a_sentence(
    method: str, message: str, phantom: Callable[..., Any], run_file: Callable[..., Path]
) -> None:
    path = run_file(env='"./guess_world.py:BadEnv"')
    with (path.parent / "guess_world.py").open("a") as file:
        file.write(f"\n\nclass BadEnv(GuessEnv):\n    def {method}(self):\n        raise KeyError('oops')\n")
    outcome = phantom("train", path)
    line = len((path.parent / "guess_world.py").read_text().splitlines())
    told = message.replace("{place}", f" (guess_world.py, line {line}, in {method})")
    assert (outcome.code, outcome.out, outcome.err) == (2, "", f"Error: {told}\n")


def test_usage_errors_have_the_exit_code_2_too(phantom: Callable[..., Any]) -> None:
    outcome = phantom("train", "guess.toml", "--iterations", "many")
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err.endswith(
        "\n\nError: Invalid value for '--iterations': 'many' is not a valid integer.\n"
    )


@pytest.mark.parametrize(
    "arguments",
    [
        ["train", "no.toml", "-v"],
        ["-v", "train", "no.toml"],
        ["evaluate", "no-run", "--verbose"],
        ["plugins", "describe", "nobody", "-v"],
    ],
)
def test_the_traceback_is_shown_with_v(arguments: list[str]) -> None:
    with pytest.raises(Exception, match=r"^(The run file|no-run|No component)") as caught:
        main(arguments)  # Python itself prints the traceback of what leaves main()
    assert caught.type.__module__ == "phantom_core.errors"


def test_a_failure_that_is_nobodys_setting_has_the_exit_code_1(
    phantom: Callable[..., Any], run_file: Callable[..., Path], fake_distribution: Callable[..., Path]
) -> None:
    source = """
import phantom_core as ph
class Broken(ph.Trainer):
    policy_class = ph.RandomPolicy
    def training_step(self, env, policy_mapping, policies, policies_to_train):
        raise ZeroDivisionError
"""
    fake_distribution(
        "acme", {"phantom_core.trainers": {"broken": "acme_broken:Broken"}}, {"acme_broken": source}
    )
    outcome = phantom("train", run_file(trainer='"broken"'))
    assert (outcome.code, outcome.out) == (1, "")
    assert outcome.err == "Error: ZeroDivisionError. The traceback is with -v.\n"


def test_examples_in_help_keep_their_lines(phantom: Callable[..., Any]) -> None:
    for arguments, line in (
        (["-h"], "      phantom train model.toml                 train what a run file says"),
        (["train", "-h"], "      iterations = 200             # or total_steps, in env steps"),
    ):
        lines = phantom(*arguments).out.splitlines()
        assert line in lines
        assert not [text for text in lines if "\b" in text or "\\" in text]
