"""Every Python block in README and docs runs; every hook and every key of a run file is documented."""

import dataclasses
import json
import re
import tomllib
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from click.testing import CliRunner

import phantom_core as ph
from phantom_core.cli.main import phantom
from phantom_core.hooks.hookspecs import HOOK_NAMES
from phantom_core.training.run_plans import EvaluationPlan
from phantom_core.training.run_settings import PolicyTable, RunSettings
from phantom_testing import fake_distribution
from phantom_testing.findings import KINDS

ROOT = Path(__file__).resolve().parents[2]
PAGES = [
    ROOT / "README.md",
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted(ROOT.glob("plugins/*/README.md")),
]

TUTORIAL = ROOT / "docs/tutorial/first_env.md"


def pieces(page: Path) -> list[str]:
    """Return the parts of the one file that a tutorial puts together: `python file=NAME`."""
    return re.findall(
        r"^```python file=\S+\n(.*?)^```", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE
    )


def blocks(info: str) -> list[Any]:
    found: list[Any] = []
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for match in re.finditer(rf"^```{info}\n(.*?)^```", text, re.DOTALL | re.MULTILINE):
            line = text[: match.start()].count("\n") + 2
            name = f"{page.relative_to(ROOT)}:{line}"
            found.append(pytest.param("\n" * (line - 1) + match[1], name, id=name))
    return found


