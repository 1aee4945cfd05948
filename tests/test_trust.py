"""`ph.trust`: signatures by the user's key, and blocks in which nothing of a stranger is imported."""

import stat
import threading
from pathlib import Path

import pytest

import phantom_core as ph


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The state directory of a new user."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path / "state"


class TestSignatures:
    def test_of_the_same_content_are_valid_and_others_are_not(self, state: Path) -> None:
        signature = ph.trust.sign("notes", b"buy low")
        assert signature.startswith("hmac-sha256:")
        assert ph.trust.is_signed("notes", b"buy low", signature)
        assert not ph.trust.is_signed("notes", b"buy high", signature)
        assert not ph.trust.is_signed("songs", b"buy low", signature)
        for other in ("", "hmac-sha256:", signature[:-1], signature.upper(), None, 3, ["x"]):
            assert not ph.trust.is_signed("notes", b"buy low", other)

    def test_purpose_and_content_do_not_run_together(self, state: Path) -> None:
        assert not ph.trust.is_signed("ab", b"c", ph.trust.sign("a", b"bc"))

    def test_those_of_another_user_are_not_valid(self, state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        signature = ph.trust.sign("notes", b"buy low")
        monkeypatch.setenv("XDG_STATE_HOME", str(state / "of-another"))
        assert not ph.trust.is_signed("notes", b"buy low", signature)
        assert not ph.trust.key_file().exists()  # reading makes no key

    def test_the_key_is_readable_by_the_user_alone(self, state: Path) -> None:
        ph.trust.sign("notes", b"")
        key = ph.trust.key_file()
        assert key == state / "phantom" / "key"
        assert stat.S_IMODE(key.stat().st_mode) == 0o600
        assert stat.S_IMODE(key.parent.stat().st_mode) == 0o700
        assert len(key.read_bytes()) == 32
        assert [path.name for path in key.parent.iterdir()] == ["key"]

    def test_of_processes_that_start_together_are_by_one_key(self, state: Path) -> None:
        found: list[str] = []
        threads = [threading.Thread(target=lambda: found.append(ph.trust.sign("a", b"b"))) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(found) == 8
        assert len(set(found)) == 1

    def test_without_a_place_for_the_key_are_empty_with_one_warning(
        self, state: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        state.write_text("a file where a folder is to be")
        assert [ph.trust.sign("notes", b"buy low"), ph.trust.sign("notes", b"")] == ["", ""]
        key = state / "phantom" / "key"
        assert caplog.messages == [
            (
                "What is written is not signed, so loading it needs --trust or trust=True: the key "
                f"{key} cannot be used: [Errno 20] Not a directory: '{key}'"
            )
        ]
        assert not ph.trust.is_signed("notes", b"buy low", "")

    def test_by_a_key_that_others_can_read_prove_nothing(self, state: Path) -> None:
        signature = ph.trust.sign("notes", b"buy low")
        key = ph.trust.key_file()
        key.chmod(0o644)
        with pytest.raises(ph.errors.TrustError) as caught:
            ph.trust.is_signed("notes", b"buy low", signature)
        assert str(caught.value) == (
            f"The key {key}, which signs what is written here, can be read by others. Expected that only you "
            f"can: chmod 600 {key}, or delete it, after which earlier runs are not trusted."
        )
        assert ph.trust.sign("notes", b"buy low") == ""

    def test_by_a_key_that_was_cut_off_prove_nothing(self, state: Path) -> None:
        signature = ph.trust.sign("notes", b"buy low")
        key = ph.trust.key_file()
        key.write_bytes(b"")
        with pytest.raises(ph.errors.TrustError) as caught:
            ph.trust.is_signed("notes", b"buy low", signature)
        assert str(caught.value) == (
            f"The key {key}, which signs what is written here, has 0 bytes. Expected 32. Delete it, after "
            "which earlier runs are not trusted."
        )


class TestUntrusted:
    def test_refuses_in_the_block_only(self) -> None:
        ph.trust.check_may_import("os:system", "network")
        with pytest.raises(ph.errors.TrustError) as caught, ph.trust.untrusted("The notes a.txt"):
            ph.trust.check_may_import("os:system", "network")
        assert str(caught.value) == (
            "The notes a.txt was not written here, or was changed since. It names 'os:system' as network, "
            "which was not imported: expected the name of a registered component, or a class of an installed "
            "plugin that fits there. If you trust who wrote it, with all the code that it names, use --trust "
            "or trust=True, or sign it once: phantom runs trust RUN."
        )
        ph.trust.check_may_import("os:system", "network")

    def test_is_lifted_inside_for_a_source_that_is_trusted(self) -> None:
        with ph.trust.untrusted("The run a"), ph.trust.untrusted("The checkpoint b", unless=True):
            assert not ph.trust.untrusted_source()
            ph.trust.check_may_import("os:system", "network")

    def test_holds_for_references(self) -> None:
        load = ph.tools.load_reference
        with ph.trust.untrusted("The notes a.txt"):
            for reference in (
                "subprocess:check_output",
                "phantom_core.__main__:main",
                "phantom_core.policies.fixed_policies:RandomPolicy",  # nothing is expected
                "./evil.py:X",
                "antigravity:fly",
            ):
                with pytest.raises(ph.errors.TrustError):
                    load(reference, setting="x", folder=Path())
        assert load("os:getcwd", setting="x", folder=Path())

    @pytest.mark.parametrize(
        ("reference", "is_allowed"),
        [
            ("phantom_core.policies.fixed_policies:RandomPolicy", True),
            ("phantom_core.policies.fixed_policies:RandomConfig", False),  # no such class
            ("phantom_core.policies.fixed_policies:ConstantConfig", False),  # no policy
            ("phantom_core.policies.fixed_policies:Policy", False),  # imported there only
            ("phantom_core.policies.fixed_policies:_as_element", False),
            ("phantom_core.policies:fixed_policies", False),
            ("phantom_core.no_such_module:Policy", False),
            ("phantom_core", False),
            ("numpy:ndarray", False),
            ("fixed_policies.py:RandomPolicy", False),
        ],
    )
    def test_allows_classes_of_plugins_that_are_expected(
        self,
        reference: str,
        is_allowed: bool,  # noqa: FBT001
    ) -> None:
        with ph.trust.untrusted("The notes a.txt"):
            if is_allowed:
                found = ph.tools.load_reference(reference, setting="x", folder=Path(), expected=ph.BasePolicy)
                assert found.__name__ == "RandomPolicy"
            else:
                with pytest.raises(ph.errors.TrustError):
                    ph.tools.load_reference(reference, setting="x", folder=Path(), expected=ph.BasePolicy)
