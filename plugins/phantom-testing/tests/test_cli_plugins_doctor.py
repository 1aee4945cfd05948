"""`phantom plugins doctor`: one fixture per disease."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

LOGGER = {"phantom_core.loggers": {"acme": "acme_doc:Acme"}}
HEALTHY = "import phantom_core as ph\nclass Acme(ph.Hooks):\n    def on_train_end(self, event): ...\n"

Doctor = Callable[..., list[dict[str, str]]]


@pytest.fixture
def doctor(phantom: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> Doctor:
    """Return what the doctor finds about acme and its likes; everything else is healthy, and left out."""

    def look(*arguments: str, slow_seconds: float = 1000.0) -> list[dict[str, str]]:
        monkeypatch.setattr("phantom_testing.diagnose_plugins._importable", only_acme)
        monkeypatch.setattr("phantom_testing.diagnose_plugins.SLOW_SECONDS", slow_seconds)
        outcome = phantom("plugins", "doctor", "--json", *arguments)
        found: list[dict[str, str]] = json.loads(outcome.out)["findings"]
        assert outcome.code == (1 if any(f["severity"] != "note" for f in found) else 0)
        return found

    from phantom_testing import diagnose_plugins

    everything = diagnose_plugins._importable  # noqa: SLF001  importing all that is installed takes long

    def only_acme(*arguments: Any) -> Any:
        return (entry for entry in everything(*arguments) if entry.distribution == "acme")

    return look


def sentences(found: list[dict[str, str]]) -> list[tuple[str, str, str]]:
    return [(f["check"], f["where"], f["what"]) for f in found]


def test_a_healthy_plugin_has_no_findings(doctor: Doctor, fake_distribution: Callable[..., Path]) -> None:
    fake_distribution("acme", LOGGER, {"acme_doc": HEALTHY})
    assert doctor() == []


def test_an_editable_install_whose_entry_points_changed_is_stale(
    doctor: Doctor, fake_distribution: Callable[..., Path], tmp_path: Path
) -> None:
    site = fake_distribution("acme", LOGGER, {"acme_doc": HEALTHY})
    source = tmp_path / "source"
    source.mkdir()
    url = {"url": f"file://{source}", "dir_info": {"editable": True}}
    (site / "acme-1.0.dist-info" / "direct_url.json").write_text(json.dumps(url))
    project = '[project]\nname = "acme"\n[project.entry-points."phantom_core.loggers"]\n'
    (source / "pyproject.toml").write_text(project + 'acme = "acme_doc:Acme"\n')
    assert doctor("--no-import") == []
    (source / "pyproject.toml").write_text(project + 'acme = "acme_doc:Acme"\ndiary = "acme_doc:Diary"\n')
    (finding,) = doctor("--no-import")
    assert finding == {
        "check": "stale-entry-points",
        "severity": "error",
        "where": f"acme ({source})",
        "what": "Its pyproject.toml and what is installed differ in 'diary'.",
        "advice": f"Run: pip install --editable {source}",
    }
    (source / "pyproject.toml").unlink()
    source.rmdir()
    (finding,) = doctor("--no-import")
    assert finding["what"] == "The folder that it was installed from is gone."


def test_metadata_that_is_there_twice_is_found(
    doctor: Doctor, fake_distribution: Callable[..., Path]
) -> None:
    late = fake_distribution("acme", LOGGER, {"acme_doc": HEALTHY}, version="0.9", folder="late")
    early = fake_distribution("acme", LOGGER, {"acme_doc": HEALTHY}, folder="early")
    (finding,) = doctor("--no-import")
    assert (finding["check"], finding["where"]) == ("duplicate-metadata", f"acme 0.9 ({late})")
    assert finding["what"] == f"It is hidden by acme 1.0 ({early})."
    assert finding["advice"] == "Remove the one that you do not want: pip uninstall acme."


def test_two_distributions_that_own_one_package_are_found(
    doctor: Doctor, fake_distribution: Callable[..., Path]
) -> None:
    site = fake_distribution("phantom-core", {"console_scripts": {"market": "market:main"}})
    (site / "phantom_core_0_0_18").mkdir()
    (site / "phantom_core-0.0.18.dist-info").mkdir()
    (site / "phantom_core-1.0.dist-info" / "top_level.txt").write_text("phantom_core\n")
    (finding,) = doctor("--no-import")
    assert finding == {
        "check": "shared-package",
        "severity": "error",
        "where": "phantom-rl-core, phantom-core",
        "what": "Both own the package phantom_core, and overwrite each other's files.",
        "advice": "Run: pip uninstall phantom-rl-core phantom-core, then install the one that you want.",
    }


def test_what_metadata_shows_is_found(
    doctor: Doctor, fake_distribution: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_distribution("acme", LOGGER, {"acme_doc": HEALTHY}, requires="")
    fake_distribution("hungry", {"phantom_core.envs": {"h": "h:H"}}, {"h": ""}, requires="acme-oven>=3")
    fake_distribution("late", {"phantom_core.envs": {"l": "l:L"}}, {"l": ""}, requires="phantom-rl-core>=7")
    fake_distribution("gone", {"phantom_core.envs": {"g": "gone_g:G"}})
    fake_distribution("twin", LOGGER, {"acme_doc": HEALTHY})
    monkeypatch.setenv("PHANTOM_DISABLED_PLUGINS", "acmee")
    assert sentences(doctor("--no-import")) == [
        ("missing-module", "env gone:g", "It points to gone_g:G, and there is no module gone_g."),
        ("missing-dependency", "env hungry:h", "It needs acme-oven>=3."),
        ("incompatible", "env late:l", "It needs phantom-rl-core>=7."),
        ("unknown-name", "PHANTOM_DISABLED_PLUGINS", "It names 'acmee', which is not installed."),
        ("no-core-bound", "acme", "It does not say which versions of phantom-rl-core it works with."),
        ("no-core-bound", "hungry", "It does not say which versions of phantom-rl-core it works with."),
        ("conflict", "logger acme:acme", "Its name is also offered by twin."),
        ("conflict", "logger twin:acme", "Its name is also offered by acme."),
    ]


def test_names_in_the_settings_file_that_mean_nothing_are_found(
    doctor: Doctor, fake_distribution: Callable[..., Path], guess_folder: Path
) -> None:
    fake_distribution("acme", LOGGER, {"acme_doc": HEALTHY})
    (guess_folder / "phantom.toml").write_text('[plugins]\ndisable = ["acmee", "acme:acme"]\n')
    assert sentences(doctor("--no-import")) == [
        ("unknown-name", "plugins.disable in phantom.toml", "It names 'acmee', which is not installed.")
    ]


def test_an_entry_point_that_is_wrong_is_not_mended_by_a_reinstallation(
    doctor: Doctor, fake_distribution: Callable[..., Path], tmp_path: Path
) -> None:
    site = fake_distribution(
        "acme", {"phantom_core.loggers": {"acme": "acme_doc Acme"}}, {"acme_doc": HEALTHY}
    )
    (finding,) = doctor("--no-import")
    assert finding["advice"] == "Tell the authors of acme: no reinstallation changes its entry point."
    url = {"url": f"file://{tmp_path}", "dir_info": {"editable": True}}
    (site / "acme-1.0.dist-info" / "direct_url.json").write_text(json.dumps(url))
    (finding,) = doctor("--no-import")
    assert finding["advice"] == (
        f"Fix its entry point in {tmp_path}/pyproject.toml, then run: pip install --editable {tmp_path}"
    )


@pytest.mark.parametrize(
    ("source", "check", "what"),
    [
        ("import os\nos._exit(3)\n", "import-fails", "its import ended the process with exit code 3"),
        ("1 / 0\n", "import-fails", "ZeroDivisionError: division by zero"),
        ("print('hello')\n", "prints", "Its import prints 'hello'."),
        ("import os\nos.environ['ACME'] = '1'\n", "side-effect", "changes environment variables: ACME."),
        ("import random\nrandom.random()\n", "side-effect", "draws from global random generators: "),
        ("import warnings\nwarnings.simplefilter('ignore')\n", "side-effect", "changes warning filters: "),
    ],
)
def test_what_an_import_does_is_found_and_hurts_nobody(
    source: str, check: str, what: str, doctor: Doctor, fake_distribution: Callable[..., Path]
) -> None:
    fake_distribution("acme", LOGGER, {"acme_doc": source + HEALTHY})
    (finding,) = doctor()
    assert (finding["check"], finding["where"]) == (check, "logger acme:acme")
    assert what in finding["what"]


@pytest.mark.parametrize(
    ("group", "source", "what"),
    [
        (
            "loggers",
            "class Acme: ...",
            (
                "Logger 'acme' of acme 1.0 is Acme, which is no Hooks. This is a defect of acme: derive it "
                "from ph.Hooks."
            ),
        ),
        (
            "commands",
            "Acme = 3",
            "Command 'acme' of acme 1.0 is 3. Expected a click command: mend its entry point.",
        ),
        (
            "plugins",
            "import phantom_core as ph\nclass Acme(ph.Hooks): ...",
            (
                "Plugin 'acme:acme' is skipped: Plugin 'acme:acme' implements no hook. Override a method of "
                "ph.Hooks, such as on_iteration_end, mark a function with @ph.hookimpl, or leave it out."
            ),
        ),
        (
            "kinds",
            "Acme = 3",
            "Its target 'acme_doc:Acme' is 3. Expected the base class of the components of its kind.",
        ),
    ],
)
def test_what_is_not_what_its_group_promises_is_found(
    group: str, source: str, what: str, doctor: Doctor, fake_distribution: Callable[..., Path]
) -> None:
    fake_distribution("acme", {f"phantom_core.{group}": {"acme": "acme_doc:Acme"}}, {"acme_doc": source})
    assert sentences(doctor()) == [("wrong-object", f"{group.removesuffix('s')} acme:acme", what)]


@pytest.mark.parametrize(
    ("group", "source"),
    [
        ("plugins", HEALTHY),
        ("kinds", "class Acme: ..."),
        ("commands", "import click\n@click.command()\ndef Acme(): ..."),
    ],
)
def test_what_is_what_its_group_promises_has_no_findings(
    group: str, source: str, doctor: Doctor, fake_distribution: Callable[..., Path]
) -> None:
    fake_distribution("acme", {f"phantom_core.{group}": {"acme": "acme_doc:Acme"}}, {"acme_doc": source})
    assert doctor() == []


def test_an_import_that_hangs_is_given_up(doctor: Doctor, fake_distribution: Callable[..., Path]) -> None:
    fake_distribution("acme", LOGGER, {"acme_doc": "import time\ntime.sleep(600)\n" + HEALTHY})
    (finding,) = doctor("--timeout", "2")
    assert finding["what"] == "It cannot be imported: its import took more than 2 seconds."


def test_an_import_that_takes_long_is_found(doctor: Doctor, fake_distribution: Callable[..., Path]) -> None:
    fake_distribution("acme", LOGGER, {"acme_doc": HEALTHY})
    (finding,) = doctor(slow_seconds=0.0)
    assert finding["check"] == "slow-import"
    assert finding["what"].startswith("Its import takes ")


def test_a_plugin_object_that_imports_heavy_libraries_in_every_run_is_found(
    doctor: Doctor, fake_distribution: Callable[..., Path]
) -> None:
    source = "import matplotlib\n" + HEALTHY
    modules = {"acme_doc": source, "matplotlib": ""}
    fake_distribution("acme", {"phantom_core.plugins": {"acme": "acme_doc:Acme"}}, modules)
    assert sentences(doctor()) == [
        ("heavy-import", "plugin acme:acme", "It is imported in every run, and imports matplotlib.")
    ]


def test_a_library_of_an_extra_is_only_noted(doctor: Doctor, fake_distribution: Callable[..., Path]) -> None:
    site = fake_distribution("acme", LOGGER, {"acme_doc": "import acme_heavy\n" + HEALTHY})
    metadata = site / "acme-1.0.dist-info" / "METADATA"
    metadata.write_text(metadata.read_text() + 'Requires-Dist: acme-heavy>=2; extra == "fast"\n')
    (finding,) = doctor()
    assert finding == {
        "check": "optional-dependency",
        "severity": "note",
        "where": "logger acme:acme",
        "what": "It needs the extra 'fast'.",
        "advice": "To use it: pip install 'acme[fast]'",
    }


def test_the_doctor_speaks_in_text(
    phantom: Callable[..., Any], fake_distribution: Callable[..., Path]
) -> None:
    fake_distribution("acme", {"phantom_core.envs": {"g": "gone_g:G"}})
    outcome = phantom("plugins", "doctor", "--no-import")
    assert outcome.code == 1
    assert outcome.out == (
        "error   env acme:g: It points to gone_g:G, and there is no module gone_g.\n"
        "        → Run: pip install --force-reinstall acme. If that does not help, tell its authors that "
        "its\n"
        "        entry point is wrong.\n"
        "\n"
        "Found 1 thing to fix.\n"
    )
