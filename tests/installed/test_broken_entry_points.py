"""Entry points that mean nothing, or cannot be read: each is said in one sentence, and hurts nobody else."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import phantom_core as ph
from phantom_core.hooks.plugin_manager import PluginManager
from phantom_core.installed.discovery import CORE_COMMANDS, installed, installed_entries, scan_of

FakeDistribution = Callable[..., Path]
TRAINER = "import phantom_core as ph\nclass Mine(ph.Trainer):\n    policy_class = ph.RandomPolicy\n"


def problem_of(distribution: str) -> str:
    (problem,) = {entry.problem for entry in installed_entries() if entry.distribution == distribution}
    return problem


def statuses(phantom: Callable[..., Any]) -> dict[str, tuple[str, str]]:
    rows = json.loads(phantom("plugins", "list", "--json").out)
    return {row["distribution"]: (row["status"], row["reason"]) for row in rows}


@pytest.mark.parametrize(
    ("group", "name", "target", "problem"),
    [
        (
            "phantom_core.trainer",
            "mine",
            "acme_rl:Mine",
            (
                "no kind of component has the entry-point group 'phantom_core.trainer' (did you mean "
                "'phantom_core.trainers'?)"
            ),
        ),
        (
            "phantom_core.xyz",
            "mine",
            "acme_rl:Mine",
            "no kind of component has the entry-point group 'phantom_core.xyz'",
        ),
        (
            "phantom_core.trainers",
            "my algo",
            "acme_rl:Mine",
            "its name 'my algo' may only have lower-case letters, digits, '.', '_' and '-'",
        ),
        (
            "phantom_core.trainers",
            "Mine",
            "acme_rl:Mine",
            "its name 'Mine' may only have lower-case letters, digits, '.', '_' and '-'",
        ),
        (
            "phantom_core.trainers",
            "acme:mine",
            "acme_rl:Mine",
            "its name 'acme:mine' may only have lower-case letters, digits, '.', '_' and '-'",
        ),
        (
            "phantom_core.trainers",
            "mine",
            "acme_rl:Mine [gpu]",
            "its target 'acme_rl:Mine [gpu]' asks for an extra, which nothing installs. Write 'acme_rl:Mine'",
        ),
        (
            "phantom_core.trainers",
            "mine",
            "acme_rl",
            "its target is 'acme_rl'. Expected 'package.module:Class'",
        ),
        (
            "phantom_core.trainers",
            "mine",
            "acme-rl:Mine",
            "its target is 'acme-rl:Mine'. Expected 'package.module:Class'",
        ),
        (
            "phantom_core.trainers",
            "mine",
            "queue:Mine",
            "its module 'queue' has the name of one of Python's own, which is imported instead",
        ),
        ("phantom_core.commands", "train", "acme_rl:Mine", "the command 'train' is the core's own"),
        (
            "phantom_core.commands",
            "garden.roses.grow",
            "acme_rl:Mine",
            "its name 'garden.roses.grow' has more than one dot. Expected 'COMMAND' or 'GROUP.COMMAND'",
        ),
        (
            "phantom_core.commands",
            "train.mine",
            "acme_rl:Mine",
            "'train' is a command of phantom-rl-core, so 'train.mine' cannot be added to it",
        ),
        ("phantom_core.kinds", "trainer", "acme_rl:Mine", "the kind 'trainer' is the core's own"),
    ],
)
def test_a_line_that_cannot_work_is_told_everywhere_and_hurts_nobody(
    group: str,
    name: str,
    target: str,
    problem: str,
    fake_distribution: FakeDistribution,
    phantom: Callable[..., Any],
    caplog: pytest.LogCaptureFixture,
) -> None:
    fake_distribution("acme", {group: {name: target}}, {"acme_rl": TRAINER})
    assert problem_of("acme") == problem
    assert statuses(phantom)["acme"] == ("failed", problem)
    assert statuses(phantom)["phantom-qlearning"] == ("ok", "")
    manager = PluginManager()
    manager.load_installed_plugins()
    assert [(s.name, s.reason) for s in manager.skipped] == [(f"acme:{name}", f"{problem}.")]
    assert caplog.messages == [f"Plugin 'acme:{name}' is skipped: {problem}."]
    checked = phantom("plugins", "check", "acme")
    assert checked.code == 1
    told = " ".join(checked.out.split())
    assert f"FAILED it is found {problem[0].upper()}{problem[1:]}." in told


def test_a_run_that_names_such_a_component_says_what_is_wrong(fake_distribution: FakeDistribution) -> None:
    fake_distribution("acme", {"phantom_core.trainer": {"mine": "acme_rl:Mine"}}, {"acme_rl": TRAINER})
    with pytest.raises(ph.errors.PluginError) as caught:
        ph.train("mine", env="gymnasium", num_iterations=1)
    assert str(caught.value) == (
        "Trainer 'mine' of acme 1.0 cannot be used: no kind of component has the entry-point group "
        "'phantom_core.trainer' (did you mean 'phantom_core.trainers'?). This is a defect of acme: mend its "
        "entry point."
    )


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"[phantom_core.trainers]\nmine = \xff\xfe\n", "UnicodeDecodeError"),
        (b"[phantom_core.trainers]\n<<<<<<< HEAD\nmine = acme:Mine\n", ""),
        (None, "IsADirectoryError"),
    ],
    ids=["not UTF-8", "a conflict", "a folder"],
)
def test_metadata_that_cannot_be_read_is_told(
    content: bytes | None,
    reason: str,
    fake_distribution: FakeDistribution,
    phantom: Callable[..., Any],
    caplog: pytest.LogCaptureFixture,
) -> None:
    site = fake_distribution("acme", {"phantom_core.trainers": {"mine": "acme_rl:Mine"}})
    path = site / "acme-1.0.dist-info" / "entry_points.txt"
    path.unlink()
    if content is None:
        path.mkdir()
    else:
        path.write_bytes(content)
    scan_of.cache_clear()
    (broken,) = installed().broken
    assert broken.name == "acme"
    assert broken.problem.startswith(f"its entry_points.txt cannot be read: {reason}")
    status, told = statuses(phantom)["acme"]
    assert (status, told) == ("failed", f"{broken.problem} ({broken.location})")
    PluginManager().load_installed_plugins()
    assert caplog.messages == [
        f"Plugin 'acme' is skipped: {broken.problem} ({broken.location}). Install acme again."
    ]
    assert phantom("plugins", "check", "acme").err == (
        f"Error: acme is installed in {broken.location}, but {broken.problem}. Install it again: pip install "
        "--force-reinstall acme\n"
    )


def test_metadata_of_others_that_cannot_be_read_is_their_own_affair(
    fake_distribution: FakeDistribution,
) -> None:
    site = fake_distribution("other", {}, requires="")
    (site / "other-1.0.dist-info" / "entry_points.txt").write_bytes(b"\xff\xfe")
    scan_of.cache_clear()
    assert installed().broken == ()


def test_a_target_in_nested_namespace_packages_is_found(
    fake_distribution: FakeDistribution, phantom: Callable[..., Any]
) -> None:
    site = fake_distribution("acme", {"phantom_core.trainers": {"mine": "acme_ns.deep.deeper.rl:Mine"}})
    (site / "acme_ns" / "deep" / "deeper").mkdir(parents=True)
    (site / "acme_ns" / "deep" / "deeper" / "rl.py").write_text(TRAINER)
    assert statuses(phantom)["acme"] == ("ok", "")
    assert ph.find("trainer", "mine").load().__name__ == "Mine"


def test_the_commands_of_the_core_are_those_that_nobody_can_replace() -> None:
    from phantom_core.cli.main import phantom, plugins_command

    nested = [f"plugins.{name}" for name in plugins_command.places]  # type: ignore[attr-defined]
    assert sorted(CORE_COMMANDS) == sorted([*phantom.places, *nested])  # type: ignore[attr-defined]


def test_in_strict_mode_a_line_that_cannot_work_ends_the_run(fake_distribution: FakeDistribution) -> None:
    fake_distribution("acme", {"phantom_core.trainer": {"mine": "acme_rl:Mine"}}, {"acme_rl": TRAINER})
    with pytest.raises(ph.errors.PluginError) as caught:
        ph.train("q-learning", env="gymnasium", num_iterations=1, strict_hooks=True, run_dir=None)
    assert str(caught.value) == (
        "Plugin 'acme:mine' cannot take part, and plugins are strict: no kind of component has the "
        "entry-point group 'phantom_core.trainer' (did you mean 'phantom_core.trainers'?)."
    )


@pytest.mark.parametrize(
    ("group", "nearest"),
    [
        ("phantom_core", "phantom_core.plugins"),
        ("phantom-core.plugins", "phantom_core.plugins"),
        ("phantom_core_trainers", "phantom_core.trainers"),
        ("phantom_rl_core.loggers", "phantom_core.loggers"),
        ("phantom.plugins", "phantom_core.plugins"),
        ("Phantom_Core.Envs", "phantom_core.envs"),
    ],
)
def test_a_group_that_was_meant_to_be_ours_is_told(
    group: str, nearest: str, fake_distribution: FakeDistribution
) -> None:
    fake_distribution("acme", {group: {"mine": "acme_rl:Mine"}}, {"acme_rl": TRAINER})
    assert problem_of("acme") == (
        f"no kind of component has the entry-point group {group!r} (did you mean {nearest!r}?)"
    )


def test_an_import_that_raises_what_is_no_exception_is_contained(fake_distribution: FakeDistribution) -> None:
    source = "class Bye(BaseException): ...\nraise Bye\n"
    fake_distribution("acme", {"phantom_core.plugins": {"bye": "acme_bye:Bye"}}, {"acme_bye": source})
    manager = PluginManager()
    manager.load_installed_plugins()
    assert [(s.name, s.reason) for s in manager.skipped] == [
        ("acme:bye", "it could not be loaded: ImportError: its import raised Bye.")
    ]


def test_what_is_wrong_with_one_distribution_is_not_said_of_another(
    fake_distribution: FakeDistribution,
) -> None:
    fake_distribution("acme", {"phantom_core.trainer": {"mine": "acme_rl:Mine"}}, {"acme_rl": TRAINER})
    with pytest.raises(ph.errors.UnknownNameError, match="No trainer named 'other:mine'"):
        ph.find("trainer", "other:mine")
    with pytest.raises(ph.errors.PluginError, match=r"Trainer 'mine' of acme 1\.0 cannot be used"):
        ph.find("trainer", "acme:mine")
