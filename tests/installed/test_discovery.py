"""What is installed, read from metadata alone."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from phantom_core.installed.discovery import installed_entries, scan_of


def entries_of(distribution: str) -> list[tuple[str, str, str]]:
    return [(e.group, e.name, e.version) for e in installed_entries() if e.distribution == distribution]


def test_an_entry_point_line_is_an_entry(fake_distribution: Callable[..., Path]) -> None:
    fake_distribution(
        "acme-rl",
        {"phantom_core.trainers": {"acme": "acme_rl.deep:Acme"}, "console_scripts": {"acme": "acme_rl:main"}},
        requires="phantom-rl-core<9,>=0.2",
        summary="Learns anything.",
    )
    (entry,) = [entry for entry in installed_entries() if entry.distribution == "acme-rl"]
    assert (entry.group, entry.name, entry.target) == ("phantom_core.trainers", "acme", "acme_rl.deep:Acme")
    assert (entry.version, entry.summary, entry.core_specifier) == ("1.0", "Learns anything.", "<9,>=0.2")
    assert entry.is_compatible


def test_a_group_that_is_not_ours_is_left_alone(fake_distribution: Callable[..., Path]) -> None:
    fake_distribution("acme", {"phantomjs.trainers": {"acme": "acme:Wallpaper"}})
    assert entries_of("acme") == []


def test_a_distribution_that_is_found_twice_counts_once_and_the_first_wins(
    fake_distribution: Callable[..., Path],
) -> None:
    fake_distribution("acme", {"phantom_core.trainers": {"old": "acme:Old"}}, version="1.0", folder="late")
    fake_distribution("Acme", {"phantom_core.trainers": {"new": "acme:New"}}, version="2.0", folder="early")
    assert entries_of("acme") == []
    assert entries_of("Acme") == [("phantom_core.trainers", "new", "2.0")]


def test_metadata_is_read_once(fake_distribution: Callable[..., Path]) -> None:
    site = fake_distribution("acme", {"phantom_core.trainers": {"acme": "acme:Acme"}})
    first = installed_entries()
    (site / "acme-1.0.dist-info" / "entry_points.txt").unlink()
    assert installed_entries() is first
    scan_of.cache_clear()
    assert entries_of("acme") == []


def test_entries_come_in_the_same_order_whatever_the_path(
    fake_distribution: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("zebra", "acme", "Lion"):
        fake_distribution(name, {"phantom_core.trainers": {"t": "m:T"}, "phantom_core.envs": {"e": "m:E"}})
    first = installed_entries()
    monkeypatch.setattr(sys, "path", list(reversed(sys.path)))
    scan_of.cache_clear()
    assert installed_entries() == first
    ours = [(e.distribution, e.group) for e in first if e.distribution in ("zebra", "acme", "Lion")]
    groups = ("phantom_core.envs", "phantom_core.trainers")
    assert ours == [(name, group) for name in ("acme", "Lion", "zebra") for group in groups]


def test_a_distribution_without_a_bound_fits_every_core(fake_distribution: Callable[..., Path]) -> None:
    fake_distribution("acme", {"phantom_core.envs": {"acme": "acme:Env"}}, requires="")
    (entry,) = [entry for entry in installed_entries() if entry.distribution == "acme"]
    assert (entry.core_specifier, entry.is_compatible) == ("", True)


def test_a_bound_that_holds_only_for_an_extra_does_not_count(fake_distribution: Callable[..., Path]) -> None:
    fake_distribution(
        "acme", {"phantom_core.envs": {"acme": "acme:Env"}}, requires='phantom-rl-core>=7; extra == "next"'
    )
    (entry,) = [entry for entry in installed_entries() if entry.distribution == "acme"]
    assert entry.is_compatible


def test_versions_of_importlib_metadata_before_10_will_do() -> None:
    code = (
        "import importlib_metadata\n"
        "vars(importlib_metadata).pop('IDistribution', None)\n"
        "from phantom_core.installed.discovery import installed_entries\n"
        "print(len(installed_entries()) > 0)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("True\n", "")
