"""Which code took part: version, source, and a hash that changes when a file does."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

import phantom_core as ph
from phantom_core.installed.discovery import source_text
from phantom_core.training.run_record import hash_of_files, provenance_of, provenance_of_object

LOGGERS = {"phantom_core.loggers": {"acme": "acme_p:Acme"}}


def hash_of(name: str) -> str:
    (facts,) = provenance_of([name])
    return facts["sha256"]


def test_the_hash_changes_when_an_installed_file_does(fake_distribution: Callable[..., Path]) -> None:
    site = fake_distribution("acme", LOGGERS, {"acme_p": "x = 1\n"})
    record = "acme_p.py,,\nacme-1.0.dist-info/METADATA,,\n../../../bin/acme,,\n"
    (site / "acme-1.0.dist-info" / "RECORD").write_text(record)
    before = hash_of("acme")
    (site / "acme-1.0.dist-info" / "INSTALLER").write_text("pip")
    (site / "another.py").write_text("y = 1")  # of somebody else
    assert hash_of("Acme") == before
    (site / "acme_p.py").write_text("x = 2\n")
    assert hash_of("acme") != before


def test_of_an_editable_install_the_files_of_its_packages_count(
    fake_distribution: Callable[..., Path],
) -> None:
    site = fake_distribution("acme", {"phantom_core.loggers": {"acme": "acme_pkg.inner:Acme"}})
    package = site / "acme_pkg"
    (package / "__pycache__").mkdir(parents=True)
    for name in ("__init__.py", "inner.py", "data.json"):
        (package / name).write_text("import os\nos._exit(1)\n")
    url = {"url": f"file://{site}", "dir_info": {"editable": True}}
    (site / "acme-1.0.dist-info" / "direct_url.json").write_text(json.dumps(url))
    (site / "acme-1.0.dist-info" / "RECORD").write_text("_acme.pth,,\n")
    before = hash_of("acme")
    (package / "__pycache__" / "inner.pyc").write_text("compiled")
    assert hash_of("acme") == before
    (package / "data.json").write_text("{}")
    assert hash_of("acme") != before


def test_the_hash_does_not_depend_on_the_place(tmp_path: Path) -> None:
    hashes = []
    for folder in ("a", "b"):
        files = [tmp_path / folder / "one.py", tmp_path / folder / "inner" / "two.py"]
        for file in files:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(file.name)
        hashes += [hash_of_files(files), hash_of_files(reversed(files))]
    assert len(set(hashes)) == 1


def test_a_link_is_the_file_that_it_leads_to(tmp_path: Path) -> None:
    (tmp_path / "code").mkdir()
    file, linked = tmp_path / "code" / "one.py", tmp_path / "linked"
    file.write_text("x = 1\n")
    linked.symlink_to(file.parent)
    (linked / "two.py").symlink_to(file)
    alone = hash_of_files([file])
    assert alone == hash_of_files([file, linked / "one.py", linked / "two.py"])
    file.write_text("x = 2\n")
    assert hash_of_files([linked / "two.py"]) != alone


@pytest.mark.parametrize(
    ("direct_url", "text"),
    [
        (None, "index"),
        ('{"url": "file:///a%20b", "dir_info": {"editable": true}}', "editable /a b"),
        ('{"url": "file:///a", "dir_info": {}}', "file:///a"),
        ('{"url": "https://x/a.whl", "archive_info": {}}', "https://x/a.whl"),
        ('{"url": "https://x/a", "vcs_info": {"vcs": "git", "commit_id": "c0"}}', "git+https://x/a@c0"),
        ("{", "unknown: its direct_url.json cannot be read"),
    ],
)
def test_the_source_is_as_pip_wrote_it_down(direct_url: str | None, text: str) -> None:
    assert source_text(direct_url) == text


def test_an_object_comes_from_the_file_of_its_class() -> None:
    class Mine(ph.Hooks):
        pass

    assert provenance_of_object(Mine())["file"] == __file__
    assert provenance_of_object(3) == {"file": "", "sha256": ""}
