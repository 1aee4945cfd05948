import importlib
import importlib.metadata
import sys
from pathlib import Path

import pytest
from packaging.specifiers import SpecifierSet

import phantom_core as ph
import phantom_testing
from phantom_testing.core_bound import core_bound

GROUPS = {"phantom_core.trainers": {"acme": "acme_fake:Acme"}}


def test_a_fake_distribution_is_found_and_can_be_imported_until_the_block_ends(tmp_path: Path) -> None:
    before = list(sys.path)
    with phantom_testing.fake_distribution(
        tmp_path / "site", "acme-fake", GROUPS, {"acme_fake": "Acme = 3"}, version="2.0", summary="A joke"
    ) as folder:
        (entry,) = [entry for entry in ph.tools.plugin_statuses() if entry.distribution == "acme-fake"]
        assert folder == tmp_path / "site"
        assert (entry.version, importlib.metadata.metadata("acme-fake")["Summary"]) == ("2.0", "A joke")
        assert SpecifierSet(entry.core_specifier) == SpecifierSet(core_bound())
        assert importlib.import_module("acme_fake").Acme == 3
    assert sys.path == before
    assert "acme_fake" not in sys.modules
    assert [entry for entry in ph.tools.plugin_statuses() if entry.distribution == "acme-fake"] == []


def test_a_fake_distribution_may_require_nothing(tmp_path: Path) -> None:
    with phantom_testing.fake_distribution(tmp_path, "acme-fake", GROUPS, requires=""):
        (entry,) = [entry for entry in ph.tools.plugin_statuses() if entry.distribution == "acme-fake"]
        assert entry.core_specifier == ""


def test_the_hook_recorder_keeps_every_event_in_order() -> None:
    recorder = phantom_testing.hook_recorder()
    with pytest.raises(ph.errors.EnvError):
        ph.train(
            ph_trainer(), env=phantom_testing.IdentityEnv, num_iterations=1, hooks=[recorder], run_dir=None
        )
    assert recorder.names == ["on_train_start", "on_iteration_start", "on_exception", "on_train_end"]
    assert recorder.events("on_train_end")[0].status == "failed"


def ph_trainer() -> ph.Trainer:
    class Failing(ph.Trainer):
        policy_class = ph.RandomPolicy

        def training_step(self, *args: object) -> None:
            raise ph.errors.EnvError("no")

    return Failing()


@pytest.mark.parametrize("name", phantom_testing.__all__)
def test_every_name_of_the_kit_exists_and_is_documented(name: str) -> None:
    assert getattr(phantom_testing, name).__doc__


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("testing", "phantom_testing"),
        ("diagnose", "phantom_testing.diagnose"),
        ("Diagnosis", "phantom_testing.Diagnosis"),
        ("Finding", "phantom_testing.Finding"),
    ],
)
def test_a_name_that_the_core_had_is_told_its_new_place(name: str, place: str) -> None:
    with pytest.raises(AttributeError) as caught:
        getattr(ph, name)
    assert str(caught.value) == (
        f"module 'phantom_core' has no attribute '{name}': it is {place} now. To install it: pip install "
        "phantom-testing"
    )