@pytest.mark.parametrize(("code", "name"), blocks("python"))
def test_python_block_runs(code: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(ROOT / "docs" / "examples")
    monkeypatch.syspath_prepend(ROOT / "docs" / "examples" / "plugins")
    monkeypatch.syspath_prepend(ROOT / "docs" / "examples" / "arrays")
    exec(compile(code, name, "exec", dont_inherit=True), {"__name__": "__main__"})  # noqa: S102  our own docs


@pytest.mark.integration
@pytest.mark.timeout(300)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # what other libraries use is their matter
@pytest.mark.parametrize(
    ("library", "code", "name"),
    [
        pytest.param(library, *block.values, id=block.id)
        for library in ("mlflow", "mpe2", "ray", "stable_baselines3", "wandb")
        for block in blocks(f"python needs={library}")
    ],
)
def test_python_block_that_needs_another_library_runs(
    library: str, code: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip(library, reason=f"{library} is not installed: run make check-integrations")
    test_python_block_runs(code, name, tmp_path, monkeypatch)


def test_the_cafe_of_the_tutorial_runs_after_each_piece_and_learns_the_best_prices(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    written = ""
    for piece in pieces(TUTORIAL):
        written += piece
        exec(compile(written, "cafe.py", "exec", dont_inherit=True), {"__name__": "cafe"})  # noqa: S102  our own docs
    exec(compile(written, "cafe.py", "exec", dont_inherit=True), {"__name__": "__main__"})  # noqa: S102  likewise
    assert "rain 4\nsun 6\n" in capsys.readouterr().out


def test_the_run_file_of_the_tutorial_trains_its_cafe(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("cafe.py").write_text("".join(pieces(TUTORIAL)), encoding="utf-8")
    (run_file,) = re.findall(r"^```toml\n(.*?)^```", TUTORIAL.read_text("utf-8"), re.DOTALL | re.MULTILINE)
    Path("cafe.toml").write_text(run_file, encoding="utf-8")
    done = CliRunner().invoke(phantom, ["train", "cafe.toml", "--iterations", "1"], standalone_mode=False)
    assert " % of 600.0" in done.output


def test_the_run_file_of_a_mixed_run_configures_both_of_its_trainers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = (ROOT / "docs/howto/mix_algorithms.md").read_text(encoding="utf-8")
    (run_file,) = re.findall(r"^```toml\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    monkeypatch.chdir(tmp_path)
    Path("competing_shops.py").write_bytes((ROOT / "docs/examples/competing_shops.py").read_bytes())
    Path("mixed.toml").write_text(run_file, encoding="utf-8")
    CliRunner().invoke(phantom, ["train", "mixed.toml", "--iterations", "2"], standalone_mode=False)
    (metrics,) = Path("runs").glob("*/metrics.jsonl")
    values = json.loads(metrics.read_text(encoding="utf-8").splitlines()[-1])["values"]
    assert values["table/alpha"] == 0.2  # as in the file; it was set when its first collection began
    assert "network/policy_loss" in values


def test_every_field_of_a_policy_spec_is_documented() -> None:
    page = (ROOT / "docs/howto/mix_algorithms.md").read_text(encoding="utf-8")
    documented = re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE)
    assert documented == [field.name for field in dataclasses.fields(ph.PolicySpec)]


def test_everything_that_a_run_offers_to_a_trainer_is_documented() -> None:
    page = (ROOT / "docs/howto/write_a_trainer.md").read_text(encoding="utf-8")
    documented = re.findall(r"^\| `run\.(\w+)", page, re.MULTILINE)
    offered = {name for name in dir(ph.Run) if not name.startswith("_")}
    offered |= {"name", "seed", "directory", "total_steps", "workers"}  # what is set in its __init__
    assert sorted(documented) == sorted(offered)


def test_no_other_page_puts_a_file_together() -> None:
    assert [page for page in PAGES if pieces(page)] == [TUTORIAL]


def test_the_trainer_of_the_readme_passes_the_conformance_kit(tmp_path: Path) -> None:
    (code,) = [param.values[0] for param in blocks("python") if "class TallyTrainer" in param.values[0]]
    project = next(
        p.values[0] for p in blocks("toml") if ":TallyTrainer" in p.values[0]
    )  # the README is first
    table = tomllib.loads(str(project))["project"]
    with fake_distribution(
        tmp_path,
        table["name"],
        table["entry-points"],
        {"phantom_tally": str(code)},
        requires=table["dependencies"][0],
    ):
        outcome = CliRunner().invoke(phantom, ["plugins", "check", "phantom-tally"])
        results = ph.train(
            "tally",
            env=ph.GymnasiumEnv,
            env_config={"env": gym.make("FrozenLake-v1", is_slippery=False, max_episode_steps=4)},
            num_iterations=2,
            trainer_config={"episodes": 5},
            seed=1,
            run_dir=None,
        )
    assert "FAILED" not in outcome.output
    assert outcome.output.endswith(" checks passed, 0 failed.\n")
    assert results.history[0]["default/decisions"] >= 5
    assert np.sum(results.policies["default"].counts) == pytest.approx(results.env_steps)  # type: ignore[attr-defined]


@pytest.mark.parametrize(("code", "name"), blocks("toml"))
def test_toml_block_is_toml(code: str, name: str) -> None:
    assert tomllib.loads(code), name


def test_every_hook_is_documented() -> None:
    page = (ROOT / "docs/reference/hooks.md").read_text(encoding="utf-8")
    assert [hook for hook in HOOK_NAMES if f"`{hook}`" not in page] == []


def test_every_key_of_a_run_file_is_documented() -> None:
    page = (ROOT / "docs/reference/run_file.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"^```toml\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    table = tomllib.loads(example)
    keys = {f.metadata.get("name", f.name) for f in dataclasses.fields(RunSettings)}
    assert keys - {"total_steps", None} == set(table)
    renamed = {f.name for f in dataclasses.fields(PolicyTable)} - {"agent_class"}
    assert renamed == set(table["policies"]["shop"])
    assert {f.name for f in dataclasses.fields(EvaluationPlan)} == set(table["evaluate"])


def test_every_finding_of_the_doctor_is_documented() -> None:
    page = (ROOT / "docs/howto/check_an_env.md").read_text(encoding="utf-8")
    documented = re.findall(r"^\| `([\w-]+)` \| (\w+) \|", page, re.MULTILINE)
    assert documented == [(name, kind.severity) for name, kind in KINDS.items()]
