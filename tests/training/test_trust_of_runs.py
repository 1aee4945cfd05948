"""A run that was not written here imports classes of installed plugins only, unless the caller trusts it."""

import hashlib
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import phantom_core as ph
from phantom_qlearning import QTablePolicy
from phantom_testing.fake_distributions import forget_modules

EVIL = '''
"""Writes down that it was imported."""

import pathlib

import phantom_core as ph

pathlib.Path(__file__).with_name("imported").touch()


class Evil(ph.RandomPolicy):
    pass


def choose(observation):
    return 0
'''
LAKE = {"env": "gymnasium", "env_config": {"env": "FrozenLake-v1"}}
TO_TRUST = (
    "which was not imported: expected the name of a registered component, or a class of an installed plugin "
    "that fits there. If you trust who wrote it, with all the code that it names, use --trust or trust=True, "
    "or sign it once: phantom runs trust RUN."
)


@pytest.fixture
def become_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """From the call on, what was written before was written by another user."""
    return lambda: monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state-of-another"))


def change_state(folder: Path, change: Callable[[Any], None]) -> None:
    """Change `state.json` of a checkpoint as somebody would who can read this project's source."""
    path = folder / "state.json"
    document = json.loads(path.read_text())
    change(document["state"])
    path.write_text(json.dumps(document))
    manifest = json.loads((folder / "manifest.json").read_text())
    content = path.read_bytes()
    manifest["files"]["state.json"] = {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    (folder / "manifest.json").write_text(json.dumps(manifest))


@pytest.fixture
def game(guess_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run whose env and one policy are in files beside it."""
    (guess_folder / "evil.py").write_text(EVIL)
    monkeypatch.chdir(guess_folder)
    run = ph.train(
        "q-learning",
        env="./guess_world.py:GuessEnv",
        env_config={"num_agents": 2},
        policies={
            "learner": ph.PolicySpec(agents=["G1"]),
            "other": ph.PolicySpec(agents=["G2"], policy="./evil.py:Evil"),
        },
        num_iterations=2,
        checkpoint=ph.CheckpointPlan(every=1),
        seed=1,
    ).run_directory
    assert run is not None
    (guess_folder / "imported").unlink()
    forget_modules(guess_folder)
    return run


def refusal(source: str, name: str, setting: str) -> str:
    return f"{source} was not written here, or was changed since. It names {name!r} as {setting}, {TO_TRUST}"


class TestWrittenHere:
    def test_imports_whatever_it_names(self, game: Path) -> None:
        for folder in (game, game / "checkpoints" / "iteration-000001"):
            assert type(ph.load_policies(folder)["other"]).__name__ == "Evil"
            assert len(ph.tools.evaluate_run(folder, num_episodes=1)[0].episodes) == 1

    def test_may_be_moved(self, game: Path, tmp_path: Path) -> None:
        moved = game.rename(tmp_path / "moved")
        assert len(ph.tools.evaluate_run(moved, num_episodes=1)[0].episodes) == 1


class TestWrittenByAnother:
    def test_policies_of_a_file_are_refused(self, game: Path, become_another: Callable[[], None]) -> None:
        become_another()
        for folder, policies in (
            (game, game / "policies"),
            (game / "checkpoints" / "iteration-000001",) * 2,
        ):
            with pytest.raises(ph.errors.TrustError) as caught:
                ph.load_policies(folder)
            evil = f"{game.parent.parent.resolve()}/evil.py:Evil"
            assert str(caught.value) == refusal(f"The checkpoint {policies}", evil, "class of policy 'other'")
        assert not Path("imported").exists()

    def test_an_env_of_a_file_is_refused(self, game: Path, become_another: Callable[[], None]) -> None:
        change_state(game / "policies", lambda state: state.pop("other"))
        become_another()
        with pytest.raises(ph.errors.TrustError) as caught:
            ph.tools.evaluate_run(game)
        env = f"{game.parent.parent.resolve()}/guess_world.py:GuessEnv"
        assert str(caught.value) == refusal(f"The run {game}", env, "env")

    def test_classes_that_the_caller_gives_are_taken(
        self, game: Path, become_another: Callable[[], None]
    ) -> None:
        become_another()
        assert type(ph.load_policies(game, {"other": ph.RandomPolicy})["other"]) is ph.RandomPolicy

    def test_what_registered_components_made_is_loaded(
        self, tmp_path: Path, become_another: Callable[[], None]
    ) -> None:
        run = ph.train("q-learning", **LAKE, num_iterations=1, run_dir=tmp_path).run_directory
        assert run is not None
        become_another()
        assert len(ph.tools.evaluate_run(run, num_episodes=2)[0].episodes) == 2

    def test_trust_imports_whatever_it_names(
        self, game: Path, become_another: Callable[[], None], phantom: Callable[..., Any]
    ) -> None:
        become_another()
        assert type(ph.load_policies(game, trust=True)["other"]).__name__ == "Evil"
        assert phantom("evaluate", game).code == 2
        assert phantom("evaluate", game, "--trust").code == 0
        assert phantom("evaluate", game).code == 2  # for once only

    def test_a_run_without_a_signature_is_one_of_another(self, game: Path) -> None:
        facts = json.loads((game / "run.json").read_text())
        del facts["signature"]
        (game / "run.json").write_text(json.dumps(facts))
        with pytest.raises(ph.errors.TrustError, match=r"guess_world\.py:GuessEnv"):
            ph.tools.evaluate_run(game)

    def test_checkpoints_of_earlier_versions_have_no_signature(self, game: Path) -> None:
        folder = game / "policies"
        (folder / "manifest.json").unlink()
        text = (folder / "state.json").read_text()
        (folder / "state.json").write_text(text.replace('"format": 2', '"format": 1', 1))
        with pytest.raises(ph.errors.TrustError, match=r"evil\.py:Evil"):
            ph.load_policies(game)
        ph.tools.SavedRun.read(game).sign()
        assert ph.load_policies(game).keys() == {"learner", "other"}


class TestChangedSince:
    @pytest.mark.parametrize(
        ("old", "new"),
        [
            ("guess_world.py:GuessEnv", "evil.py:choose"),
            ("num_agents = 2", "num_agents = 3"),
        ],
    )
    def test_settings_are_not_trusted(self, old: str, new: str, game: Path) -> None:
        text = (game / "config.toml").read_text()
        assert old in text
        (game / "config.toml").write_text(text.replace(old, new))
        with pytest.raises(ph.errors.TrustError, match="as env"):
            ph.tools.evaluate_run(game)
        assert ph.load_policies(game).keys() == {"learner", "other"}  # they are signed on their own

    @pytest.mark.parametrize(
        "reference",
        ["os:system", "builtins:eval", "subprocess:check_output", "evil.py:choose", "./evil.py:X"],
    )
    def test_functions_of_policies_are_not_called(self, reference: str, tmp_path: Path) -> None:
        run = ph.train("q-learning", **LAKE, num_iterations=1, run_dir=tmp_path).run_directory
        assert run is not None

        def change(state: Any) -> None:
            policy = state["default"]
            policy["class"] = "phantom_core.policies.fixed_policies:FunctionPolicy"
            policy["settings"] = {"function": {"__reference__": reference}}
            policy["state"] = {}

        change_state(run / "policies", change)
        with pytest.raises(ph.errors.TrustError) as caught:
            ph.load_policies(run)
        expected = refusal(
            f"The checkpoint {run / 'policies'}", reference, "setting function of policy 'default'"
        )
        assert str(caught.value) == expected
        if ".py" not in reference:
            assert callable(ph.load_policies(run, trust=True)["default"].given_settings["function"])

    @pytest.mark.parametrize(
        ("reference", "loaded"),
        [
            ("phantom_qlearning.q_table_policy:QTablePolicy", QTablePolicy),
            ("phantom_core.policies.fixed_policies:ConstantConfig", None),  # no policy
            ("evil.py:choose", None),
        ],
    )
    def test_past_policies_are_of_a_class_of_policies(
        self, reference: str, loaded: type | None, tmp_path: Path
    ) -> None:
        run = ph.train("q-learning", **LAKE, num_iterations=1, run_dir=tmp_path).run_directory
        assert run is not None

        def change(state: Any) -> None:
            policy = state["default"]
            policy["class"] = "phantom_core.policies.past_policies:PastPolicies"
            own = {"policy_class": {"__reference__": reference}, "policy_config": {}}
            policy["settings"], policy["state"] = own, {"every": 1, "snapshots": {}}

        change_state(run / "policies", change)
        if loaded is not None:
            assert ph.load_policies(run)["default"].given_settings["policy_class"] is loaded
            return
        with pytest.raises(ph.errors.TrustError) as caught:
            ph.load_policies(run)
        assert str(caught.value) == refusal(
            f"The checkpoint {run / 'policies'}", reference, "setting policy_class of policy 'default'"
        )

    @pytest.mark.parametrize(
        ("reference", "loaded"),
        [
            ("phantom_core.policies.fixed_policies:ConstantConfig", "ConstantConfig"),  # settings
            ("phantom_core.policies.fixed_policies:RandomPolicy", None),  # no settings
            ("phantom_core.__main__:main", None),
        ],
    )
    def test_settings_of_policies_are_classes_of_settings(
        self, reference: str, loaded: str | None, tmp_path: Path
    ) -> None:
        run = ph.train("q-learning", **LAKE, num_iterations=1, run_dir=tmp_path).run_directory
        assert run is not None

        def change(state: Any) -> None:
            policy = state["default"]
            policy["class"] = "phantom_core.policies.fixed_policies:FunctionPolicy"
            policy["settings"], policy["state"] = {"function": {"__reference__": reference}}, {}

        change_state(run / "policies", change)
        if loaded is not None:
            assert ph.load_policies(run)["default"].given_settings["function"].__name__ == loaded
        else:
            with pytest.raises(ph.errors.TrustError):
                ph.load_policies(run)

    @pytest.mark.parametrize(
        ("env", "config", "sentence"),
        [
            ("subprocess:check_output", {"args": ["touch", "imported"]}, "'subprocess:check_output' as env"),
            ("os:system", {"command": "touch imported"}, "'os:system' as env"),
            ("phantom_core.policies.fixed_policies:RandomPolicy", {}, "RandomPolicy is no multi-agent env"),
            ("gymnasium", {"env": "evil:Env-v0"}, "'evil:Env-v0' as the id of a Gymnasium env"),
            (
                "phantom_core.adapters.gymnasium_env:GymnasiumEnv",
                {"env": "evil:Env-v0"},
                "'evil:Env-v0' as the id of a Gymnasium env",
            ),
        ],
    )
    def test_an_env_is_no_function_and_no_module(
        self,
        env: str,
        config: dict[str, Any],
        sentence: str,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        (tmp_path / "evil.py").write_text(EVIL)
        monkeypatch.chdir(tmp_path)
        monkeypatch.syspath_prepend(tmp_path)
        run = ph.train("q-learning", **LAKE, num_iterations=1, run_dir=tmp_path).run_directory
        assert run is not None
        settings = f'env = "{env}"\ntrainer = "q-learning"\niterations = 1\n[env_config]\n'
        lines = [f"{key} = {json.dumps(value)}\n" for key, value in config.items()]
        (run / "config.toml").write_text(settings + "".join(lines))
        with pytest.raises((ph.errors.TrustError, ph.errors.ConfigError), match=re.escape(sentence)):
            ph.tools.evaluate_run(run)
        assert not Path("imported").exists()

    def test_the_environment_is_not_read(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("KEY_OF_MINE", "FrozenLake-v1")
        run = ph.train("q-learning", **LAKE, num_iterations=1, run_dir=tmp_path).run_directory
        assert run is not None
        text = (run / "config.toml").read_text()
        (run / "config.toml").write_text(text.replace("FrozenLake-v1", "env:KEY_OF_MINE"))
        with pytest.raises(ph.errors.TrustError) as caught:
            ph.tools.evaluate_run(run)
        assert str(caught.value) == (
            f"The run {run} was not written here, or was changed since. It names the environment variable "
            "'KEY_OF_MINE' as env_config.env, which was not read: it may be a secret. If you trust who wrote "
            "it, with all the code that it names, use --trust or trust=True, or sign it once: phantom runs "
            "trust RUN."
        )
        assert len(ph.tools.evaluate_run(run, num_episodes=1, trust=True)[0].episodes) == 1

    def test_initial_values_of_tables_are_no_code(self, tmp_path: Path) -> None:
        run = ph.train("q-learning", **LAKE, num_iterations=1, run_dir=tmp_path).run_directory
        assert run is not None
        change_state(run / "policies", lambda s: s["default"]["settings"].update(initial_value="os:system"))
        with pytest.raises(ph.errors.TrustError, match="'os:system' as initial_value"):
            ph.load_policies(run)


def test_a_signed_run_says_what_it_names(game: Path, become_another: Callable[[], None]) -> None:
    become_another()
    saved = ph.tools.SavedRun.read(game)
    folder = game.parent.parent.resolve()
    evil = f"{folder}/evil.py:Evil"
    table = "phantom_qlearning.q_table_policy:QTablePolicy"
    assert saved.named_code() == {
        "config.toml env": f"{folder}/guess_world.py:GuessEnv",
        "config.toml policies.other.policy": evil,
        "iteration-000001 learner.class": table,
        "iteration-000001 other.class": evil,
        "iteration-000002 learner.class": table,
        "iteration-000002 other.class": evil,
        "policies learner.class": table,
        "policies other.class": evil,
    }
    saved.sign()
    assert len(ph.tools.evaluate_run(game, num_episodes=1)[0].episodes) == 1


def test_nothing_is_signed_if_a_checkpoint_is_damaged(game: Path, become_another: Callable[[], None]) -> None:
    become_another()
    (game / "checkpoints" / "iteration-000002" / "state.json").write_text("{}")
    before = {path: path.read_bytes() for path in game.rglob("*") if path.is_file()}
    with pytest.raises(ph.errors.CheckpointError, match=r"state\.json is not as it was written"):
        ph.tools.SavedRun.read(game).sign()
    assert {path: path.read_bytes() for path in game.rglob("*") if path.is_file()} == before
